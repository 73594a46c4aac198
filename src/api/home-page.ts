import type { Coverage, RepositoryState } from '../accounts/install-state.js';
import type { Lacking } from '../accounts/personal-install-state.js';
import { escapeHtml, page, withCode } from './page.js';

/** The page at `/`: says whether Forgeway runs, and in setup mode what to do next. */

export interface HomeState {
  version: string;
  /** Steps that are missing before webhooks are accepted; empty when set up. */
  missing: readonly { variable: string; meaning: string; fix: string }[];
  webhookUrl: string;
  previews: boolean;
  /** Of whoever is signed in; undefined when nobody is, or when it is not known. */
  lacking?: Lacking | undefined;
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

const ADVICE: Readonly<Partial<Record<Coverage, string>>> = {
  'lacks-app': 'let the App reach it',
  'lacks-hook': 'make a webhook',
  suspended: 'end the suspension',
};

function lackingLine({ owner, name, host, state, fix }: RepositoryState): string {
  const advice = ADVICE[state] ?? '';
  const how =
    fix === undefined
      ? advice
      : 'command' in fix
        ? `${advice}: <code>${escapeHtml(fix.command)}</code>`
        : /^https?:/.test(fix.link)
          ? `<a href="${escapeHtml(fix.link)}">${advice}</a>`
          : advice;
  return `<li>${escapeHtml(`${owner.replaceAll('~', '/')}/${name}`)} on ${escapeHtml(host)}: ${how}</li>`;
}

function lackingBanner(lacking: Lacking | undefined): string {
  if (lacking === undefined || (lacking.number === 0 && lacking.notAsked.length === 0)) return '';
  const { number, repositories, notAsked } = lacking;
  const unasked = notAsked
    .map(
      ({ login, host, reason }) =>
        `<p><small>${escapeHtml(`${host} was not asked which repositories ${login} may push to. ${reason}`)}</small></p>`,
    )
    .join('');
  if (number === 0) return `<p>Every repository that is known here has the App or a webhook.</p>${unasked}`;
  const what = number === 1 ? 'One repository lacks' : `${number} repositories lack`;
  const rest = number - repositories.length;
  const more = rest === 0 ? '' : `<li>and ${rest} more: see <a href="/api/v1/install-state">the whole list</a></li>`;
  return `<div role="status"><p>${what} the App or a webhook, so that nothing is heard of ${number === 1 ? 'it' : 'them'}.</p>
<ul>${repositories.map(lackingLine).join('')}${more}</ul>${unasked}</div>`;
}

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
         <p><a href="/setup/apps">Register a GitHub App</a>: an administrator does it in a minute, and nothing is started again. Or
         create one by hand, with the permissions and events that <code>app.yml</code> lists and the webhook address below, set these
         variables, and start Forgeway again; <code>forgeway doctor</code> checks them.
         Other forges need no App: see <code>forgeway connections add --help</code>.</p><dl>${steps}</dl>`
      : `<p class="state" role="status">Running. Webhooks are accepted, previews are ${state.previews ? 'on' : 'off'}.</p>`;
  return page(
    'Forgeway',
    `<h1>Forgeway ${escapeHtml(state.version)}</h1>
${account}
${body}${heldLine(state.holds)}${lackingBanner(state.lacking)}
<p>Webhook address: <code>${escapeHtml(state.webhookUrl)}</code></p>
<p><a href="/healthz">/healthz</a> · <a href="/readyz">/readyz</a> · <a href="/metrics">/metrics</a> · <a href="/api/docs">API</a></p>`,
  );
}
