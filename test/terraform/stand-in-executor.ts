/** Does what an executor does to the rows of runs, with one resource and no Terraform: for tests of who asks. */
import { createBlobs } from '../../src/accounts/blobs.js';
import { createVault } from '../../src/accounts/vault.js';
import { saveState } from '../../src/accounts/workspace-state.js';
import { reportRun } from '../../src/jobs/run/move.js';
import type { RunEvent } from '../../src/jobs/run/state.js';
import { appendLog, closeLog } from '../../src/store/workspace/run-log.js';
import { type PhaseName, phasesOf, type RunRow, unfinishedRuns, updatePhase } from '../../src/store/workspace/runs.js';
import { currentStateVersion } from '../../src/store/workspace/state-versions.js';
import { TEST_KEYS, type TestDatabase } from '../support/database.js';

/** The command line leaves out the first three lines of an apply's log: they say again what the plan's did. */
const HEAD = 'Terraform v1.11.4\non linux_amd64\nInitializing plugins and modules...\n';

export const PLAN_TEXT = 'Terraform used the selected providers.\n\nPlan: 1 to add, 0 to change, 0 to destroy.\n';
export const APPLY_TEXT = 'Apply complete! Resources: 1 added, 0 changed, 0 destroyed.\n';

export const stateFile = (serial: number): Buffer =>
  Buffer.from(
    JSON.stringify({
      version: 4,
      terraform_version: '1.11.4',
      serial,
      lineage: '6b1e5f0a-0000-4000-8000-000000000000',
      outputs: { greeting: { value: 'hello', type: 'string' } },
      resources: [
        {
          mode: 'managed',
          type: 'terraform_data',
          name: 'one',
          provider: 'provider["terraform.io/builtin/terraform"]',
          instances: [
            { schema_version: 0, attributes: { id: 'x', input: null, output: null, triggers_replace: null } },
          ],
        },
      ],
      check_results: null,
    }),
  );

export interface StandIn {
  stop(): Promise<void>;
}

/** Works on every run of the organization until it is stopped. */
export function startStandIn(db: TestDatabase, organizationId: string): StandIn {
  const store = db.store('worker');
  const states = { store, blobs: createBlobs({ store, vault: createVault(TEST_KEYS.versions) }) };
  const report = (run: RunRow, event: RunEvent) =>
    store.tenant(organizationId, (tx) => reportRun(tx, run.id, event, {}));

  async function print(run: RunRow, phase: PhaseName, text: string): Promise<void> {
    const { plan, apply } = await store.tenant(organizationId, (tx) => phasesOf(tx, run.id));
    const row = phase === 'plan' ? plan : apply;
    if (row === undefined) throw new Error('the run has no such phase');
    await store.tenant(organizationId, async (tx) => {
      await updatePhase(tx, row.id, { status: 'running', startedAt: new Date() });
      await appendLog(tx, row.id, Buffer.from(`${HEAD}${text}`));
      await closeLog(tx, row.id);
      const counts = { resourceAdditions: 1, resourceChanges: 0, resourceDestructions: 0, resourceImports: 0 };
      const hasChanges = phase === 'plan' ? { hasChanges: true } : {};
      await updatePhase(tx, row.id, { status: 'finished', finishedAt: new Date(), ...counts, ...hasChanges });
    });
  }

  async function step(run: RunRow): Promise<void> {
    if (run.status === 'pending') {
      await report(run, { kind: 'turn' });
      await report(run, { kind: 'fetched' });
      await print(run, 'plan', PLAN_TEXT);
      await report(run, { kind: 'planned', hasChanges: true });
    } else if (run.status === 'confirmed') {
      await report(run, { kind: 'apply-started' });
      await print(run, 'apply', APPLY_TEXT);
      const before = await store.tenant(organizationId, (tx) => currentStateVersion(tx, run.workspaceId));
      const serial = Number(before?.serial ?? 0n) + 1;
      const { organizationId: of, workspaceId, id: runId } = run;
      await saveState(states, { organizationId: of, workspaceId, runId, bytes: stateFile(serial), by: 'forgeway' });
      await report(run, { kind: 'applied' });
    }
  }

  const ended = { now: false };
  const loop = (async () => {
    while (!ended.now) {
      const runs = await store.tenant(organizationId, (tx) => unfinishedRuns(tx));
      // Not those that a test has put there by hand.
      for (const run of runs) if (/^(?:user|machine):/.test(run.createdBy)) await step(run);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    async stop() {
      ended.now = true;
      await loop;
    },
  };
}
