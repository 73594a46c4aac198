/** Brings a preview to what its row wants: asks the forge how things stand, then does one step after the other. */
import type { Access } from '../../accounts/access/access.js';
import { isApproved } from '../../accounts/access/trusted-commits.js';
import type { Permissions } from '../../accounts/permissions.js';
import { systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { shortSha } from '../../lib/ids.js';
import { tellSessionsOf } from '../agent/tell.js';
import type { Pokes } from '../poke.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import type { OctokitFor } from '../sync/octokit.js';
import { type Announcement, announce, failureMessage } from './announce.js';
import { type Capacity, createCapacity } from './capacity.js';
import type { BuildFacts, Place, PreviewDriver } from './driver.js';
import { type Judges, judge, readPullRequest, readRepositoryConfig, type Verdict } from './forge-facts.js';
import {
  allocateName,
  followForge,
  type Places,
  type PreviewRecord,
  readPreview,
  writePlaces,
} from './preview-record.js';
import { newPlace } from './process-driver.js';
import type { PreviewConfig } from './repository-config.js';
import { nextStep, type Phase, type PlaceView, type Step } from './state.js';

export interface PreviewReconcilerOptions
  extends Pick<ReconcilerOptions, 'store' | 'locks' | 'log' | 'metrics' | 'clock' | 'backoff' | 'supersededPollMs'> {
  pokes: Pokes;
  driver: PreviewDriver;
  octokitFor: OctokitFor;
  gitAccess: (organizationId: string, repositoryId: string) => ReturnType<BuildFacts['source']>;
  permissions: Permissions;
  access: Access;
  /** Two letters for a forge, from its descriptor. */
  tagOf: (forge: string) => string;
  /** Where people reach a preview by its name; a private repository's address carries a signed link. */
  addressOf: (preview: { id: string; name: string; private: boolean }, now: Date) => string;
  /** Previews that may run at the same time. */
  limit: number;
}

const ROOM_RETRY_MS = 500;
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

/** The reconciler of the table `preview`. */
export function createPreviewReconciler(options: PreviewReconcilerOptions): Reconciler {
  const { store, driver, pokes, octokitFor, permissions, access, log, clock = systemClock } = options;
  const judges: Judges = {
    permissions,
    access,
    isApproved: (record, sha) => store.tenant(record.organizationId, (tx) => isApproved(tx, { ...record, sha })),
  };
  const capacity: Capacity = createCapacity({ store, queue: pokes.preview, limit: options.limit });

  async function tell(record: PreviewRecord, phase: Phase, what: Partial<Announcement> = {}): Promise<PreviewRecord> {
    const now = clock.now();
    const visible = record.serving !== null && (phase === 'sleeping' || record.serving.answered);
    const address = () =>
      options.addressOf({ id: record.id, name: record.name, private: record.repository.private }, now);
    const full: Announcement = {
      ...{ phase, message: null, log: null, url: visible ? address() : null, at: now },
      ...what,
    };
    const wanted = await store.tenant(record.organizationId, async (tx) => [
      ...(await announce(tx, record, full)),
      // Agents whose work it shows name it, too.
      ...(await tellSessionsOf(tx, record.pullRequestId)),
    ]);
    await Promise.all(wanted.map((one) => pokes.report.poke(one, { version: one.version })));
    if (record.phase !== phase) {
      const { owner, name } = record.repository;
      log.info(
        { repository: `${owner}/${name}`, pullRequest: record.number, phase, sha: shortSha(record.desiredSha) },
        `preview ${phase}`,
      );
    }
    return { ...record, phase };
  }

  async function keep(record: PreviewRecord, change: Partial<Places>): Promise<PreviewRecord> {
    const changed = { ...record, ...change };
    await store.tenant(record.organizationId, (tx) => writePlaces(tx, record.id, changed));
    return changed;
  }

  const factsOf = (record: PreviewRecord): BuildFacts => ({
    repositoryId: record.repositoryId,
    number: record.number,
    source: () => options.gitAccess(record.organizationId, record.repositoryId),
  });

  async function view(place: Place | null, record: PreviewRecord): Promise<PlaceView | null> {
    if (place === null) return null;
    const condition = await driver.observe(place);
    return { sha: place.sha, condition, current: place.version === record.desiredVersion.toString() };
  }

  /** What the forge says now; `moved` when the row had to be changed for it and is to be read again. */
  async function askForge(record: PreviewRecord, signal: AbortSignal): Promise<Wish | 'moved'> {
    if (record.desiredState === 'absent' || record.repository.status === 'removed') return ABSENT;
    const octokit = await octokitFor(record.organizationId, record.repositoryId);
    const facts = await readPullRequest(octokit, record, signal);
    if (facts === undefined || !facts.open || facts.headSha !== record.desiredSha) {
      const change = facts?.open ? ({ closed: false, sha: facts.headSha } as const) : ({ closed: true } as const);
      await store.tenant(record.organizationId, (tx) => followForge(tx, record, change));
      return 'moved';
    }
    const config = await readRepositoryConfig(octokit, record, signal);
    if (config === undefined) return ABSENT;
    return { desired: record.desiredState, verdict: await judge(record, facts, octokit, judges), config };
  }

  async function remove(record: PreviewRecord, place: Place | null): Promise<void> {
    if (place !== null) await driver.remove(place, record.repositoryId);
  }

  async function perform(step: Step, record: PreviewRecord, config: PreviewConfig | undefined, signal: AbortSignal) {
    const { serving, candidate } = record;
    switch (step.kind) {
      case 'retire':
        for (const place of record.retired) await remove(record, place);
        return keep(record, { retired: [] });
      case 'discard-candidate':
        await remove(record, candidate);
        return keep(record, { candidate: null });
      case 'remove-serving':
        await remove(record, serving);
        return keep(record, { serving: null });
      case 'switch': {
        const retired = serving === null ? [] : [serving];
        return keep(record, { serving: candidate, candidate: null, retired: [...record.retired, ...retired] });
      }
      case 'build': {
        if (config === undefined) throw new Error('a build without a configuration');
        const told = await tell(record, 'building');
        const { id: previewId, desiredSha: sha, desiredVersion: version } = record;
        const place = newPlace({ previewId, sha, version, config });
        // Written before anything is created: whoever comes after us knows what to remove.
        const begun = await keep(told, { candidate: place });
        return keep(begun, { candidate: await driver.build(place, factsOf(record), signal) });
      }
      case 'start':
      case 'await':
      case 'stop': {
        const place = record[step.place];
        if (place === null) throw new Error(`nothing to ${step.kind}`);
        const told = step.kind === 'start' ? await tell(record, 'building') : record;
        const changed = await {
          start: () => driver.start(place, factsOf(record)),
          await: () => driver.awaitReady(place, signal),
          stop: () => driver.stop(place),
        }[step.kind]();
        // What fails from here on has failed for the wish that stands, and is not built again for it.
        return keep(told, { [step.place]: { ...changed, version: record.desiredVersion.toString() } });
      }
      case 'settled':
        return record;
    }
  }

  async function finish(record: PreviewRecord, phase: Phase, wish: Wish): Promise<Settlement> {
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

  async function converge(start: PreviewRecord, wish: Wish, signal: AbortSignal): Promise<Settlement> {
    let record = start;
    for (;;) {
      signal.throwIfAborted();
      let serving = await view(record.serving, record);
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
        serving,
        candidate: await view(record.candidate, record),
        retired: record.retired.length,
      });
      if (step.kind === 'settled') return finish(record, step.phase, wish);
      if (step.kind === 'start' && !(await capacity.hasRoom(record.id))) {
        await tell(record, 'building', { message: 'Waits until another preview has gone to sleep' });
        return { retryInMs: ROOM_RETRY_MS };
      }
      record = await perform(step, record, wish.config, signal);
    }
  }

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const found = await readPreview(store, row);
    if (found === undefined) return 'settled';
    try {
      const wish = await askForge(found, signal);
      if (wish === 'moved') return 'again';
      if (wish.desired === 'absent') return await converge(found, wish, signal);
      const name = await allocateName(store, found, options.tagOf(found.repository.forge));
      const trustedSha = wish.verdict.permitted ? found.desiredSha : found.trustedSha;
      return await converge({ ...found, name, trustedSha }, wish, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof ForgewayError)) throw error;
      const now = (await readPreview(store, row)) ?? found;
      if (error.retry === 'never' && error.code !== 'FORGEWAY_INSTALLATION_UNKNOWN') {
        await tell(now, 'failed', { message: error.message });
        return 'settled';
      }
      if (now.phase === 'building') await tell(now, 'building', { message: `Tried again soon: ${messageOf(error)}` });
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
