/** The whole way with a job on a cluster: asked by a comment, answered by one, its pull request opened; stopped, and lost. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openClusterRunner } from '../../src/effects/agents/cluster-runner.js';
import { agentDefinition } from '../../src/effects/agents/definition.js';
import { createRoutedRunner } from '../../src/effects/agents/routed-runner.js';
import type { AgentRunner } from '../../src/effects/agents/runner.js';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { createRandom } from '../chaos/random.js';
import { type ClusterForJobs, openClusterForJobs } from '../support/cluster-jobs.js';
import { fakedForges } from '../support/connected-forge.js';
import { resourceOf } from '../support/kubernetes-api/objects.js';
import { loopback } from '../support/loopback.js';
import { planning } from '../support/planned-agents.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');
let rig: AgentRig;
let cluster: ClusterForJobs;
let directory: string;
/** As another process opens it, which knows nothing of the one before. */
let open: () => Promise<AgentRunner>;
let runner: AgentRunner | undefined;
const LINES = 200;
/** Prints as many lines as it is told, some at once and some alone. */
const PRINTS = `let at = 0; const tick = () => { for (let n = at % 7; n >= 0 && at < ${LINES}; n--)
  console.log(JSON.stringify({ type: 'message', text: 'line ' + ++at }));
  if (at < ${LINES}) setTimeout(tick, 60); else { console.log('{"type":"done"}'); process.exit(0); } }; tick();`;

beforeAll(async () => {
  if (forge === undefined) throw new Error('there is no fake to run on');
  directory = await mkdtemp(join(tmpdir(), 'forgeway-cluster-story-'));
  const script = await readFile(fileURLToPath(new URL('../support/scripted-agent.mjs', import.meta.url)), 'utf8');
  const definition = agentDefinition.parse({
    ...{ name: 'scripted', command: ['node', '--input-type=module', '-e', script] },
    ...{ image: 'registry.example.com/agent:1', limits: { diskMb: 64, memoryMb: 256 } },
  });
  const printer = agentDefinition.parse({ ...definition, name: 'printer', command: ['node', '-e', PRINTS] });
  const limits = { seconds: 600, tokens: null, costMicros: null };
  cluster = await openClusterForJobs();
  // The runner needs the database, which comes with the rig.
  rig = await startAgentRig(forge, {
    runner: new Proxy({} as AgentRunner, { get: (_, key) => Reflect.get(runner as AgentRunner, key) }),
    planned: planning([definition, printer].map((one) => ({ definition: one, limits }))),
    files: {
      'README.md': 'A shop\n',
      'agent-script.json': JSON.stringify([
        ['say', 'I look at it.'],
        ['ask', 'Which colour?'],
        ['write', 'shed.txt', 'painted\n'],
        ['done', 'Paint the shed'],
      ]),
    },
  });
  await cluster.serve(rig.store);
  open = async () =>
    createRoutedRunner({
      worktree: undefined,
      kubernetes: await openClusterRunner({
        ...{ jobs: cluster.jobsOn(rig.store), directory: join(directory, 'agents'), outbound: loopback },
        mirrors: createGitMirrors({ directory: join(directory, 'git'), outbound: loopback }),
      }),
    });
  runner = await open();
});
afterAll(async () => {
  await rig?.close();
  await cluster?.close();
  await rm(directory, { recursive: true, force: true });
});

async function asked(title: string): Promise<number> {
  const number = await rig.as('carol').openIssue({ title });
  await rig.quiet();
  await rig.as('dave').comment(number, '/assign-agent');
  await rig.until('it asks', async () => (await rig.sessions()).at(-1)?.status === 'blocked');
  return number;
}

it('asks, goes on while its worker dies, and comes back with its work', async () => {
  const number = await asked('Paint the shed');
  await rig.restart();
  await rig.as('dave').comment(number, '/reply green');
  await rig.until('its work is there', async () => (await rig.sessions())[0]?.status === 'in_review');
  const [session] = await rig.sessions();
  expect(await rig.fake.readFile(place, session?.branch ?? '', 'answer.txt')).toBe('green\n');
  const { pullRequests } = await rig.fake.state(place);
  expect(pullRequests).toMatchObject([{ title: 'Paint the shed', draft: true, base: 'main', head: session?.branch }]);
  expect(await rig.record(session?.id ?? '')).toEqual([
    ...['leased', '>provisioning', 'started', '>running', 'message', 'message', 'question', '>blocked'],
    ...['reply', '>running', 'message', 'diff', 'done', '>pushing', 'pushed', 'pr.created', '>in_review'],
  ]);
  expect(await rig.rows('SELECT runner FROM agent_session')).toEqual([{ runner: 'kubernetes' }]);
});

it('is stopped for certain before its lease is free, and says why when it was lost', async () => {
  const before = cluster.namespaces();
  const number = await asked('Paint the door');
  const [name = ''] = cluster.namespaces().filter((one) => !before.includes(one));
  cluster.api.kubelet.unreachable.add(name);
  await rig.as('dave').comment(number, '/cancel');
  await rig.until('it is being removed', async () => {
    const namespace = cluster.api.store.get('Namespace', undefined, name);
    return namespace?.metadata.deletionTimestamp !== undefined;
  });
  expect((await rig.sessions()).at(-1)).toMatchObject({ lease_held: true });
  expect(cluster.api.kubelet.processes(name).length).toBeGreaterThan(0);
  cluster.api.kubelet.unreachable.clear();
  cluster.api.store.change('Pod', name, cluster.api.store.list('Pod', name)[0]?.metadata.name ?? '', ({ metadata }) => {
    metadata.annotations = { answers: 'again' };
  });
  await rig.until('it is over', async () => {
    const last = (await rig.sessions()).at(-1);
    return last?.status === 'cancelled' && !last.lease_held;
  });
  expect(cluster.namespaces()).not.toContain(name);

  await asked('Paint the fence');
  const [lost = ''] = cluster.namespaces().filter((one) => !before.includes(one));
  cluster.api.store.delete(resourceOf('Namespace'), undefined, lost);
  await rig.until('it has failed', async () => (await rig.sessions()).at(-1)?.status === 'failed');
  expect((await rig.sessions()).at(-1)?.failure).toMatch(/the agent (was deleted|is gone)|of the agent was deleted/);
});

it('writes each line down once, in order, although its workers end again and again', async () => {
  const number = await rig.as('carol').openIssue({ title: 'Print' });
  await rig.quiet();
  await rig.as('dave').comment(number, '/assign-agent printer');
  const newest = async () => (await rig.sessions()).at(-1);
  await rig.until('it works', async () => ['running', 'completed'].includes((await newest())?.status ?? ''));
  const random = createRandom(3);
  for (let at = 0; at < 20; at += 1) {
    await sleep(random.between(0, 200));
    runner = await open();
    await rig.restart();
  }
  await rig.until('it is over', async () => (await newest())?.status === 'completed');
  const lines = await rig.rows<{ text: string }>(
    `SELECT data ->> 'text' AS text FROM session_event WHERE session_id = $1 AND kind = 'message' ORDER BY sequence`,
    [(await newest())?.id],
  );
  expect(lines.map(({ text }) => text)).toEqual(Array.from({ length: LINES }, (_, at) => `line ${at + 1}`));
});
