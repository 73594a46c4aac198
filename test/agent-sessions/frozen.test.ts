/** A worker that is frozen, by a debugger, a hypervisor or a full disk, and keeps its connections: people can stop what it had begun. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openStore, type Store } from '../../src/store/database.js';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');

let rig: AgentRig;
/** Of its own: the few connections of the worker are busy waiting. */
let store: Store;
let frozen: ChildProcess | undefined;
beforeAll(async () => {
  if (forge === undefined) throw new Error('there is no fake to run on');
  rig = await startAgentRig(forge);
  store = openStore(rig.database, 'worker', { max: 2 });
});
afterAll(async () => {
  frozen?.kill('SIGKILL');
  await store?.close();
  await rig?.close();
});

it('is stopped by a comment while the process that has its turn and its row is frozen', async () => {
  rig.plays(async (agent) => void (await agent.hear()));
  const number = await rig.as('bob').openIssue({ title: 'Frozen' });
  await rig.quiet();
  await rig.as('bob').comment(number, '/assign-agent');
  const session = async () => {
    const { rows } = await store.tenant(rig.organizationId, (tx) =>
      tx.query<{ id: string; status: string; lease_held: boolean }>('SELECT id, status, lease_held FROM agent_session'),
    );
    return rows[0];
  };
  await rig.until('it works', async () => (await session())?.status === 'running');

  const hold = {
    config: rig.database.poolConfig('worker'),
    ...{ organizationId: rig.organizationId, sessionId: (await session())?.id, silenceMs: 3_000 },
  };
  frozen = spawn(process.execPath, ['--import', 'tsx', 'test/agent-sessions/frozen-process.ts'], {
    ...{ env: { ...process.env, HOLD: JSON.stringify(hold) }, stdio: ['ignore', 'pipe', 'inherit'] },
  });
  if (frozen.stdout === null) throw new Error('it says nothing');
  await once(frozen.stdout, 'data');
  frozen.kill('SIGSTOP');

  await rig.as('bob').comment(number, '/cancel');
  await rig.until('it is over', async () => (await session())?.status === 'cancelled');
  await rig.until('it has let go', async () => (await session())?.lease_held === false);
  expect(rig.runner.running()).toEqual([]);
  expect((await rig.record((await session())?.id ?? '')).slice(-2)).toEqual(['stop', '>cancelled']);
});
