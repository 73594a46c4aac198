/** One phase of a run, from its start through its log to its result, on whatever executes it. */
import type { PoolClient } from 'pg';
import type { Blobs } from '../../accounts/blobs.js';
import type { Vault } from '../../accounts/vault.js';
import { saveState } from '../../accounts/workspace-state.js';
import type { LogPosition } from '../../effects/process/log-page.js';
import type { TerraformEnd, TerraformExecutor, TerraformWork } from '../../effects/terraform/executor.js';
import { shownPlan } from '../../effects/terraform/shown-plan.js';
import { type Clock, pause } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { redactAll } from '../../lib/redact.js';
import type { Store } from '../../store/database.js';
import { getConfigurationVersion } from '../../store/workspace/configuration-versions.js';
import { endedBy } from '../../store/workspace/people.js';
import { appendLog, closeLog } from '../../store/workspace/run-log.js';
import { type PhaseRow, phasesOf, type RunRow, updatePhase } from '../../store/workspace/runs.js';
import { currentStateVersion } from '../../store/workspace/state-versions.js';
import { getWorkspace } from '../../store/workspace/workspaces.js';
import { type Moved, reportRun } from './move.js';
import { hiderOf, variablesOf } from './run-input.js';
import type { RunEvent } from './state.js';

export type Phase = 'plan' | 'apply';

export interface ExecutionOptions {
  store: Store;
  blobs: Blobs;
  vault: Vault;
  executor: TerraformExecutor;
  log: Logger;
  clock: Clock;
  /** Between two looks at what is printed. */
  pollMs?: number;
  /** How long a plan that was asked to stop may take, before it is made to. An apply is never made to unless somebody insists. */
  patienceMs?: number;
}

/** What a run's row knows of what executes it. */
interface ExecutorState {
  phase?: Phase;
  /** Began for certain: when it is not there any more, it vanished. */
  begun?: boolean;
  host?: string;
  position?: LogPosition | null;
  lockFile?: string | null;
  /** Where it was planned. A plan remembers its state by a way from there, so it is applied there, whatever the workspace says since. */
  directory?: string;
}

const POLL_MS = 250;
const PATIENCE_MS = 15_000;
const LEASE_SECONDS = 120;
const INTERRUPT_EVERY_MS = 5_000;
const PLAN_LIMIT = 128 * 1024 * 1024;
const RENDERED = 64 * 1024;
const CHANGES = 2_000;

export const workOf = (run: Pick<RunRow, 'workspaceId' | 'id'>, phase: Phase): string =>
  `${run.workspaceId}-${run.id}-${phase}`;

export type Followed = Moved | { elsewhere: string };

