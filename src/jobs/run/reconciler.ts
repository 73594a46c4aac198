/** Brings a run to its end, one step after the other: its turn, its configuration, its plan, its apply. */
import type { PoolClient } from 'pg';
import type { Blobs } from '../../accounts/blobs.js';
import type { Vault } from '../../accounts/vault.js';
import type { ArchiveLimits } from '../../effects/archive/archive.js';
import type { TerraformExecutor } from '../../effects/terraform/executor.js';
import { systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import { endedBy } from '../../store/workspace/people.js';
import { getRun, isFinal, phasesOf, type RunRow } from '../../store/workspace/runs.js';
import { holdWorkspace } from '../../store/workspace/workspaces.js';
import type { Pokes } from '../poke.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import type { OctokitOf } from './connection-octokit.js';
import { createExecution, type Execution } from './execution.js';
import { fetchConfiguration } from './fetch-configuration.js';
import { ForgeRefusal } from './forge-repository.js';
import { type Gate, mayApply } from './may-apply.js';
import { type Because, type Moved, reportRun } from './move.js';
import type { RunEvent } from './state.js';
import { tellRun } from './tell.js';
import { heldBy, waitsFor } from './turn.js';

export interface RunReconcilerOptions
  extends Pick<ReconcilerOptions, 'store' | 'locks' | 'log' | 'metrics' | 'clock' | 'backoff' | 'supersededPollMs'> {
  pokes: Pokes;
  blobs: Blobs;
  vault: Vault;
  /** Opened when the first run needs it. @throws ForgewayError saying what is missing */
  executor(): Promise<TerraformExecutor>;
  octokitOf: OctokitOf;
  limits: ArchiveLimits;
  /** The page of a run, where there is one. */
  pageOf?: (organizationId: string, runId: string) => string | undefined;
  /** What else has to hold before a plan is applied. */
  gate?: Gate;
  pollMs?: number;
  patienceMs?: number;
}

const WAIT_MS = 10_000;
const UPLOAD_MS = 3_600_000;
const ELSEWHERE_MS = 30_000;
const BACKOFF = { baseMs: 2_000, capMs: 120_000 };
const SUPERSEDED_POLL_MS = 500;
/** Failures in a row, at one thing, after which a run is given up: with the delays above, half an hour. */
const ATTEMPTS = 20;

/** It changes the world, whether or not we can see it now: to be told to have failed it has to be known to be over. */
const mayStillApply = ({ status, executorState }: RunRow): boolean =>
  status === 'applying' && (executorState as { begun?: boolean }).begun === true;

/** The reconciler of the table `run`, for a machine that executes. */
export function createRunReconciler(o: RunReconcilerOptions): Reconciler {
  const { store, pokes, blobs, log, clock = systemClock } = o;
  const tenant = <T>(run: { organizationId: string }, work: (tx: PoolClient) => Promise<T>) =>
    store.tenant(run.organizationId, work);
  let opening: Promise<Execution> | undefined;

  function execution(): Promise<Execution> {
    opening ??= o.executor().then((executor) =>
      createExecution({
        ...{ store, blobs, vault: o.vault, executor, log, clock },
        ...{ pollMs: o.pollMs, patienceMs: o.patienceMs },
      }),
    );
    opening.catch(() => {
      // What is missing may be there at the next run.
      opening = undefined;
    });
    return opening;
  }

  async function claim(row: UnsettledRow): Promise<RunRow | undefined> {
    return store.tenant(row.organizationId, async (tx) => {
      await tx.query('UPDATE run SET fencing_number = fencing_number + 1 WHERE id = $1', [row.id]);
      return getRun(tx, row.id);
    });
  }

  async function tell(run: { organizationId: string; id: string }): Promise<void> {
    const wanted = await tenant(run, async (tx) => {
      const now = await getRun(tx, run.id);
      if (now === undefined) return [];
      const phases = await phasesOf(tx, run.id);
      const { rows } = await tx.query<{ rendered: string | null }>('SELECT rendered FROM run_phase WHERE id = $1', [
        phases.plan.id,
      ]);
      return tellRun(tx, now, { plan: { ...phases.plan, rendered: rows[0]?.rendered ?? null } }, { pageOf: o.pageOf });
    });
    await Promise.all(wanted.map((one) => pokes.report.poke(one, { version: one.version })));
  }

  async function pokeAll(moved: Moved, but: string): Promise<void> {
    const others = moved.wanted.filter(({ id }) => id !== but);
    await Promise.all(others.map((one) => pokes.run.poke(one, { version: one.version })));
  }

  /** One step further; the loop reads the row again. */
  async function report(run: RunRow, event: RunEvent, because: Because = {}): Promise<Settlement> {
    const moved = await tenant(run, async (tx) => {
      await holdWorkspace(tx, run.workspaceId);
      return reportRun(tx, run.id, event, { fencingNumber: run.fencingNumber, ...because });
    });
    await pokeAll(moved, run.id);
    if ('to' in moved.outcome)
      log.info({ run: run.id, workspace: run.workspaceId, status: moved.outcome.to, reason: because.reason }, 'run');
    return 'again';
  }

  async function wait(run: RunRow, reason: string, retryInMs: number): Promise<Settlement> {
    if (run.statusReason !== reason) {
      await tenant(run, (tx) => tx.query('UPDATE run SET status_reason = $2 WHERE id = $1', [run.id, reason]));
      await tell(run);
    }
    return { retryInMs };
  }

  async function takeTurn(run: RunRow): Promise<Settlement> {
    const taken = await tenant(run, async (tx) => {
      const waits = await waitsFor(tx, run);
      if (waits !== undefined) return { waits };
      return { moved: await reportRun(tx, run.id, { kind: 'turn' }, { fencingNumber: run.fencingNumber }) };
    });
    if ('waits' in taken && taken.waits !== undefined) return wait(run, taken.waits, WAIT_MS);
    return 'again';
  }

  async function fetch(run: RunRow, signal: AbortSignal): Promise<Settlement> {
    if (run.cancelRequestedAt !== null)
      return report(
        run,
        { kind: 'stopped' },
        { reason: await tenant(run, (tx) => endedBy(tx, 'canceled', run.cancelRequestedBy)) },
      );
    const outcome = await fetchConfiguration(
      { store, blobs, octokitOf: o.octokitOf, limits: o.limits, clock },
      run,
      signal,
    );
    if (outcome === 'fetched') return report(run, { kind: 'fetched' });
    if ('failed' in outcome) return report(run, { kind: 'failed' }, { reason: outcome.failed });
    if (clock.now().getTime() - run.createdAt.getTime() > UPLOAD_MS)
      return report(run, { kind: 'failed' }, { reason: 'Its configuration was not uploaded within an hour.' });
    return wait(run, outcome.waits, 2_000);
  }

  async function begin(run: RunRow, signal: AbortSignal): Promise<Settlement> {
    const held = await tenant(run, async (tx) => {
      const workspace = await holdWorkspace(tx, run.workspaceId);
      return workspace === undefined ? undefined : heldBy(tx, workspace, run.id);
    });
    if (held !== undefined) return wait(run, held, WAIT_MS);
    const answer = await mayApply({ store, octokitOf: o.octokitOf, gate: o.gate }, run, signal);
    switch (answer.kind) {
      case 'yes':
        return report(run, { kind: 'apply-started' });
      case 'no':
        return report(run, { kind: 'outdated' }, { reason: answer.reason });
      case 'later': {
        for (const one of answer.look)
          await pokes.watch.poke({ organizationId: run.organizationId, id: one.id }, { version: one.version });
        return wait(run, answer.reason, WAIT_MS);
      }
    }
  }

  async function follow(run: RunRow, phase: 'plan' | 'apply', signal: AbortSignal): Promise<Settlement> {
    const followed = await (await execution()).follow(run, phase, signal);
    if ('elsewhere' in followed) return { retryInMs: ELSEWHERE_MS };
    await pokeAll(followed, run.id);
    return 'again';
  }

  /** Nothing of it may be left where it was executed. */
  async function finish(run: RunRow): Promise<Settlement> {
    if (Object.hasOwn(run.executorState, 'phase')) await (await execution()).cleanUp(run);
    return 'settled';
  }

  function step(run: RunRow, signal: AbortSignal): Promise<Settlement> {
    switch (run.status) {
      case 'pending':
        return takeTurn(run);
      case 'fetching':
        return fetch(run, signal);
      case 'planning':
        return follow(run, 'plan', signal);
      case 'confirmed':
        return begin(run, signal);
      case 'applying':
        return follow(run, 'apply', signal);
      default:
        return finish(run);
    }
  }

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const run = await claim(row);
    if (run === undefined) return 'settled';
    await tell(run);
    try {
      return await step(run, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // Nothing that is over is told to have failed.
      if (isFinal(run.status) || run.status === 'planned') throw error;
      const answered = error instanceof ForgeRefusal || (error instanceof ForgewayError && error.retry === 'never');
      const text = redactText(messageOf(error));
      if (answered || (row.attempts + 1 >= ATTEMPTS && !mayStillApply(run)))
        return report(run, { kind: 'failed' }, { reason: text });
      await tenant(run, (tx) =>
        tx.query('UPDATE run SET status_reason = $2 WHERE id = $1', [run.id, `Tried again soon: ${text}`]),
      );
      throw error;
    }
  }

  return createReconciler({
    ...o,
    clock,
    backoff: o.backoff ?? BACKOFF,
    supersededPollMs: o.supersededPollMs ?? SUPERSEDED_POLL_MS,
    queue: pokes.run,
    table: { name: 'run', key: 'id', errorColumn: 'error' },
    settle,
  });
}
