/** Commit statuses, check suites and check runs, and the rollup that GraphQL makes of them. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { hasStatus } from '../failures.js';
import { everyItem, type Listing, routeListing, wholeListing } from '../listing.js';
import { globalId } from '../node-ids.js';
import { object, objects, text, upper } from '../rest.js';
import { account, as, commit, placed, plain, pullRequest, ref, repository, type Source } from '../sources.js';
import { type Area, connectionTypes, type Fields, PAGES, type Pages } from './area.js';

interface OfCommit extends Source {
  commit: Source;
}

const id = (source: Source) => globalId(source.__typename, source.rest, `${source.owner}/${source.repo}`);

async function statusesOf(ask: Ask, source: OfCommit): Promise<JsonObject> {
  return ask.get('GET /repos/{owner}/{repo}/commits/{ref}/status', {
    ...placed(source),
    ref: source.commit.rest.sha,
  });
}

/** Check runs of a commit; none where the forge has no checks. */
async function runsOf(ask: Ask, source: OfCommit): Promise<readonly JsonObject[]> {
  const where = { ...placed(source), ref: source.commit.rest.sha };
  try {
    return await everyItem(
      routeListing(ask, 'GET /repos/{owner}/{repo}/commits/{ref}/check-runs', where, 'check_runs'),
    );
  } catch (error) {
    if (hasStatus(error, 501)) return [];
    throw error;
  }
}

const GOOD: ReadonlySet<unknown> = new Set(['success', 'neutral', 'skipped']);

/** Worst first, as GitHub sums up; null where nothing was reported. */
async function rollupState(ask: Ask, source: OfCommit): Promise<string | null> {
  const [combined, runs] = await Promise.all([statusesOf(ask, source), runsOf(ask, source)]);
  const states = objects(combined.statuses).map((status) => status.state);
  if (states.length === 0 && runs.length === 0) return null;
  const finished = runs.filter((run) => run.status === 'completed');
  if (states.includes('error')) return 'ERROR';
  if (states.includes('failure') || finished.some((run) => !GOOD.has(run.conclusion))) return 'FAILURE';
  return states.includes('pending') || finished.length < runs.length ? 'PENDING' : 'SUCCESS';
}

/** What a commit's checks and statuses come to; null where nothing was reported, as on GitHub. */
export const rollupOf = async (ask: Ask, source: Source, of: Source): Promise<OfCommit | null> => {
  const rollup = { ...plain('StatusCheckRollup', source, of.rest), commit: of };
  return (await rollupState(ask, rollup)) === null ? null : rollup;
};

function rollupContexts(ask: Ask, source: OfCommit): Listing {
  return wholeListing(async () => {
    const [combined, runs] = await Promise.all([statusesOf(ask, source), runsOf(ask, source)]);
    return [...runs, ...objects(combined.statuses)];
  });
}

interface RunsArgs extends Pages {
  filterBy?: { checkName?: string | null; status?: string | null } | null;
}

const app = (source: Source) => {
  const rest = object(source.rest.app);
  return rest === undefined ? null : plain('App', source, rest);
};

const runFields: Fields = {
  id,
  databaseId: as('id'),
  name: as('name'),
  status: (source: Source) => upper(source.rest.status),
  conclusion: (source: Source) => upper(source.rest.conclusion),
  detailsUrl: as('details_url'),
  url: as('html_url'),
  permalink: as('html_url'),
  externalId: as('external_id'),
  startedAt: as('started_at'),
  completedAt: as('completed_at'),
  title: (source: Source) => object(source.rest.output)?.title,
  summary: (source: Source) => object(source.rest.output)?.summary,
  text: (source: Source) => object(source.rest.output)?.text,
  repository: (source: Source, _args: unknown, ask) => repository(ask, source),
  checkSuite: (source: Source) => plain('CheckSuite', source, object(source.rest.check_suite) ?? {}),
};

