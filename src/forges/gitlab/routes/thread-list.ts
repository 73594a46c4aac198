/** Issues and merge requests in one list, as GitHub has them: two lists or more of GitLab's, merged by time. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import type { RouteContext } from '../../kit/route.js';
import * as shape from '../../kit/shapes/issue.js';
import { issueInput, mergeRequestIssueInput, nativeIssue } from '../convert/issue.js';
import { nativeMergeRequest } from '../convert/merge-request.js';
import { readAll } from '../convert/read.js';
import { nameOf, ownerOf } from '../references.js';
import { pagesOf } from './place.js';

export interface ThreadFilter {
  /** API paths below which issues and merge requests are listed: projects, groups, or '' for everything. */
  scopes: readonly string[];
  kinds: readonly ('issue' | 'merge_request')[];
  states: readonly ('opened' | 'closed' | 'merged')[];
  /** Further query parameters of GitLab, the same for both lists. */
  query: Readonly<Record<string, string | number | undefined>>;
  /** Further ones of merge requests only. */
  pullQuery?: Readonly<Record<string, string | number | undefined>>;
  order: 'created_at' | 'updated_at';
  direction: 'asc' | 'desc';
  /** What GitLab cannot be asked for: then whole lists are read. */
  tests?: readonly ThreadTest[];
}

/** What of an issue or a merge request can be looked at here alone. Times are in milliseconds, and undefined for "never". */
export interface ToldThread {
  comments: number;
  locked: boolean;
  draft: boolean;
  closed: number | undefined;
  merged: number | undefined;
}
export type ThreadTest = (thread: ToldThread) => boolean;

const PER_PAGE = 100;
/** Of a list that is filtered here; the rest is not found. */
const MOST_READ = 2_000;

const located = z.looseObject({ references: z.looseObject({ full: z.string() }) });

/** `group/project` of `group/project#12` and `group/project!7`. */
const pathOf = (full: string): string => full.replace(/[#!]\d+$/, '');

interface Found {
  at: number;
  told: ToldThread;
  show(context: RouteContext): JsonObject;
}

interface Source {
  path: string;
  kind: 'issue' | 'merge_request';
  query: Record<string, string | number | undefined>;
}

function sourcesOf(filter: ThreadFilter): Source[] {
  const sort = { order_by: filter.order, sort: filter.direction };
  const scopeAll = (scope: string) => (scope.startsWith('/projects/') ? {} : { scope: 'all' });
  return filter.scopes.flatMap((scope) =>
    filter.kinds.flatMap((kind) =>
      filter.states
        .filter((state) => kind === 'merge_request' || state !== 'merged')
        .map((state) => ({
          path: `${scope}/${kind === 'issue' ? 'issues' : 'merge_requests'}`,
          kind,
          query: {
            ...filter.query,
            ...(kind === 'merge_request' && filter.pullQuery),
            ...sort,
            ...scopeAll(scope),
            state,
            with_labels_details: 'true',
          },
        })),
    ),
  );
}

const momentOf = (time: string | null | undefined): number | undefined => (time ? Date.parse(time) : undefined);

const toldOf = (thread: { user_notes_count?: number; discussion_locked?: boolean | null }) => ({
  comments: thread.user_notes_count ?? 0,
  locked: thread.discussion_locked === true,
});

function found(kind: Source['kind'], data: unknown, order: ThreadFilter['order']): Found[] {
  if (kind === 'issue')
    return readAll(nativeIssue.extend(located.shape), data, 'issues').map((issue) => {
      const path = pathOf(issue.references.full);
      return {
        at: Date.parse(issue[order]),
        told: { ...toldOf(issue), closed: momentOf(issue.closed_at), merged: undefined, draft: false },
        show: (context) => shape.issue(context.base, ownerOf(path), nameOf(path), issueInput(issue)),
      };
    });
  return readAll(nativeMergeRequest.extend(located.shape), data, 'merge requests').map((mr) => {
    const path = pathOf(mr.references.full);
    return {
      at: Date.parse(mr[order]),
      told: {
        ...toldOf(mr),
        draft: mr.draft ?? mr.work_in_progress ?? false,
        merged: momentOf(mr.merged_at),
        // What is merged is closed to GitHub.
        closed: momentOf(mr.closed_at ?? mr.merged_at),
      },
      show: (context) => shape.issue(context.base, ownerOf(path), nameOf(path), mergeRequestIssueInput(mr)),
    };
  });
}

/** The first `need` of one list, and how many there are in all: at least one more where GitLab does not count. */
async function firstOf(context: RouteContext, source: Source, need: number, order: ThreadFilter['order']) {
  const items: Found[] = [];
  for (let page = 1; ; page += 1) {
    const query = { ...source.query, page, per_page: PER_PAGE };
    const answer = await context.native.send('GET', source.path, { query });
    items.push(...found(source.kind, answer.data, order));
    const more = pagesOf(answer).next;
    if (more && items.length < need) continue;
    const told = Number(answer.headers.get('x-total') ?? 0);
    return { items, total: Math.max(told, items.length + (more ? 1 : 0)) };
  }
}

/** Page `page` of the merged list. Every list is read from its beginning, since only so the order is right. */
export async function listThreads(
  context: RouteContext,
  filter: ThreadFilter,
  { page, perPage }: { page: number; perPage: number },
): Promise<{ items: JsonObject[]; total: number; pages: { next: boolean; last: number } }> {
  const need = page * perPage;
  const { tests = [] } = filter;
  const isWhole = tests.length > 0;
  const read = isWhole ? MOST_READ : need;
  const lists = await Promise.all(sourcesOf(filter).map((source) => firstOf(context, source, read, filter.order)));
  const sign = filter.direction === 'asc' ? 1 : -1;
  const merged = lists
    .flatMap((list) => list.items)
    .filter(({ told }) => tests.every((test) => test(told)))
    .sort((a, b) => sign * (a.at - b.at));
  const total = isWhole ? merged.length : lists.reduce((sum, list) => sum + list.total, 0);
  return {
    items: merged.slice(need - perPage, need).map((entry) => entry.show(context)),
    total,
    pages: { next: total > need, last: Math.max(1, Math.ceil(total / perPage)) },
  };
}
