/** The page at `/`: says whether Forgeway runs, and in setup mode what to do next. */

export interface HomeState {
  version: string;
  /** Steps that are missing before webhooks are accepted; empty when set up. */
  missing: readonly { variable: string; meaning: string; fix: string }[];
  webhookUrl: string;
  previews: boolean;
}

const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`).replace(/`([^`]+)`/g, '<code>$1</code>');

const style = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 42rem; margin: 4rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin-bottom: .25rem; }
  code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
  dt { margin-top: 1rem; font-weight: 600; }
  dd { margin: 0; }
  .state { padding: .75rem 1rem; border-left: 4px solid; border-radius: 4px; background: color-mix(in srgb, currentColor 6%, transparent); }
  a { color: LinkText; }
`;

export function homePage(state: HomeState): string {
  const steps = state.missing
    .map(
      ({ variable, meaning, fix }) =>
        `<dt><code>${escapeHtml(variable)}</code></dt><dd>${escapeHtml(meaning)} ${escapeHtml(fix)}</dd>`,
    )
    .join('');
  const body =
    state.missing.length > 0
      ? `<p class="state" role="status">Setup mode: no webhook is accepted yet.</p>
         <p>Create a GitHub App with the permissions and events that <code>app.yml</code> lists and the webhook address below,
         set these variables, and start Forgeway again. <code>forgeway doctor</code> checks them.</p><dl>${steps}</dl>`
      : `<p class="state" role="status">Running. Webhooks are accepted, previews are ${state.previews ? 'on' : 'off'}.</p>`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Forgeway</title><style>${style}</style></head>
<body><main>
<h1>Forgeway ${escapeHtml(state.version)}</h1>
${body}
<p>Webhook address: <code>${escapeHtml(state.webhookUrl)}</code></p>
<p><a href="/healthz">/healthz</a> · <a href="/readyz">/readyz</a> · <a href="/metrics">/metrics</a></p>
</main></body>
</html>
`;
}
