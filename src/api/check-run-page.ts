/** The page behind a commit status that stands for a check run: what the app wrote, on forges that have no place for it. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { CheckRunLinks } from '../accounts/check-run-links.js';
import type { Store } from '../store/database.js';
import { escapeHtml, page, sendPage } from './page.js';

const text = z.string().nullish();
const annotation = z.looseObject({
  path: z.string(),
  start_line: z.number().nullish(),
  annotation_level: text,
  title: text,
  message: z.string(),
});
/** GitHub's names, as the route tables keep them. */
const checkRun = z.looseObject({
  name: z.string(),
  head_sha: z.string(),
  status: z.string(),
  conclusion: text,
  details_url: text,
  started_at: text,
  completed_at: text,
  output: z.looseObject({ title: text, summary: text, text, annotations: z.array(annotation).nullish() }).nullish(),
});
export type CheckRunView = z.output<typeof checkRun>;

const section = (title: string, body: string | null | undefined) =>
  body ? `<h2>${title}</h2><pre>${escapeHtml(body)}</pre>` : '';

/** Only what a browser may follow without harm. */
const link = (url: string | null | undefined) =>
  url && /^https?:\/\//.test(url) ? `<p><a rel="noreferrer" href="${escapeHtml(url)}">Details of the app</a></p>` : '';

export function checkRunPage(check: CheckRunView): string {
  const { output } = check;
  const word = (check.conclusion ?? check.status).replaceAll('_', ' ');
  const rows = (output?.annotations ?? []).map(
    (one) =>
      `<tr><td><code>${escapeHtml(one.path)}${one.start_line ? `:${one.start_line}` : ''}</code></td>` +
      `<td>${escapeHtml(one.annotation_level ?? '')}</td>` +
      `<td>${one.title ? `<strong>${escapeHtml(one.title)}</strong> ` : ''}${escapeHtml(one.message)}</td></tr>`,
  );
  const annotations =
    rows.length === 0
      ? ''
      : `<h2>Annotations</h2><table><thead><tr><th scope="col">Place</th><th scope="col">Level</th>
         <th scope="col">Message</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
  const when = check.completed_at ?? check.started_at;
  return page(
    check.name,
    `<h1>${escapeHtml(check.name)}</h1>
<p>Check of <code>${escapeHtml(check.head_sha.slice(0, 12))}</code>${when ? `, ${escapeHtml(when)}` : ''}</p>
<p class="state" role="status">${escapeHtml(word)}${output?.title ? `: ${escapeHtml(output.title)}` : ''}</p>
${section('Summary', output?.summary)}${section('Text', output?.text)}${annotations}${link(check.details_url)}`,
  );
}

const GONE = page('No such check', '<h1>No such check</h1><p>The link is not complete, or the check was removed.</p>');

export function addCheckRunPage(app: FastifyInstance, o: { store: Store; links: CheckRunLinks }): void {
  app.get<{ Params: { name: string } }>('/checks/:name', async (request, reply) => {
    const named = o.links.read(request.params.name);
    const data =
      named &&
      (await o.store.tenant(named.organizationId, async (tx) => {
        const { rows } = await tx.query<{ data: unknown }>(
          `SELECT data FROM forge_record WHERE id = $1 AND kind = 'check_run'`,
          [named.recordId],
        );
        return rows[0]?.data;
      }));
    if (data === undefined) return sendPage(reply.code(404), GONE);
    return sendPage(reply, checkRunPage(checkRun.parse(data)));
  });
}
