/** One cycle over all repositories that are due: hosts beside each other, and on each a few repositories at a time. */

import { RouteFailure } from '../../forges/kit/route.js';
import { retryAfter, retryDelay } from '../../lib/backoff.js';
import { type Clock, systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import { abreast } from './abreast.js';
import { delayCursor, dueRepositories, moveCursor, oldestLook } from './cursor.js';
import type { PollAccess, PollPorts, Watched } from './ports.js';
import { type Turn, type Visited, type VisitOptions, visitRepository } from './visit.js';

export interface CycleOptions extends Partial<VisitOptions> {
  /** Time between two looks at a repository; 0: it is looked at only when somebody asks. */
  intervalMs: number;
  /** Also repositories that are not due. */
  all?: boolean;
  clock?: Clock;
}

export interface FoundEvent {
  forge: string;
  repository: string;
  /** As apps see it; null for what is the repository's. */
  number: number | null;
  event: string;
  action: string | null;
}

export interface CycleSummary {
  repositories: number;
  /** Looks by result. */
  changed: number;
  unchanged: number;
  notModified: number;
  failed: number;
  /** Taken in silently, from repositories seen for the first time. */
  imported: number;
  /** Objects that wait for the next cycle. */
  pending: number;
  events: FoundEvent[];
  seconds: number;
}

/** Repositories of one host that are asked at the same time. */
const WIDTH = 8;
/** Branches every fifth time, tags and releases every tenth: what changed in issues and pull requests waits for the next cycle. */
const FIRST_HALF: readonly Turn[] = ['objects', 'objects', 'objects', 'objects', 'branches'];
const SECOND_HALF: readonly Turn[] = ['objects', 'tags', 'objects', 'releases', 'branches'];
const DEFAULTS: VisitOptions = {
  mostObjects: 200,
  patienceMs: 2_000,
  turns: [...FIRST_HALF, ...SECOND_HALF],
  settleMs: 2_000,
  signal: undefined,
};
/** An App's webhooks are dependable, and can be redelivered: it is asked less often. */
const APP_PACE = 5;
const LONGEST_DELAY_MS = 3_600_000;
/** After so many repositories in a row that could not be reached, the host counts as away for this cycle. */
const HOST_AWAY = 3;
const DEFAULT_INTERVAL_MS = 60_000;

const KEYS = { changed: 'changed', unchanged: 'unchanged', not_modified: 'notModified' } as const;

const isUnreachable = (error: unknown): boolean =>
  error instanceof ForgewayError && error.code === 'FORGEWAY_FORGE_UNREACHABLE';

function waitAfter(error: unknown, failures: number, intervalMs: number, now: Date): number {
  const asked = error instanceof RouteFailure ? retryAfter(error.headers['retry-after'], now) : undefined;
  const baseMs = intervalMs || DEFAULT_INTERVAL_MS;
  const backoff = { baseMs, capMs: LONGEST_DELAY_MS, attempts: Number.POSITIVE_INFINITY };
  return Math.max(asked ?? 0, baseMs, retryDelay(backoff, failures + 1));
}

/** An event tells an organization by its login, where the API tells it whole. */
const asToldOf = (repository: unknown): Record<string, unknown> => {
  const told = repository as Record<string, unknown>;
  const { organization } = told;
  const login =
    typeof organization === 'object' && organization !== null ? Reflect.get(organization, 'login') : undefined;
  return login === undefined ? told : { ...told, organization: login };
};

const fullName = ({ owner, name }: Watched): string => `${owner}/${name}`;

function note(summary: CycleSummary, watched: Watched, visited: Visited): void {
  summary[KEYS[visited.result]] += 1;
  summary.imported += visited.imported;
  summary.pending += visited.pending;
  summary.events.push(
    ...visited.events.map(({ number, finding }) => ({
      forge: watched.forge,
      repository: fullName(watched),
      number: number === 0 ? null : number,
      event: finding.name,
      action: finding.action ?? null,
    })),
  );
}

/**
 * The caller sees to it that one cycle runs at a time, see {@link startPoller}. Never rejects for a forge that fails: its
 * repositories wait longer from time to time.
 */
export async function runCycle(ports: PollPorts, o: CycleOptions): Promise<CycleSummary> {
  const { store, metrics, log } = ports;
  const clock = o.clock ?? systemClock;
  const began = performance.now();
  const due = await dueRepositories(store, { all: o.all ?? false });
  const summary: CycleSummary = {
    repositories: due.length,
    changed: 0,
    unchanged: 0,
    notModified: 0,
    failed: 0,
    imported: 0,
    pending: 0,
    events: [],
    seconds: 0,
  };
  const accesses = new Map<string, Promise<PollAccess>>();
  const accessOf = ({ virtualId, confidential }: Watched): Promise<PollAccess> => {
    const key = `${virtualId} ${confidential}`;
    const known = accesses.get(key) ?? ports.access(virtualId, { confidential });
    accesses.set(key, known);
    return known;
  };
  const { mostObjects, patienceMs, turns, settleMs, signal } = { ...DEFAULTS, ...o };
  const options = { mostObjects, patienceMs, turns, settleMs, signal };

  const visit = async (watched: Watched, host: { away: number }): Promise<void> => {
    if (signal?.aborted) return;
    try {
      if (host.away >= HOST_AWAY)
        throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', `${watched.host} did not answer for others before.`);
      const access = await accessOf(watched);
      const { poll } = access.forge;
      if (poll === undefined) return;
      let asked: Promise<Record<string, unknown>> | undefined;
      const repository = () => {
        const at = { owner: watched.owner, repo: watched.name };
        asked ??= access.github('GET /repos/{owner}/{repo}', at).then(asToldOf);
        return asked;
      };
      const visited = await visitRepository(
        { ...ports, watched, access: { ...access, poll }, repository },
        clock.now(),
        options,
      );
      host.away = 0;
      const paceMs = watched.installationId === null ? o.intervalMs : o.intervalMs * APP_PACE;
      // What is left is not made to wait for an App's slower pace.
      const nextMs = visited.pending > 0 ? o.intervalMs : paceMs;
      await moveCursor(store, watched, visited.move, o.intervalMs === 0 ? null : nextMs);
      note(summary, watched, visited);
      metrics.pollRequests.inc({ forge: watched.forge, result: visited.result });
    } catch (error) {
      host.away = isUnreachable(error) ? host.away + 1 : 0;
      summary.failed += 1;
      metrics.pollRequests.inc({ forge: watched.forge, result: 'failed' });
      const text = redactText(messageOf(error));
      log.warn({ repository: fullName(watched), host: watched.host, err: text }, 'not polled; tried again later');
      const waitMs = waitAfter(error, watched.cursor.failures, o.intervalMs, clock.now());
      await delayCursor(store, watched, text, waitMs);
    }
  };

  const hosts = new Map<string, Watched[]>();
  for (const watched of due) {
    const key = `${watched.forge}\n${watched.host}`;
    hosts.set(key, [...(hosts.get(key) ?? []), watched]);
  }
  await Promise.all(
    [...hosts.values()].map((repositories) => {
      const host = { away: 0 };
      return abreast(repositories, WIDTH, (watched) => visit(watched, host));
    }),
  );
  summary.seconds = (performance.now() - began) / 1_000;
  if (due.length > 0) metrics.pollCycleSeconds.observe(summary.seconds);
  metrics.pollOldestSeconds.set(await oldestLook(store));
  return summary;
}
