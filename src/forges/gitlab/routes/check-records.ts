/** Check runs: kept as records of ours, and shown on GitLab as a commit status that leads to our page about the check. */
import { z } from 'zod';
import { CHECK_RUN, currentMaker, isOfMaker } from '../../kit/check-run-maker.js';
import type { ForgeRecord } from '../../kit/records.js';
import type { RouteContext } from '../../kit/route.js';
import * as shape from '../../kit/shapes/check.js';
import type { CheckRunInput } from '../../kit/shapes/check-inputs.js';
import { id, read } from '../convert/read.js';
import type { NativeStatus } from '../convert/status.js';
import type { Place } from './place.js';

/** One suite of ours per commit. */
export const CHECK_SUITE = 'check_suite';

const conclusions = [
  'success',
  'failure',
  'neutral',
  'cancelled',
  'skipped',
  'timed_out',
  'action_required',
  'stale',
] as const;
const text = z.string().nullish();

export const annotation = z.looseObject({
  path: z.string(),
  start_line: z.number(),
  end_line: z.number(),
  annotation_level: z.enum(['notice', 'warning', 'failure']),
  message: z.string(),
});

/** What apps may say of one: what else they send is nothing that GitHub keeps, nor a field of the record. */
export const fields = z.object({
  name: z.string().min(1).optional(),
  head_sha: z.string().min(1).optional(),
  details_url: text,
  external_id: text,
  status: z.enum(['queued', 'in_progress', 'completed']).optional(),
  conclusion: z.enum(conclusions).nullish(),
  started_at: text,
  completed_at: text,
  output: z.looseObject({ title: text, summary: text, text, annotations: z.array(annotation).optional() }).optional(),
  actions: z.array(z.looseObject({ label: z.string(), description: z.string(), identifier: z.string() })).optional(),
});

const kept = fields.extend({
  name: z.string(),
  head_sha: z.string(),
  status: z.enum(['queued', 'in_progress', 'completed']),
  /** Numeric id of the project. */
  project: id,
  /** Record of the suite. */
  suite: z.number(),
  /** Numbers of the commit statuses that show it. */
  statuses: z.array(z.string()).optional(),
  /** It is not known yet whether the commit shows it. */
  unshown: z.boolean().optional(),
  app: z.string().optional(),
  made_on: z.string().optional(),
});
export type KeptCheck = z.output<typeof kept>;

export const keyOf = (project: number | string, sha: string, rest: string): string => `${project}:${sha}:${rest}`;
export const keptIn = (record: ForgeRecord): KeptCheck => read(kept, record.data, 'check run record');

/** Record of our suite of a commit. */
export async function suiteOf(context: RouteContext, project: number | string, sha: string): Promise<ForgeRecord> {
  const key = keyOf(project, sha, '');
  return (
    (await context.records.get(CHECK_SUITE, key)) ??
    context.records.put(CHECK_SUITE, key, { project: String(project), sha })
  );
}

function checkInput(record: ForgeRecord, check: KeptCheck): CheckRunInput {
  return {
    id: record.id,
    name: check.name,
    headSha: check.head_sha,
    status: check.status,
    conclusion: check.conclusion ?? null,
    detailsUrl: check.details_url ?? null,
    externalId: check.external_id ?? '',
    startedAt: check.started_at ?? null,
    completedAt: check.completed_at ?? null,
    output: {
      title: check.output?.title ?? null,
      summary: check.output?.summary ?? null,
      text: check.output?.text ?? null,
      annotationCount: check.output?.annotations?.length ?? 0,
    },
    suiteId: check.suite,
  };
}

export const shownCheck = (context: RouteContext, place: Place, record: ForgeRecord) => {
  const input = checkInput(record, keptIn(record));
  const page = context.checkRunUrl(record.id);
  return shape.checkRun(context.base, place.owner, place.repo, {
    ...input,
    htmlUrl: page,
    detailsUrl: input.detailsUrl ?? page,
  });
};

/** Of a check that changes all the time, older ones are known by their link. */
const MOST_SHOWN = 100;

/** The commit shows it, by this status. */
export const noteShown = (context: RouteContext, record: ForgeRecord, status: number | string): Promise<ForgeRecord> =>
  context.records.put(CHECK_RUN, record.key, {
    ...record.data,
    unshown: false,
    statuses: [...new Set([...(keptIn(record).statuses ?? []), String(status)])].slice(-MOST_SHOWN),
  });

/** Whether a commit status is how GitLab shows this check. */
export function shows(context: RouteContext, record: ForgeRecord, status: NativeStatus): boolean {
  const page = context.checkRunUrl(record.id);
  const linked = page !== undefined && status.target_url === page;
  return linked || keptIn(record).statuses?.includes(String(status.id)) === true;
}

/** One that was made before and never seen to arrive is made again, and not beside itself. */
export async function addCheck(context: RouteContext, check: KeptCheck): Promise<ForgeRecord> {
  // Several may be made at once; the name keeps them apart.
  const prefix = keyOf(check.project, check.head_sha, check.name);
  const all = await context.records.list(CHECK_RUN, prefix);
  const same = all.filter((record) => keptIn(record).name === check.name);
  const by = currentMaker();
  const before = same.find(
    (record) =>
      keptIn(record).unshown === true && keptIn(record).external_id === check.external_id && isOfMaker(record.data, by),
  );
  const data = { ...check, ...by, unshown: true };
  if (before !== undefined) return context.records.put(CHECK_RUN, before.key, data);
  // Another one may be made at the same moment: whoever comes second takes the next place.
  for (let place = same.length + 1; ; place += 1) {
    const { record, added } = await context.records.add(CHECK_RUN, `${prefix}:${place}`, data);
    if (added) return record;
  }
}

/** Of several records the newest of each name, as GitHub's `filter=latest`. */
export const newestOf = (records: readonly ForgeRecord[]): ForgeRecord[] => [
  ...new Map(records.map((record) => [keptIn(record).name, record])).values(),
];

/** What a check is worth as a commit status, which knows neither neutral nor skipped. */
export function statusState(check: Pick<KeptCheck, 'status' | 'conclusion'>): string {
  if (check.status === 'queued') return 'pending';
  if (check.status === 'in_progress') return 'running';
  switch (check.conclusion) {
    case 'success':
    case 'neutral':
    case 'skipped':
      return 'success';
    case 'cancelled':
    case 'stale':
      return 'canceled';
    default:
      return 'failed';
  }
}
