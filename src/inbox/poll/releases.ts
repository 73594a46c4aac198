/** Releases that were published or deleted, as the events that nobody told of. */
import { z } from 'zod';
import type { JsonObject } from '../../forges/forge.js';
import { POLLED } from '../../lib/delivery-source.js';
import type { Releases, ToldRelease } from '../../store/told/releases.js';
import { insertSynthesised } from '../synthesised.js';
import type { Finding } from './difference.js';
import { FINAL, PUBLISHED, releasePiece } from './pieces.js';
import type { Visit } from './ports.js';
import { isMissing } from './read-object.js';
import { type RefsLooked, wasToldSince } from './refs.js';
import { eventsOf, newestOf, reportPlace } from './report.js';
import { ORDER_LOCK, writeReports } from './reports.js';

/** Only the newest are looked at: publishing is what matters, and a repository may have thousands. */
const PAGE = 100;
const MOST_TOLD = 50;

const listedRelease = z.looseObject({
  id: z.union([z.number(), z.string()]),
  tag_name: z.string().min(1),
  name: z.string().nullish(),
  draft: z.boolean().nullish(),
  prerelease: z.boolean().nullish(),
  published_at: z.string().nullish(),
});
type Listed = z.output<typeof listedRelease>;

const toldOf = ({ id, name, draft, prerelease }: Listed): ToldRelease => ({
  id,
  name: name ?? null,
  draft: draft ?? false,
  prerelease: prerelease ?? false,
});

/** GitHub tells the publication of one release in three events; what was a draft before has been created already. */
function published(release: Listed, wasDraft: boolean): Finding[] {
  const { tag_name: tag, prerelease } = release;
  const actions = ['published', prerelease ? 'prereleased' : 'released'];
  return (wasDraft ? actions : ['created', ...actions]).map((action) => ({
    name: 'release',
    action,
    fields: { release: release as JsonObject },
    sender: release.author ?? undefined,
    piece: releasePiece(tag),
    version: PUBLISHED,
    detail: tag,
  }));
}

const deleted = (tag: string, told: ToldRelease): Finding => ({
  name: 'release',
  action: 'deleted',
  fields: { release: { ...told, tag_name: tag } },
  sender: undefined,
  piece: releasePiece(tag),
  version: FINAL,
  detail: tag,
});

/**
 * From what was told to what there is, and what is to be remembered. Drafts are nobody's business yet. `whole`: the list holds all
 * there are, so that what is not on it is gone.
 */
export function releaseFindings(
  told: Releases,
  listed: readonly Listed[],
  o: { watermark: Date; whole: boolean },
): { findings: Finding[]; next: Record<string, ToldRelease | null> } {
  const findings: Finding[] = [];
  const next: Record<string, ToldRelease | null> = {};
  // The oldest first, so that events come in the order in which things happened.
  for (const release of [...listed].reverse()) {
    const { tag_name: tag } = release;
    if (release.draft || Object.hasOwn(next, tag)) continue;
    const before = Object.hasOwn(told, tag) ? told[tag] : undefined;
    next[tag] = toldOf(release);
    const isNew = before === null || before === undefined || before.draft;
    const isLate = Date.parse(release.published_at ?? '') >= o.watermark.getTime();
    if (isNew && isLate) findings.push(...published(release, before?.draft ?? false));
  }
  for (const [tag, before] of Object.entries(told)) {
    if (Object.hasOwn(next, tag)) continue;
    if (!o.whole) next[tag] = before;
    // A draft's deletion concerns nobody. What was gone the last time already is forgotten.
    else if (before !== null && !before.draft) {
      findings.push(deleted(tag, before));
      next[tag] = null;
    } else if (before?.draft && listed.some(({ tag_name: listedTag }) => listedTag === tag)) next[tag] = before;
  }
  return { findings, next };
}

async function listReleases({ access, watched }: Visit): Promise<Listed[]> {
  try {
    const route = 'GET /repos/{owner}/{repo}/releases';
    const found = await access.github(route, { owner: watched.owner, repo: watched.name, per_page: PAGE });
    return z.array(listedRelease).parse(found ?? []);
  } catch (error) {
    // The forge has none here, or the token may not see them.
    if (isMissing(error)) return [];
    throw error;
  }
}

/** One request; nothing is told in the first look. */
export async function lookAtReleases(visit: Visit, watermark: Date): Promise<RefsLooked> {
  const { watched, store } = visit;
  const known = await store.tenant(watched.organizationId, async (tx) => {
    const { rows } = await tx.query<{ releases: Releases | null; now: Date }>(
      'SELECT releases, clock_timestamp() AS now FROM sync_cursor WHERE repository_id = $1',
      [watched.id],
    );
    return rows[0];
  });
  const listed = await listReleases(visit);
  const told = known?.releases ?? undefined;
  const { findings, next } = releaseFindings(told ?? {}, listed, { watermark, whole: listed.length < PAGE });
  // More at once is an import, and no news.
  const news = told === undefined ? [] : findings.slice(0, MOST_TOLD);
  const repository = news.length === 0 ? {} : await visit.repository();
  return store.tenant(watched.organizationId, async (tx): Promise<RefsLooked> => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [ORDER_LOCK]);
    if (await wasToldSince(tx, visit, known?.now)) return { result: 'unchanged', etag: null, events: [] };
    if (news.length > 0) {
      const o = { number: 0, report: watched.cursor.cycles, repository, about: () => ({}) };
      await insertSynthesised(tx, eventsOf(visit, o, news), POLLED);
      await writeReports(tx, reportPlace(watched, 0), newestOf(news));
    }
    await tx.query('UPDATE sync_cursor SET releases = $2 WHERE repository_id = $1', [watched.id, JSON.stringify(next)]);
    return { result: news.length > 0 ? 'changed' : 'unchanged', etag: null, events: news };
  });
}