export const checks: Area = {
  sdl: `
    enum StatusState { ERROR EXPECTED FAILURE PENDING SUCCESS }
    enum CheckStatusState { COMPLETED IN_PROGRESS PENDING QUEUED REQUESTED WAITING }
    enum CheckConclusionState {
      ACTION_REQUIRED CANCELLED FAILURE NEUTRAL SKIPPED STALE STARTUP_FAILURE SUCCESS TIMED_OUT
    }
    input CheckSuiteFilter { appId: Int checkName: String }
    input CheckRunFilter { checkName: String status: CheckStatusState }

    type Status { state: StatusState! contexts: [StatusContext!]! commit: Commit }
    type StatusContext implements Node {
      id: ID! context: String! state: StatusState! description: String targetUrl: URI createdAt: DateTime! creator: Actor
    }
    type StatusCheckRollup { state: StatusState! commit: Commit contexts(${PAGES}): StatusCheckRollupContextConnection! }
    union StatusCheckRollupContext = CheckRun | StatusContext
    type CheckSuite implements Node {
      id: ID! databaseId: BigInt status: CheckStatusState! conclusion: CheckConclusionState app: App commit: Commit!
      createdAt: DateTime! updatedAt: DateTime! repository: Repository! branch: Ref
      checkRuns(filterBy: CheckRunFilter ${PAGES}): CheckRunConnection
      matchingPullRequests(${PAGES}): PullRequestConnection
    }
    type CheckRun implements Node & UniformResourceLocatable {
      id: ID! databaseId: BigInt name: String! status: CheckStatusState! conclusion: CheckConclusionState detailsUrl: URI
      url: URI! permalink: URI! externalId: String startedAt: DateTime completedAt: DateTime title: String summary: String
      text: String repository: Repository! checkSuite: CheckSuite!
    }
    type App implements Node { id: ID! databaseId: BigInt name: String! slug: String! url: URI! }
    ${connectionTypes('CheckSuite')}
    ${connectionTypes('CheckRun')}
    ${connectionTypes('StatusCheckRollupContext')}`,
  fields: {
    Status: {
      state: (source: Source) => upper(source.rest.state),
      contexts: (source: Source) => objects(source.rest.statuses).map((rest) => plain('StatusContext', source, rest)),
      commit: (source: OfCommit) => source.commit,
    },
    StatusContext: {
      id,
      context: as('context'),
      state: (source: Source) => upper(source.rest.state),
      description: as('description'),
      targetUrl: as('target_url'),
      createdAt: as('created_at'),
      creator: (source: Source, _args: unknown, ask) => account(ask, source.rest.creator),
    },
    StatusCheckRollup: {
      state: (source: OfCommit, _args: unknown, ask) => rollupState(ask, source),
      commit: (source: OfCommit) => source.commit,
      contexts: (source: OfCommit, args: Pages, ask) =>
        connection('contexts', args, rollupContexts(ask, source), (rest) =>
          plain(rest.context === undefined ? 'CheckRun' : 'StatusContext', source, rest),
        ),
    },
    CheckSuite: {
      id,
      databaseId: as('id'),
      status: (source: Source) => upper(source.rest.status) ?? 'COMPLETED',
      conclusion: (source: Source) => upper(source.rest.conclusion),
      app,
      commit: (source: Source, _args: unknown, ask) => commit(ask, source, text(source.rest.head_sha) ?? ''),
      createdAt: as('created_at'),
      updatedAt: as('updated_at'),
      repository: (source: Source, _args: unknown, ask) => repository(ask, source),
      branch: (source: Source, _args: unknown, ask) => {
        const branch = text(source.rest.head_branch);
        return branch === undefined ? null : ref(ask, source, `refs/heads/${branch}`);
      },
      checkRuns: (source: Source, args: RunsArgs, ask) => {
        const { checkName, status } = args.filterBy ?? {};
        const filters = {
          ...(checkName && { check_name: checkName }),
          ...(status && { status: status.toLowerCase() }),
        };
        const list = routeListing(
          ask,
          'GET /repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs',
          { ...placed(source), check_suite_id: source.rest.id, ...filters },
          'check_runs',
        );
        return connection('checkRuns', args, list, (rest) => plain('CheckRun', source, rest));
      },
      matchingPullRequests: (source: Source, args: Pages, ask) => {
        const list = wholeListing(async () => objects(source.rest.pull_requests));
        return connection('matchingPullRequests', args, list, (rest) => pullRequest(ask, source, Number(rest.number)));
      },
    },
    CheckRun: runFields,
    App: {
      id,
      databaseId: as('id'),
      name: as('name'),
      slug: as('slug'),
      url: as('html_url'),
    },
  },
};
