/** The first look at a repository: what is open goes into the mirror, and nobody is told. */
import type { JsonObject } from '../../forges/forge.js';
import { type IssueData, upsertIssues } from '../../store/mirror/issue.js';
import { type PullRequestData, upsertPullRequests } from '../../store/mirror/pull-request.js';
import { issue as issueShape, pullRequest as pullShape, readShape } from '../../store/mirror/shape.js';
import { READ, readVersion, stateOf } from '../../store/told/state.js';
import type { Visit } from './ports.js';
import { identityOf, originOf } from './report.js';

const PAGE = 100;
/** More open ones than this are not taken in; they are when they change. */
const MOST_PAGES = 100;
const PULLS = 'GET /repos/{owner}/{repo}/pulls';
const ISSUES = 'GET /repos/{owner}/{repo}/issues';

const isOlder = (object: JsonObject, watermark: Date): boolean =>
  Date.parse(String(object.created_at ?? '')) < watermark.getTime();

/**
 * Writes one page; what apps were told meanwhile stays as it is. Rows of what was told are not settled: the first change
 * of one finds what it was.
 */
async function takeIn({ store, watched }: Visit, objects: readonly JsonObject[], isPull: boolean): Promise<void> {
  const [origin, repository] = [originOf(watched), identityOf(watched)];
  const data = objects.map((object) => ({ object, number: Number(object.number) }));
  await store.tenant(watched.organizationId, async (tx) => {
    if (isPull) {
      const rows = objects.map((object): PullRequestData => readShape(pullShape, object, 'pull request'));
      await upsertPullRequests(tx, origin, repository, rows, 'loses');
    } else {
      const rows = objects.map((object): IssueData => readShape(issueShape, object, 'issue'));
      await upsertIssues(tx, origin, repository, rows, 'loses');
    }
    await tx.query(
      `INSERT INTO told_object (repository_id, number, organization_id, kind, state, versions, seen_at, settled)
       SELECT $1, number, $2, $3, state, versions, seen_at, false
       FROM unnest($4::int[], $5::jsonb[], $6::jsonb[], $7::timestamptz[]) AS n(number, state, versions, seen_at)
       ON CONFLICT DO NOTHING`,
      [
        watched.id,
        watched.organizationId,
        isPull ? 'pull_request' : 'issue',
        data.map(({ number }) => number),
        data.map(({ object }) => JSON.stringify(stateOf(object))),
        data.map(({ object }) => JSON.stringify({ [READ]: readVersion(String(object.updated_at), false) })),
        data.map(({ object }) => new Date(String(object.updated_at))),
      ],
    );
  });
}

/**
 * Takes in what is older than the poller; what is not was told by webhooks, or is told by the next look. Answers how many there
 * were.
 */
export async function importOpen(visit: Visit, watermark: Date): Promise<number> {
  const { access, watched } = visit;
  const where = { owner: watched.owner, repo: watched.name, state: 'open', sort: 'created', direction: 'asc' };
  let taken = 0;
  for (const [route, isPull] of [[PULLS, true] as const, [ISSUES, false] as const])
    for (let page = 1; page <= MOST_PAGES; page += 1) {
      const found = (await access.github(route, { ...where, per_page: PAGE, page })) as readonly JsonObject[];
      const ours = found.filter(({ pull_request: pull }) => isPull || pull === undefined || pull === null);
      const wanted = ours.filter((object) => isOlder(object, watermark));
      if (wanted.length > 0) await takeIn(visit, wanted, isPull);
      taken += wanted.length;
      if (found.length < PAGE) break;
    }
  return taken;
}
