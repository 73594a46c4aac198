/**
 * A worker for tests to kill: takes a session on a cluster from its start to its end, step by step, and keeps what it knows in one file,
 * as a worker does in one row. Says each step before it takes it.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PoolConfig } from 'pg';
import { openClusterRunner } from '../../src/effects/agents/cluster-runner.js';
import type { AgentPush, AgentResultRequest, AgentStart } from '../../src/effects/agents/runner.js';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { openStore } from '../../src/store/database.js';
import { clusterAt, jobsAt } from '../support/cluster-jobs.js';
import { loopback } from '../support/loopback.js';

export interface WorkerTask {
  config: PoolConfig;
  kubeconfig: string;
  url: string;
  directory: string;
  spec: AgentStart;
  request: AgentResultRequest;
  source: AgentPush['source'];
}

export interface WorkerState {
  step: 'start' | 'follow' | 'result' | 'push' | 'remove' | 'done';
  cursor: number;
  lines: string[];
  commit: string;
}

const task = JSON.parse(await text(process.stdin)) as WorkerTask;
const { spec, directory } = task;
const path = join(directory, 'state.json');
const store = openStore({ poolConfig: () => task.config, keyCheck: '' }, 'worker');
const runner = await openClusterRunner({
  jobs: jobsAt({ store, cluster: clusterAt(task.kubeconfig), url: task.url }),
  ...{ directory: join(directory, 'agents'), outbound: loopback },
  mirrors: createGitMirrors({ directory: join(directory, 'git'), outbound: loopback }),
});
const state: WorkerState = await readFile(path, 'utf8').then(JSON.parse, () => ({
  ...{ step: 'start', cursor: 0, lines: [], commit: '' },
}));
async function keep(change: Partial<WorkerState>): Promise<void> {
  Object.assign(state, change);
  await writeFile(`${path}.next`, JSON.stringify(state));
  await rename(`${path}.next`, path);
}

const steps: Record<Exclude<WorkerState['step'], 'done'>, () => Promise<void>> = {
  async start() {
    await runner.start(spec);
    await keep({ step: 'follow' });
  },
  async follow() {
    const { state: now } = await runner.observe(spec);
    const page = await runner.read(spec, state.cursor, 20);
    const lines = page.events.map(({ event }) => ('text' in event ? event.text : event.type));
    if (page.next !== state.cursor) await keep({ cursor: page.next, lines: [...state.lines, ...lines] });
    else if (now === 'exited') await keep({ step: 'result' });
    else if (now === 'vanished' || now === 'absent') throw new Error(`it is ${now}`);
    else await sleep(50);
  },
  async result() {
    await runner.stop(spec, { keeps: true });
    const result = await runner.result(spec, { ...task.request, date: new Date(task.request.date) });
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    await keep({ step: 'push', commit: result.commit });
  },
  async push() {
    const { source } = task;
    const given = { source, branch: spec.repository.branch, commit: state.commit, expected: null };
    if ((await runner.push(spec, given)) !== 'pushed') throw new Error('somebody else has pushed');
    await keep({ step: 'remove' });
  },
  async remove() {
    await runner.remove(spec);
    await keep({ step: 'done' });
  },
};

let said = '';
for (let failures = 0; state.step !== 'done'; ) {
  const { step } = state;
  if (step !== said) process.stdout.write(`${step}\n`);
  said = step;
  try {
    await steps[step]();
  } catch (error) {
    failures += 1;
    process.stderr.write(`${step}: ${String(error)}\n`);
    if (failures > 100) process.exit(1);
    await sleep(200);
  }
}
process.exit(0);
