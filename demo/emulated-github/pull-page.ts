/** A page for people: one pull request with its statuses and comments, read-only and without a token. */
import type { CommitStatuses } from './commit-statuses.js';
import type { Completion } from './completion.js';
import type { Emulator } from './emulator.js';
import { type ApiAnswer, ApiProblem } from './exchange.js';
import { arrayOf, isObject, type JsonObject, objectAt, textAt } from './json.js';

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const asHtml = (text: string) => text.replace(/[&<>"]/g, (character) => escapes[character] ?? '');

const style = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:52rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
pre{overflow-x:auto;font-size:.85rem}article{border:1px solid #8886;border-radius:.5rem;margin:1rem 0;padding:.5rem 1rem}header{opacity:.75;font-size:.85rem}
table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border:1px solid #8886;padding:.3rem .7rem;text-align:left}
code{font-family:ui-monospace,monospace}h1 span{opacity:.6;font-weight:400}.state{border:1px solid;border-radius:1rem;padding:0 .6rem}`;

/** Links, code and plain text of one line; everything else is shown as it was typed. */
function inline(text: string): string {
  return asHtml(text)
    .replace(/\[([^\]]*)\]\((https?:\/\/[^\s)]+)\)/g, '<a href="$2" rel="noreferrer">$1</a>')
    .replace(/`([^`]+)`/g, '<code>$1</code>')
    .replace(/&lt;(\/?(?:details|summary))&gt;/g, '<$1>');
}

function tableRow(line: string, tag: 'td' | 'th'): string {
  const cells = line.replace(/^\||\|$/g, '').split(/(?<!\\)\|/);
  return `<tr>${cells.map((cell) => `<${tag}>${inline(cell.trim())}</${tag}>`).join('')}</tr>`;
}

/** As much Markdown as Forgeway's comments use. */
export function renderMarkdown(body: string): string {
  // Between two texts stand a fence and what it holds.
  const parts = body.replace(/<!--[\s\S]*?-->/g, '').split(/^(`{3,}).*\n([\s\S]*?)^\1$/m);
  return parts
    .map((part, index) => [renderBlocks, () => '', (code: string) => `<pre>${asHtml(code)}</pre>`][index % 3]?.(part))
    .join('\n');
}

function renderBlocks(text: string): string {
  const shown = text.split(/\n{2,}/).map((block) => {
    const lines = block.trim().split('\n');
    if (!lines[0]?.startsWith('|')) return lines[0] === '' ? '' : `<p>${lines.map(inline).join('<br>')}</p>`;
    const [head = '', , ...rows] = lines;
    return `<table>${tableRow(head, 'th')}${rows.map((row) => tableRow(row, 'td')).join('')}</table>`;
  });
  return shown.join('\n');
}

const loginOf = (object: JsonObject) => (isObject(object.user) ? textAt(object.user, 'login') : 'ghost');

function article(object: JsonObject, body: string): string {
  const when = String(object.updated_at).replace('T', ' ').replace('Z', ' UTC');
  return `<article><header>${asHtml(loginOf(object))} · ${asHtml(when)}</header>${body}</article>`;
}

export interface PullPageSources {
  completion: Completion;
  emulator: Emulator;
  statuses: CommitStatuses;
}

/** @throws ApiProblem 404 when there is no such pull request. */
export async function pullPage(number: number, fullName: string, sources: PullPageSources): Promise<ApiAnswer> {
  const pull = await sources.completion.pull(number);
  if (pull === undefined) throw new ApiProblem(404, 'Not Found');
  const { emulator } = sources;
  const listed = await emulator.json(`/repos/${fullName}/issues/${number}/comments?per_page=100`, {
    token: emulator.administratorToken,
  });
  await sources.completion.complete(listed);
  const sha = textAt(objectAt(pull, 'head'), 'sha');
  const statuses = sources.statuses.newest(sha);
  const state = pull.merged === true ? 'merged' : textAt(pull, 'state');
  const shownStatuses = statuses.map((status) => {
    const target = typeof status.target_url === 'string' ? ` (${status.target_url})` : '';
    return `<li>${inline(`\`${status.context}\` ${status.state}: ${status.description ?? ''}${target}`)}</li>`;
  });
  const title = asHtml(textAt(pull, 'title'));
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title} · ${asHtml(fullName)}#${number}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${style}</style></head><body>
<p>${asHtml(fullName)} on the emulated GitHub</p><h1>${title} <span>#${number}</span></h1>
<p><span class="state">${asHtml(state)}</span> ${asHtml(loginOf(pull))} wants to merge
<code>${asHtml(textAt(objectAt(pull, 'head'), 'ref'))}</code> at <code>${sha.slice(0, 7)}</code></p>
<ul>${shownStatuses.join('')}</ul>
${article(pull, renderMarkdown(typeof pull.body === 'string' ? pull.body : ''))}
${arrayOf(listed, 'comments')
  .map((comment) => article(comment, renderMarkdown(textAt(comment, 'body'))))
  .join('\n')}
</body></html>`;
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    },
    body: Buffer.from(html),
  };
}
