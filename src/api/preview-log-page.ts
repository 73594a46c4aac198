/** The page with the logs of a preview, for whoever was given its link: by the comment and the commit status. */
import type { FastifyInstance } from 'fastify';
import type { PageLinks } from '../accounts/page-links.js';
import { spokenPhase } from '../jobs/preview/announce.js';
import { logStages, type PreviewLog } from '../jobs/preview/logs.js';
import type { Phase } from '../jobs/preview/state.js';
import { ForgewayError } from '../lib/errors.js';
import { redactText } from '../lib/redact.js';
import type { Store } from '../store/database.js';
import { escapeHtml, page, sendPage, withCode } from './page.js';
import { readPreviewLogOf } from './preview-log.js';
import type { Services } from './procedures/services.js';

/** Of each log the end is shown: it is what a person looks for. */
const SHOWN_LINES = 500;
const TITLES = { build: 'Build', run: 'Preview' } as const;

export interface PreviewLogPageOptions {
  store: Store;
  links: PageLinks;
  /** Asked for at the first look. */
  read(): Promise<Services['previewLog']>;
}

interface Row {
  /** `acme/web#12`, or `acme/web at staging`. */
  of: string;
  phase: Phase | 'pending';
  message: string | null;
  /** Null too where only certain people may see it: this page’s link is known to more of them, and for longer. */
  url: string | null;
  sha: string | null;
  updatedAt: Date;
}

/** So often the page is loaded again while there is more to come. */
const REFRESH_SECONDS = 5;
const isUnderWay = ({ phase }: Row) => phase === 'building' || phase === 'starting';

function logText({ stage, lines, sha, ended }: PreviewLog, isLive: boolean): string {
  if (sha === null && lines.length === 0) return '';
  const text = lines.length === 0 ? '<p>Nothing was printed yet.</p>' : `<pre>${escapeHtml(lines.join('\n'))}</pre>`;
  const more = ended || isLive ? '' : '<p>More may come: load the page again.</p>';
  return `<h2>${TITLES[stage]}${sha === null ? '' : ` of <code>${escapeHtml(sha.slice(0, 12))}</code>`}</h2>${text}${more}`;
}

/** @param problem why the logs cannot be read now */
export function previewLogPage(row: Row, logs: readonly PreviewLog[], problem?: string): string {
  // Where only the row of a failure has lines, it has them once for both.
  const [first, second] = logs;
  const isSame = first !== undefined && second !== undefined && first.lines.join('\n') === second.lines.join('\n');
  const isLive = isUnderWay(row);
  const shown = (isSame ? [first] : logs).map((log) => logText(log, isLive)).join('');
  const empty = shown === '' && problem === undefined ? `<p>${isLive ? SOON : NONE}</p>` : '';
  const facts = [
    ...(row.url === null ? [] : [`<a href="${escapeHtml(row.url)}">Open the preview</a>`]),
    ...(row.sha === null ? [] : [`commit <code>${escapeHtml(row.sha.slice(0, 12))}</code>`]),
    `<time datetime="${row.updatedAt.toISOString()}">${row.updatedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC</time>`,
  ];
  const what = row.message === null ? '' : `: ${withCode(redactText(row.message))}`;
  return page(
    `${spokenPhase(row.phase)}: preview of ${row.of}`,
    `<h1>Preview of ${escapeHtml(row.of)}</h1>
<p class="state" role="status">${spokenPhase(row.phase)}${what}</p>
<p>${facts.join(' · ')}${isLive ? ' · this page loads itself again' : ''}</p>
${problem === undefined ? '' : `<p>${escapeHtml(problem)}</p>`}${shown}${empty}`,
    isLive ? { refreshSeconds: REFRESH_SECONDS } : {},
  );
}

const NONE = 'There is no log: nothing was built, or it is removed.';
const SOON = 'Nothing was printed yet.';

const GONE = page(
  'No such preview',
  '<h1>No such preview</h1><p>The link is not complete, or the preview was removed.</p>',
);

export function addPreviewLogPage(app: FastifyInstance, o: PreviewLogPageOptions): void {
  app.get<{ Params: { name: string } }>('/preview-logs/:name', async (request, reply) => {
    const named = o.links.read(request.params.name);
    const rows =
      named &&
      (await o.store.tenant(
        named.organizationId,
        async (tx) =>
          (
            await tx.query<Row>(
              `SELECT replace(r.remote_owner, '~', '/') || '/' || r.remote_name || coalesce('#' || q.number, ' at ' || v.branch) AS "of", v.phase,
                 v.message, CASE WHEN NOT r.private THEN v.url END AS url, v.desired_sha AS sha, v.updated_at AS "updatedAt"
               FROM preview v JOIN repository r ON r.id = v.repository_id
                 LEFT JOIN pull_request q ON q.id = v.pull_request_id WHERE v.id = $1`,
              [named.id],
            )
          ).rows,
      ));
    const row = rows?.[0];
    if (named === undefined || row === undefined) return sendPage(reply.code(404), GONE);
    const asked = { ...named, lines: SHOWN_LINES, after: undefined };
    try {
      const read = await o.read();
      const logs = await Promise.all(logStages.map((stage) => readPreviewLogOf(o.store, read, { ...asked, stage })));
      return sendPage(
        reply,
        previewLogPage(
          row,
          logs.flatMap((log) => log ?? []),
        ),
      );
    } catch (error) {
      if (!(error instanceof ForgewayError)) throw error;
      return sendPage(
        reply,
        previewLogPage(row, [], 'The logs cannot be read at the moment: the cluster does not answer.'),
      );
    }
  });
}
