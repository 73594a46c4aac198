/** Brings a preview to what its row wants: asks the forge how things stand, then does one step after the other. */
import type { Access } from '../../accounts/access/access.js';
import { isApproved } from '../../accounts/access/trusted-commits.js';
import type { Permissions } from '../../accounts/permissions.js';
import { systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { shortSha } from '../../lib/ids.js';
import { madeFor } from '../agent/made-for.js';
import { tellSessionsOf } from '../agent/tell.js';
import type { Pokes } from '../poke.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import type { ForgeOctokit, OctokitFor } from '../sync/octokit.js';
import { type Announcement, announce, failureMessage } from './announce.js';
import { type Capacity, createCapacity } from './capacity.js';
import { wantPreview } from './desired.js';
import type { DriverName, Place, PreviewDriver, PreviewFacts } from './driver.js';
import {
  hasFile,
  type Judges,
  judge,
  readBranch,
  readRepositoryConfig,
  readSubject,
  type Verdict,
} from './forge-facts.js';
import { AGAIN_AFTER_MS, againIn, againMessage } from './interrupted.js';
import { isExact } from './patterns.js';
import type { PreviewConfig } from './preview-config.js';
import {
  allocateName,
  followForge,
  identityOf,
  moveHome,
  type Places,
  type PreviewRecord,
  readPreview,
  UNNAMED,
  writeBranches,
  writePlaces,
} from './preview-record.js';
import { newPlace } from './process-driver.js';
import { isRefusal, REFUSED_PAUSES, type RefusedPauses, refusedMessage, refusedPause } from './refused.js';
import { createSecretsKnown } from './secrets-known.js';
import { nextStep, type Phase, type PlaceView, type Step } from './state.js';
import { isWanted } from './wanted.js';

export interface PreviewReconcilerOptions
  extends Pick<ReconcilerOptions, 'store' | 'locks' | 'log' | 'metrics' | 'clock' | 'backoff' | 'supersededPollMs'> {
  pokes: Pokes;
  /** What previews are made with now. */
  driver: PreviewDriver;
  /** What earlier ones were made with, so that nothing of them is left behind. */
  formerDriver?: (name: DriverName) => Promise<PreviewDriver>;
  /** The values of a repository's preview secrets; default none. */
  secretsOf?: (
    of: Pick<PreviewRecord, 'organizationId' | 'repositoryId'>,
    names: readonly string[],
  ) => Promise<Readonly<Record<string, string>>>;
  octokitFor: OctokitFor;
  gitAccess: (organizationId: string, repositoryId: string) => ReturnType<PreviewFacts['source']>;
  permissions: Permissions;
  access: Access;
  /** Two letters for a forge, from its descriptor. */
  tagOf: (forge: string) => string;
  /** Where people reach a preview by its name; a private repository's address carries a signed link. */
  addressOf: (preview: { id: string; name: string; private: boolean; stranger: boolean }, now: Date) => string;
  /** Address of the page with a preview's logs; undefined where people cannot reach us. */
  logPageOf?: (organizationId: string, previewId: string) => string | undefined;
  /** Previews that may run at the same time on this machine. */
  limit: number;
  /** Previews that one organization may have, asleep or not. */
  organizationLimit: number;
  /** How long before each time that a build is begun again which something kept from ending that passes. */
  againAfterMs?: readonly number[];
  /** Pauses between tries of what a cluster refuses. */
  refusedPauses?: RefusedPauses;
}

const ROOM_RETRY_MS = 500;
const FULL_RETRY_MS = 10_000;
const BACKOFF = { baseMs: 1_000, capMs: 60_000 };
const SUPERSEDED_POLL_MS = 1_000;

/** What one call of settle has found out from the forge. */
interface Wish {
  desired: PreviewRecord['desiredState'];
  verdict: Verdict;
  /** Undefined when the preview is to go. */
  config: PreviewConfig | undefined;
}

const ABSENT: Wish = { desired: 'absent', verdict: { permitted: false, message: '' }, config: undefined };

/**
 * On a cluster the commits of a preview share a namespace, its network and its database. Only trusted ones do: one that somebody
 * approved is alone in it (ADR 46).
 */
const isApart = ({ driver, serving, desiredSha }: PreviewRecord, verdict: Verdict): boolean =>
  driver === 'kubernetes' &&
  serving !== null &&
  verdict.permitted &&
  (serving.trusted !== verdict.trusted || (!verdict.trusted && serving.sha !== desiredSha));

/** The reconciler of the table `preview`. */
export function createPreviewReconciler(options: PreviewReconcilerOptions): Reconciler {
  const { store, pokes, octokitFor, permissions, access, log, clock = systemClock } = options;
  const { againAfterMs = AGAIN_AFTER_MS, refusedPauses = REFUSED_PAUSES } = options;
  const judges: Judges = {
    permissions,
    access,
    isApproved: ({ organizationId, repositoryId, desiredSha: sha }, number) =>
      store.tenant(organizationId, (tx) => isApproved(tx, { repositoryId, number, sha })),
    madeFor: ({ organizationId, repositoryId, desiredSha: sha }) =>
      store.tenant(organizationId, (tx) => madeFor(tx, { repositoryId, sha })),
  };
  const capacity: Capacity = createCapacity({
    ...{ store, queue: pokes.preview, limit: options.limit },
    organizationLimit: options.organizationLimit,
  });

  /** Previews that there was no room for, and the wish for which there was none. */
  const withoutRoom = new Map<string, bigint>();

  async function tell(record: PreviewRecord, phase: Phase, what: Partial<Announcement> = {}): Promise<PreviewRecord> {
    const now = clock.now();
    const visible = record.serving !== null && (phase === 'sleeping' || record.serving.answered);
    const address = () =>
      options.addressOf(
        {
          ...{ id: record.id, name: record.name, private: record.repository.private },
          stranger: record.driver === 'kubernetes' && record.serving?.trusted === false,
        },
        now,
      );
    const full: Announcement = {
      ...{ phase, message: null, log: null, url: visible ? address() : null, at: now },
      logUrl: options.logPageOf?.(record.organizationId, record.id) ?? null,
      ...what,
    };
    const wanted = await store.tenant(record.organizationId, async (tx) => [
      ...(await announce(tx, record, full)),
      // Agents whose work it shows name it, too.
      ...(record.pullRequestId === null ? [] : await tellSessionsOf(tx, record.pullRequestId)),
    ]);
    await Promise.all(wanted.map((one) => pokes.report.poke(one, { version: one.version })));
    if (record.phase !== phase) {
      const { subject, repository } = record;
      const { owner, name } = repository;
      const of = subject.kind === 'branch' ? { branch: subject.branch } : { pullRequest: subject.number };
      log.info({ repository: `${owner}/${name}`, ...of, phase, sha: shortSha(record.desiredSha) }, `preview ${phase}`);
    }
    return { ...record, phase };
  }

  async function keep(record: PreviewRecord, change: Partial<Places>): Promise<PreviewRecord> {
    const changed = { ...record, ...change };
    await store.tenant(record.organizationId, (tx) => writePlaces(tx, record.id, changed));
    return changed;
  }

  const knowSecrets = createSecretsKnown(async ({ organizationId, repositoryId }, names) =>
    options.secretsOf?.({ organizationId, repositoryId }, names),
  );

  const factsOf = (record: PreviewRecord): PreviewFacts => ({
    organizationId: record.organizationId,
    repositoryId: record.repositoryId,
    name: record.name,
    identity: identityOf(record, options.tagOf(record.repository.forge)),
    private: record.repository.private,
    watched: record.watched,
    cluster: record.cluster,
    places: [record.serving, record.candidate, ...record.retired].flatMap((place) => place?.id ?? []),
    source: () => options.gitAccess(record.organizationId, record.repositoryId),
    hasFile: async (path, sha) =>
      hasFile(await octokitFor(record.organizationId, record.repositoryId), record.repository, { path, sha }),
    secrets: async (names) => (await options.secretsOf?.(record, names)) ?? {},
  });

  async function driverOf({ driver, name: called }: PreviewRecord): Promise<PreviewDriver> {
    // Of what was never given a name nothing was made anywhere.
    if (driver === options.driver.name || called.startsWith(UNNAMED)) return options.driver;
    if (options.formerDriver !== undefined) return options.formerDriver(driver);
    throw new ForgewayError(
      'FORGEWAY_SANDBOX_UNAVAILABLE',
      `This preview was made by the driver ${driver}, which is not here.`,
    );
  }

  /** Where previews are made has changed: what was made elsewhere is removed there first. */
  async function broughtHome(record: PreviewRecord): Promise<PreviewRecord> {
    const home = { driver: options.driver.name, cluster: await options.driver.home(record.organizationId) };
    if (record.driver === home.driver && record.cluster === home.cluster) return record;
    const places = [record.serving, record.candidate, ...record.retired].filter((place) => place !== null);
    if (places.length > 0) {
      const former = await driverOf(record);
      for (const place of places) await former.remove(place, factsOf(record));
      await former.removeAll(factsOf(record));
    }
    return moveHome(store, record, home);
  }

  /** What has mended itself carries its failure no longer. */
  async function seen(record: PreviewRecord, which: 'serving' | 'candidate', driver: PreviewDriver) {
    const place = record[which];
    if (place === null) return { record, view: null };
    const condition = await driver.observe(place, factsOf(record));
    const current = place.version === record.desiredVersion.toString();
    // One that was made before it was asked for anew is another than the wanted one, and serves until that has taken over.
    const isFresh = BigInt(place.madeFor) >= record.rebuildVersion;
    const view: PlaceView = { sha: isFresh ? place.sha : `${place.sha} made anew`, condition, current };
    if (place.failure === null || condition === 'failed') return { record, view };
    return { record: await keep(record, { [which]: { ...place, failure: null } }), view };
  }

  /** What the forge says now; `moved` when the row had to be changed for it and is to be read again. */
  async function askForge(record: PreviewRecord, signal: AbortSignal): Promise<Wish | 'moved'> {
    if (record.desiredState === 'absent' || record.repository.status === 'removed') return ABSENT;
    const octokit = await octokitFor(record.organizationId, record.repositoryId);
    const facts = await readSubject(octokit, record, signal);
    if (facts === undefined || !facts.open || facts.headSha !== record.desiredSha) {
      const change = facts?.open ? ({ closed: false, sha: facts.headSha } as const) : ({ closed: true } as const);
      await store.tenant(record.organizationId, (tx) => followForge(tx, record, change));
      return 'moved';
    }
    const config = await readRepositoryConfig(octokit, record, signal);
    await noteBranches(record, config?.branches ?? [], octokit, signal);
    if (config === undefined) return ABSENT;
    if (!(await isWanted(octokit, record, config, { labels: facts.labels, signal }))) return ABSENT;
    return { desired: record.desiredState, verdict: await judge(record, facts, octokit, judges), config };
  }

  /** Writes down which branches are meant, for pushes to come; one that is named and has no preview yet gets one now. */
  async function noteBranches(record: PreviewRecord, patterns: string[], octokit: ForgeOctokit, signal: AbortSignal) {
    const { organizationId, repositoryId } = record;
    const isNew = await store.tenant(organizationId, (tx) => writeBranches(tx, repositoryId, patterns));
    if (!isNew) return;
    for (const branch of patterns.filter(isExact)) {
      const sha = await readBranch(octokit, record.repository, branch, signal);
      if (sha === undefined) continue;
      const wish = { organizationId, repositoryId, branch, sha, actor: null };
      const wanted = await store.tenant(organizationId, (tx) => wantPreview(tx, wish));
      if (wanted.id !== record.id)
        await pokes.preview.poke({ organizationId, id: wanted.id }, { version: wanted.version });
    }
  }

  function placeFor({ id: previewId, desiredSha: sha, desiredVersion: version }: PreviewRecord, wish: Wish): Place {
    const { config, verdict } = wish;
    if (config === undefined || !verdict.permitted) throw new Error('a build that nobody may ask for');
    return newPlace({ previewId, sha, version, config, trusted: verdict.trusted });
  }

  async function perform(
    step: Step,
    record: PreviewRecord,
    wish: Wish,
    driver: PreviewDriver,
    signal: AbortSignal,
  ): Promise<PreviewRecord> {
    const { serving, candidate } = record;
    const facts = factsOf(record);
    const remove = (place: Place | null) => (place === null ? undefined : driver.remove(place, facts));
    switch (step.kind) {
      case 'retire':
        for (const place of record.retired) await remove(place);
        return keep(record, { retired: [] });
      case 'discard-candidate':
        await remove(candidate);
        return keep(record, { candidate: null });
      case 'remove-serving':
        await remove(serving);
        return keep(record, { serving: null });
      case 'switch': {
        const retired = serving === null ? [] : [serving];
        return keep(record, { serving: candidate, candidate: null, retired: [...record.retired, ...retired] });
      }
      case 'build': {
        const told = await tell(record, 'building');
        const place = candidate ?? placeFor(record, wish);
        // Written before anything is created: whoever comes after us knows what to remove.
        const begun = candidate === null ? await keep(told, { candidate: place }) : told;
        const built = await driver.build(place, facts, signal);
        const failure = built.failure && {
          ...built.failure,
          ...(built.failure.passing && { at: clock.now().toISOString() }),
        };
        return keep(begun, { candidate: { ...built, failure } });
      }
      case 'start':
      case 'await':
      case 'stop': {
        const place = record[step.place];
        if (place === null) throw new Error(`nothing to ${step.kind}`);
        // What was refused and is let in is rolled out from then on.
        const isLetIn = step.kind === 'await' && record.phase === 'failed' && place.sha === record.desiredSha;
        const told = step.kind === 'start' || isLetIn ? await tell(record, 'starting') : record;
        const changed = await {
          start: () => driver.start(place, facts, signal),
          await: () => driver.awaitReady(place, facts, signal),
          stop: () => driver.stop(place, facts),
        }[step.kind]();
        // What fails from here on has failed for the wish that stands, and is not built again for it.
        return keep(told, { [step.place]: { ...changed, version: record.desiredVersion.toString() } });
      }
      case 'settled':
        return record;
    }
  }

  async function finish(record: PreviewRecord, phase: Phase, wish: Wish, driver: PreviewDriver): Promise<Settlement> {
    if (phase === 'gone') await driver.removeAll(factsOf(record));
    else await driver.publish(phase === 'sleeping' ? null : record.serving, factsOf(record));
    if (phase === 'failed') {
      const log = record.candidate?.failure?.log ?? record.serving?.failure?.log ?? null;
      await tell(record, 'failed', { message: failureMessage(record), log });
    } else if (phase === 'waiting' && !wish.verdict.permitted) {
      await tell(record, 'waiting', { message: wish.verdict.message });
    } else {
      await tell(record, phase);
    }
    return 'settled';
  }

  async function converge(
    start: PreviewRecord,
    wish: Wish,
    driver: PreviewDriver,
    signal: AbortSignal,
  ): Promise<Settlement> {
    let record = start;
    // Of what has ended the last lines are told.
    await knowSecrets(record, [record.serving, record.candidate]);
    for (;;) {
      signal.throwIfAborted();
      const one = await seen(record, 'serving', driver);
      const other = await seen(one.record, 'candidate', driver);
      record = other.record;
      let serving = one.view;
      if (serving?.condition === 'failed' && record.serving?.failure === null) {
        // It only came to be seen as failed; from now on it carries why, and for the wish that stands: a look at what
        // ended is a new version too, and would have it built again without end.
        const given = { ...(await driver.giveUp(record.serving)), version: record.desiredVersion.toString() };
        record = await keep(record, { serving: given });
        serving = { ...serving, current: true };
      }
      const step = nextStep({
        desired: wish.desired,
        sha: record.desiredSha,
        permitted: wish.verdict.permitted,
        apart: isApart(record, wish.verdict),
        serving,
        candidate: other.view,
        retired: record.retired.length,
      });
      const againMs =
        step.kind === 'settled' && step.phase === 'failed'
          ? againIn(record.candidate, clock.now(), againAfterMs)
          : undefined;
      if (againMs !== undefined && record.candidate !== null) {
        const { candidate } = record;
        if (againMs > 0) {
          await tell(record, 'building', { message: againMessage(candidate, againMs, againAfterMs) });
          return { retryInMs: againMs };
        }
        await driver.remove(candidate, factsOf(record));
        const anew = { ...placeFor(record, wish), tries: candidate.tries + 1 };
        record = await perform({ kind: 'build' }, await keep(record, { candidate: anew }), wish, driver, signal);
        continue;
      }
      if (step.kind === 'settled') return finish(record, step.phase, wish, driver);
      if (step.kind === 'build' && record.serving === null && record.candidate === null) {
        const candidate = placeFor(record, wish);
        const { id, desiredVersion, retired } = record;
        const places = { serving: null, candidate, retired };
        const others = await capacity.claim(record, (tx) => writePlaces(tx, id, places));
        if (others !== undefined) {
          const have = others === 1 ? '1 preview' : `${others} previews`;
          const message = `Waits: this organization has ${have}, and may have no more. \`/preview delete\` removes one`;
          await tell(record, 'waiting', { message });
          withoutRoom.set(id, desiredVersion);
          return { retryInMs: FULL_RETRY_MS };
        }
        record = { ...record, candidate };
      }
      if (step.kind === 'start' && record.driver === 'process' && !(await capacity.hasRoom(record.id))) {
        await tell(record, 'starting', { message: 'Waits until another preview has gone to sleep' });
        return { retryInMs: ROOM_RETRY_MS };
      }
      record = await perform(step, record, wish, driver, signal);
    }
  }

  /** Whoever waits for room asks the forge again only once there is some, or something else is wanted: many may wait for long. */
  async function stillWithoutRoom({ id, desiredVersion, ...record }: PreviewRecord): Promise<boolean> {
    if (withoutRoom.get(id) !== desiredVersion) return false;
    if ((await capacity.fullWith({ id, ...record })) !== undefined) return true;
    withoutRoom.delete(id);
    return false;
  }

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const found = await readPreview(store, row);
    if (found === undefined) return 'settled';
    if (await stillWithoutRoom(found)) return { retryInMs: FULL_RETRY_MS };
    let wish: Wish | 'moved' | undefined;
    try {
      wish = await askForge(found, signal);
      if (wish === 'moved') return 'again';
      if (wish.desired === 'absent') return await converge(found, wish, await driverOf(found), signal);
      const here = await broughtHome(found);
      const name = await allocateName(store, here, options.tagOf(here.repository.forge));
      const trustedSha = wish.verdict.permitted ? here.desiredSha : here.trustedSha;
      return await converge({ ...here, name, trustedSha }, wish, options.driver, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof ForgewayError)) throw error;
      const now = (await readPreview(store, row)) ?? found;
      const isEnd = typeof wish === 'object' && wish.desired === 'absent';
      // The cluster will say the same until somebody acts, who may be an operator; and what is to go is never given up.
      if (isRefusal(error) || (isEnd && error.retry === 'never')) {
        const retryInMs = refusedPause(row.attempts, refusedPauses);
        const at = new Date(clock.now().getTime() + retryInMs);
        await tell(now, isEnd ? 'removing' : 'failed', { message: refusedMessage(error, now, at) });
        return { retryInMs, error: error.message };
      }
      if (error.retry === 'never' && error.code !== 'FORGEWAY_INSTALLATION_UNKNOWN') {
        await tell(now, 'failed', { message: error.message });
        return 'settled';
      }
      if (error.code === 'FORGEWAY_NAMESPACE_TERMINATING') {
        await tell(now, isEnd ? 'removing' : 'building', {
          message: isEnd ? error.message : `Waits: ${error.message}`,
        });
      } else if (now.phase === 'building' || now.phase === 'starting')
        await tell(now, now.phase, { message: `Tried again soon: ${messageOf(error)}` });
      throw error;
    }
  }

  return createReconciler({
    ...options,
    backoff: options.backoff ?? BACKOFF,
    supersededPollMs: options.supersededPollMs ?? SUPERSEDED_POLL_MS,
    queue: pokes.preview,
    table: { name: 'preview', key: 'id', heldBy: { repository: '"preview"."repository_id"', app: 'preview' } },
    settle,
  });
}