export function createExecution(o: ExecutionOptions) {
  const { store, executor, blobs, vault, clock } = o;
  const tenant = <T>(run: RunRow, work: (tx: PoolClient) => Promise<T>) => store.tenant(run.organizationId, work);

  const canceled = (run: RunRow) => tenant(run, (tx) => endedBy(tx, 'canceled', run.cancelRequestedBy));

  async function note(tx: PoolClient, run: RunRow, state: ExecutorState): Promise<void> {
    const { rowCount } = await tx.query(
      `UPDATE run SET executor = $3, executor_state = executor_state || $4::jsonb, lease_owner = $5,
         lease_until = clock_timestamp() + $6 * interval '1 second' WHERE id = $1 AND fencing_number = $2`,
      [run.id, run.fencingNumber, executor.kind, JSON.stringify(state), executor.place, LEASE_SECONDS],
    );
    if (rowCount !== 1) throw new Error('the run was taken over by another process');
  }

  async function gather(run: RunRow, phase: Phase): Promise<{ work: TerraformWork; sensitive: string[] }> {
    const found = await tenant(run, async (tx) => ({
      workspace: await getWorkspace(tx, run.workspaceId),
      configuration: await getConfigurationVersion(tx, run.configurationVersionId),
      given: await variablesOf(tx, vault, run),
      phases: await phasesOf(tx, run.id),
    }));
    const { workspace, configuration, given, phases } = found;
    // It holds secrets of its own.
    const state = run.trusted ? await tenant(run, (tx) => currentStateVersion(tx, run.workspaceId)) : undefined;
    if (workspace === undefined || configuration?.blobId == null)
      throw new ForgewayError(
        'FORGEWAY_RUN_FAILED',
        'The configuration of this run is not kept any more. Start another run.',
      );
    const read = (id: string) => blobs.readAll(run.organizationId, id);
    const executorState = run.executorState as ExecutorState;
    const common = {
      id: workOf(run, phase),
      configuration: {
        archive: blobs.read(run.organizationId, configuration.blobId),
        stripRoot: configuration.source === 'vcs',
        workingDirectory:
          phase === 'plan' ? workspace.workingDirectory : (executorState.directory ?? workspace.workingDirectory),
      },
      state: state?.stateBlobId == null ? null : await read(state.stateBlobId),
      variables: given.variables,
      version: run.terraformVersion,
      untrusted: !run.trusted,
    };
    if (phase === 'plan') {
      const options = {
        destroy: run.isDestroy,
        refresh: run.refresh,
        refreshOnly: run.refreshOnly,
        targets: run.targetAddrs,
        replace: run.replaceAddrs,
      };
      return { work: { ...common, do: { phase, options, withSchemas: run.savePlan } }, sensitive: given.sensitive };
    }
    if (phases.plan.planBlobId === null)
      throw new ForgewayError('FORGEWAY_RUN_FAILED', 'The plan of this run is not kept any more. Start another run.');
    const { lockFile = null } = executorState;
    const plan = await read(phases.plan.planBlobId);
    return { work: { ...common, do: { phase, plan, lockFile } }, sensitive: given.sensitive };
  }

  async function begin(run: RunRow, phase: Phase, row: PhaseRow, signal: AbortSignal): Promise<void> {
    const { work } = await gather(run, phase);
    const place = phase === 'plan' ? { directory: work.configuration.workingDirectory } : {};
    await tenant(run, async (tx) => {
      await note(tx, run, { phase, begun: false, host: executor.place, position: null, ...place });
      await updatePhase(tx, row.id, { status: 'running', startedAt: row.startedAt ?? clock.now() });
    });
    const { version } = await executor.start(work, signal);
    await tenant(run, async (tx) => {
      await note(tx, run, { begun: true });
      // A plan is applied by what has made it.
      if (version !== null) await tx.query('UPDATE run SET terraform_version = $2 WHERE id = $1', [run.id, version]);
    });
  }

  /** Moves on what was printed since; the place and the lines are written together, so that none is lost or there twice. */
  async function copyLog(run: RunRow, phase: Phase, row: PhaseRow, isOver: boolean, hide: (text: string) => string) {
    const state = run.executorState as ExecutorState;
    for (;;) {
      const page = await executor.log(workOf(run, phase), state.position ?? undefined, isOver);
      const gap = page.gap ? ['[Lines are missing here: they came faster than they could be kept.]'] : [];
      const lines = [...gap, ...page.lines];
      if (lines.length > 0 || page.next?.offset !== state.position?.offset) {
        const bytes = Buffer.from(lines.length === 0 ? '' : `${redactAll(hide(lines.join('\n')))}\n`, 'utf8');
        await tenant(run, async (tx) => {
          await note(tx, run, { position: page.next });
          await appendLog(tx, row.id, bytes);
        });
        state.position = page.next;
      }
      if (!page.more) return;
    }
  }

  async function keepLease(run: RunRow): Promise<void> {
    await tenant(run, (tx) => note(tx, run, {}));
  }

  /**
   * Makes what an apply has left the workspace's state; the same again changes nothing, so this may come before the end is
   * written down. Answers why it could not be kept, for a person.
   */
  async function keepState(run: RunRow, bytes: Uint8Array | null): Promise<string | undefined> {
    if (bytes === null) return undefined;
    const { organizationId, workspaceId, id: runId, createdBy: by } = run;
    try {
      await saveState({ store, blobs }, { organizationId, workspaceId, runId, bytes, by });
      return undefined;
    } catch (error) {
      if (!(error instanceof ForgewayError) || error.retry !== 'never') throw error;
      return `What it has made is not in the state: ${error.message}`;
    }
  }

  /**
   * Why what an apply has made is not in the state, although Terraform succeeded; undefined: it is. To be asked once the state is
   * kept: a plan with changes leaves a version of its own.
   */
  async function stateStayed(run: RunRow): Promise<string | undefined> {
    const { plan, current } = await tenant(run, async (tx) => ({
      plan: (await phasesOf(tx, run.id)).plan,
      current: await currentStateVersion(tx, run.workspaceId),
    }));
    if (plan.hasChanges !== true || current?.runId === run.id) return undefined;
    return 'The plan had changes, and its apply has left the state as it was: what it made is in no state here. Look for a backend, or an option such as -state-out in a variable, that leads elsewhere.';
  }

  /** Nobody should build upon a state that may not tell everything that was made. */
  async function lockBehind(tx: PoolClient, run: RunRow): Promise<void> {
    await tx.query('UPDATE workspace SET locked_by_run_id = $2, updated_at = now() WHERE id = $1', [
      run.workspaceId,
      run.id,
    ]);
  }

  async function conclude(
    run: RunRow,
    row: PhaseRow,
    event: RunEvent,
    o2: { reason?: string; change?: Parameters<typeof updatePhase>[2]; more?: (tx: PoolClient) => Promise<void> },
  ): Promise<Moved> {
    return tenant(run, async (tx) => {
      // Whoever holds a run and its workspace holds the workspace first.
      await tx.query('SELECT FROM workspace WHERE id = $1 FOR UPDATE', [run.workspaceId]);
      const moved = await reportRun(tx, run.id, event, { fencingNumber: run.fencingNumber, reason: o2.reason });
      if (!('to' in moved.outcome)) throw new Error('the run was taken over by another process, or moved on');
      await updatePhase(tx, row.id, { finishedAt: clock.now(), ...o2.change });
      await o2.more?.(tx);
      await closeLog(tx, row.id);
      await tx.query('UPDATE run SET lease_owner = NULL, lease_until = NULL WHERE id = $1', [run.id]);
      return moved;
    });
  }

  async function record(run: RunRow, row: PhaseRow, end: TerraformEnd, hide: (text: string) => string): Promise<Moved> {
    const asked = run.cancelRequestedAt !== null;
    switch (end.kind) {
      case 'planned': {
        const write = (kind: 'plan' | 'plan-json' | 'plan-shown', bytes: Uint8Array) =>
          blobs.write(run.organizationId, kind, [bytes], { limit: PLAN_LIMIT });
        const [plan, json] = [await write('plan', end.plan), await write('plan-json', end.json)];
        const toShow =
          end.schemas == null ? undefined : shownPlan(end.json, end.schemas, (text) => redactAll(hide(text)));
        const isShown = toShow !== undefined && toShow.length <= PLAN_LIMIT;
        const shown = isShown ? (await write('plan-shown', toShow)).id : null;
        const { summary } = end;
        return conclude(
          run,
          row,
          { kind: 'planned', hasChanges: summary.hasChanges },
          {
            change: {
              status: 'finished',
              hasChanges: summary.hasChanges,
              resourceAdditions: summary.additions,
              resourceChanges: summary.changes,
              resourceDestructions: summary.destructions,
              resourceImports: summary.imports,
              changes: summary.resources
                .slice(0, CHANGES)
                .map((one) => ({ ...one, provider: null, actions: [...one.actions] })),
              planBlobId: plan.id,
              jsonBlobId: json.id,
              shownBlobId: shown,
            },
            async more(tx) {
              await tx.query('UPDATE run_phase SET rendered = $2 WHERE id = $1', [
                row.id,
                redactAll(hide(end.text)).slice(0, RENDERED),
              ]);
              await tx.query(
                `UPDATE run SET executor_state = executor_state || jsonb_build_object('lockFile', $2::text) WHERE id = $1`,
                [run.id, end.lockFile],
              );
            },
          },
        );
      }
      case 'applied': {
        const lost = (await keepState(run, end.state)) ?? (await stateStayed(run));
        if (lost === undefined) return conclude(run, row, { kind: 'applied' }, { change: { status: 'finished' } });
        return conclude(
          run,
          row,
          { kind: 'failed' },
          { reason: lost, change: { status: 'errored' }, more: (tx) => lockBehind(tx, run) },
        );
      }
      case 'failed': {
        const lost = await keepState(run, end.state);
        const reason = lost ?? (asked ? await canceled(run) : end.reason);
        return conclude(
          run,
          row,
          { kind: asked ? 'stopped' : 'failed' },
          {
            reason,
            change: { status: asked ? 'canceled' : 'errored' },
            more: async (tx) => (lost === undefined ? undefined : lockBehind(tx, run)),
          },
        );
      }
      case 'vanished': {
        await keepState(run, end.state);
        const applying = row.phase === 'apply';
        const found = end.reason ?? `What executed the ${row.phase} is gone before it ended.`;
        const what = `${found} ${applying ? 'Look at what it has made, then unlock the workspace.' : 'Start another run.'}`;
        return conclude(
          run,
          row,
          { kind: asked ? 'stopped' : 'vanished' },
          {
            reason: asked && !applying ? await canceled(run) : what,
            change: { status: asked ? 'canceled' : 'errored' },
            more: async (tx) => (applying ? lockBehind(tx, run) : undefined),
          },
        );
      }
    }
  }

  /** Waits until nothing of it runs any more, and copies what it prints. */
  async function watch(run: RunRow, phase: Phase, row: PhaseRow, hide: (text: string) => string, signal: AbortSignal) {
    const asked = run.cancelRequestedAt?.getTime();
    const times = { interrupted: 0, leased: Date.now() };
    for (;;) {
      const look = await executor.look(workOf(run, phase));
      if (look === 'absent') return;
      await copyLog(run, phase, row, look === 'over', hide);
      if (look === 'over') return;
      const now = Date.now();
      if (asked !== undefined && now - times.interrupted > INTERRUPT_EVERY_MS) {
        await executor.interrupt(workOf(run, phase));
        times.interrupted = now;
      }
      if (asked !== undefined && phase === 'plan' && now - asked > (o.patienceMs ?? PATIENCE_MS)) return;
      if (now - times.leased > (LEASE_SECONDS * 1_000) / 6) {
        await keepLease(run);
        times.leased = now;
      }
      await pause(o.pollMs ?? executor.pollMs ?? POLL_MS, signal);
      signal.throwIfAborted();
    }
  }

  return {
    /** Begins a phase, or goes on with one that was begun, to its end. Rejects when it is to be tried again. */
    async follow(run: RunRow, phase: Phase, signal: AbortSignal): Promise<Followed> {
      const state = run.executorState as ExecutorState;
      const same = state.phase === phase;
      if (same && state.host !== undefined && state.host !== executor.place) {
        const alive = run.leaseUntil !== null && run.leaseUntil > clock.now();
        if (alive) return { elsewhere: state.host };
        const { plan, apply } = await tenant(run, (tx) => phasesOf(tx, run.id));
        return record(
          run,
          phase === 'plan' || apply === undefined ? plan : apply,
          { kind: 'vanished', state: null },
          String,
        );
      }
      const phases = await tenant(run, (tx) => phasesOf(tx, run.id));
      const row = phase === 'plan' ? phases.plan : phases.apply;
      if (row === undefined) throw new ForgewayError('FORGEWAY_RUN_FAILED', 'A run that is a plan only has no apply.');
      const { sensitive } = await tenant(run, (tx) => variablesOf(tx, vault, run));
      const hide = hiderOf(sensitive);
      const work = workOf(run, phase);
      if ((await executor.look(work)) === 'absent') {
        if (same && state.begun === true) return record(run, row, { kind: 'vanished', state: null }, hide);
        if (run.cancelRequestedAt !== null) {
          const reason = await canceled(run);
          return conclude(run, row, { kind: 'stopped' }, { reason, change: { status: 'canceled' } });
        }
        try {
          await begin(run, phase, row, signal);
        } catch (error) {
          if (signal.aborted || !(error instanceof ForgewayError) || error.retry !== 'never') throw error;
          return conclude(run, row, { kind: 'failed' }, { reason: error.message, change: { status: 'errored' } });
        }
        run.executorState = { ...state, phase, begun: true, host: executor.place, position: null };
      }
      await watch(run, phase, row, hide, signal);
      let end: TerraformEnd;
      try {
        // Of a pull request nobody has agreed to anything yet: it takes what the branch has, and leaves nothing for it.
        const keepsProviders = run.trusted && run.vcsPullRequestNumber === null;
        end = await executor.end(work, { phase, keepsProviders });
      } catch (error) {
        if (!(error instanceof ForgewayError) || error.retry !== 'never') throw error;
        end = { kind: 'failed', reason: error.message, state: null };
      }
      await copyLog(run, phase, row, true, hide);
      const moved = await record(run, row, end, hide);
      await executor.remove(work);
      return moved;
    },

    /** After an end that was not waited for: keeps the state that an apply has left, and leaves nothing else. */
    async cleanUp(run: RunRow): Promise<void> {
      const state = run.executorState as ExecutorState;
      if (state.phase === undefined || (state.host !== undefined && state.host !== executor.place)) return;
      const work = workOf(run, state.phase);
      if (state.phase === 'apply' && run.status !== 'applied' && (await executor.look(work)) !== 'absent') {
        const end = await executor.end(work, { phase: 'apply', keepsProviders: false });
        await keepState(run, end.kind === 'planned' ? null : end.state);
        await tenant(run, async (tx) => {
          await tx.query('SELECT FROM workspace WHERE id = $1 FOR UPDATE', [run.workspaceId]);
          await lockBehind(tx, run);
        });
      }
      await executor.remove(work);
      await executor.remove(workOf(run, 'plan'));
    },
  };
}

export type Execution = ReturnType<typeof createExecution>;
