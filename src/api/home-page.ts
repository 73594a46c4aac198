import { escapeHtml, page } from './page.js';

/** The page at `/`: says whether Forgeway runs, and in setup mode what to do next. */

export interface HomeState {
  version: string;
  /** Steps that are missing before webhooks are accepted; empty when set up. */
  missing: readonly { variable: string; meaning: string; fix: string }[];
  webhookUrl: string;
  previews: boolean;
  /** Pauses and shadows in force, without what they cover, since anybody may see the page; undefined when it is not known. */
  holds: { pauses: number; shadows: number } | undefined;
}

function heldLine(holds: HomeState['holds']): string {
  const { pauses, shadows } = holds ?? { pauses: 0, shadows: 0 };
  const parts = [
    ...(pauses === 0
      ? []
      : [
          pauses === 1
            ? 'a pause is in force: what it covers waits'
            : `${pauses} pauses are in force: what they cover waits`,
        ]),
    ...(shadows === 0
      ? []
      : [
          shadows === 1
            ? 'a shadow is in force: what it covers sends nothing'
            : `${shadows} shadows are in force: what they cover sends nothing`,
        ]),
  ];
  if (parts.length === 0) return '';
  const text = parts.join(', and ');
  return `<p role="status">${text.charAt(0).toUpperCase()}${text.slice(1)}. See <code>forgeway holds</code>.</p>`;
}

/** `code` in the texts about variables is shown as such. */
const withCode = (text: string) => escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');

/** @param account HTML that says who is signed in */
export function homePage(state: HomeState, account: string): string {
  const steps = state.missing
    .map(
      ({ variable, meaning, fix }) =>
        `<dt><code>${escapeHtml(variable)}</code></dt><dd>${withCode(meaning)} ${withCode(fix)}</dd>`,
    )
    .join('');
  const body =
    state.missing.length > 0
      ? `<p class="state" role="status">Setup mode: no webhook of GitHub is accepted yet.</p>
         <p>Create a GitHub App with the permissions and events that <code>app.yml</code> lists and the webhook address below,
         set these variables, and start Forgeway again. <code>forgeway doctor</code> checks them.
         Other forges need no App: see <code>forgeway connections add --help</code>.</p><dl>${steps}</dl>`
      : `<p class="state" role="status">Running. Webhooks are accepted, previews are ${state.previews ? 'on' : 'off'}.</p>`;
  return page(
    'Forgeway',
    `<h1>Forgeway ${escapeHtml(state.version)}</h1>
${account}
${body}${heldLine(state.holds)}
<p>Webhook address: <code>${escapeHtml(state.webhookUrl)}</code></p>
<p><a href="/healthz">/healthz</a> · <a href="/readyz">/readyz</a> · <a href="/metrics">/metrics</a></p>`,
  );
}
