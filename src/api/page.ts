/** What our plain pages share: escaping, style, headers. They need no script and load nothing. */
import type { FastifyReply } from 'fastify';

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Text as HTML, in which what stands between backticks is shown as code. */
export const withCode = (text: string): string => escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');

const style = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 42rem; margin: 4rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin-bottom: .25rem; overflow-wrap: anywhere; }
  h2 { font-size: 1.1rem; margin-top: 2rem; }
  h3 { font-size: 1rem; margin: 1.25rem 0 0; }
  h3 + p { margin-top: 0; overflow-wrap: anywhere; }
  code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
  pre { font: .9em/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); overflow-wrap: anywhere; }
  dt { margin-top: 1rem; font-weight: 600; }
  dd { margin: 0; }
  .state { padding: .75rem 1rem; border-left: 4px solid; border-radius: 4px; background: color-mix(in srgb, currentColor 6%, transparent); overflow-wrap: anywhere; }
  .state > p { margin: .25rem 0 0; }
  .state.good { border-color: light-dark(#1a7f37, #3fb950); }
  .state.bad { border-color: light-dark(#cf222e, #f85149); }
  .state.waits { border-color: light-dark(#9a6700, #d29922); }
  .broad { max-width: 60rem; }
  .state + table { margin-top: 1rem; }
  .broad th[scope=row] { width: 8rem; font-weight: 600; }
  .broad :is(thead th, thead + tbody td:not(:last-child)) { overflow-wrap: normal; }
  details { margin-top: 1rem; }
  details > pre { padding: .75rem 1rem; border-radius: 4px; background: color-mix(in srgb, currentColor 6%, transparent); }
  a { color: LinkText; }
  label { display: block; font-weight: 600; }
  input, select, textarea, button { font: inherit; padding: .4rem .75rem; box-sizing: border-box; max-width: 100%; }
  input:not([type=radio], [type=checkbox]), select, textarea { width: 100%; }
  input:not([type=radio], [type=checkbox]), select, textarea, button { border: 1px solid color-mix(in srgb, currentColor 45%, transparent); border-radius: 4px; background: Field; color: FieldText; }
  textarea { font: .85em/1.4 ui-monospace, monospace; }
  button { cursor: pointer; background: ButtonFace; color: ButtonText; }
  :focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
  button.wide { width: 100%; margin: .25rem 0; text-align: left; }
  fieldset { border: 0; padding: 0; margin: 0 0 1rem; }
  legend { font-weight: 600; padding: 0; }
  .choice { display: flex; gap: .5rem; align-items: baseline; margin: .25rem 0; }
  .choice label { font-weight: 400; }
  summary { cursor: pointer; }
  @media (max-width: 40rem) { table.stacked :is(tbody, tr, td) { display: block; } table.stacked tr { padding: .5rem 0; } table.stacked td { border: 0; padding: 0; } }
  .row { display: flex; gap: .5rem; flex-wrap: wrap; }
`;

export interface PageOptions {
  /** After which it loads itself again, of what goes on: pages run no script. */
  refreshSeconds?: number | undefined;
  /** Of logs, whose lines are long. */
  isWide?: boolean;
}

/** A whole document. `body` is HTML that is safe already; `title` is text. */
export function page(title: string, body: string, { refreshSeconds, isWide }: PageOptions = {}): string {
  const refresh = refreshSeconds === undefined ? '' : `\n<meta http-equiv="refresh" content="${refreshSeconds}">`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${refresh}
<title>${escapeHtml(title)}</title><style>${style}</style></head>
<body${isWide === true ? ' class="broad"' : ''}><main>
${body}
</main></body>
</html>
`;
}

/** Sends a page that may run nothing and be framed by nobody. */
export function sendPage(reply: FastifyReply, html: string): FastifyReply {
  return (
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
      .header('x-content-type-options', 'nosniff')
      // With `no-referrer` browsers hide the origin of our own forms, by which we know that they are ours.
      .header('referrer-policy', 'same-origin')
      .send(html)
  );
}
