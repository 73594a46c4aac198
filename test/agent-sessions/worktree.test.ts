/** The whole way with a process in a sandbox: asked by a comment, answered by one, its pull request opened. */
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { agentDefinition } from '../../src/effects/agents/definition.js';
import type { AgentRunner } from '../../src/effects/agents/runner.js';
import type { GitSource } from '../../src/effects/git/mirror.js';
import { listProcesses } from '../../src/effects/process/process-table.js';
import { probeSandbox } from '../../src/effects/process/sandbox.js';
import { runnerAt } from '../support/agent-rig.js';
import { fakedForges } from '../support/connected-forge.js';
import { type HangingServer, startHangingServer } from '../support/hanging-server.js';
import { planning } from '../support/planned-agents.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');
const probe = await probeSandbox({ unsafeSameUser: false }).catch(() => undefined);
const { skip } = it;
/** Where nothing keeps an agent from this machine, none is run. */
const whenIsolated = probe?.network ? it : skip;

let rig: AgentRig | undefined;
let hanging: HangingServer;
/** Verbs for which git is led to a server that never answers. */
let hangs: readonly ('start' | 'push')[] = [];
let directory: string;
/** A runner whose git may be led astray. */
const astray = (runner: AgentRunner): AgentRunner => ({
  ...runner,
  // Of a repository that nothing is here of yet.
  start: ({ repository, ...spec }, signal) => {
    const own = hangs.includes('start')
      ? { ...repository, id: randomUUID(), source: led(repository.source) }
      : repository;
    return runner.start({ ...spec, repository: own }, signal);
  },
  push: (ref, push, signal) =>
    runner.push(ref, hangs.includes('push') ? { ...push, source: led(push.source) } : push, signal),
});
const led = (source: GitSource): GitSource => ({ ...source, url: `${hanging.url}/acme/shop.git`, origin: hanging.url });

beforeAll(async () => {
  hanging = await startHangingServer();
  directory = await mkdtemp(join(tmpdir(), 'forgeway-agent-story-'));
  await chmod(directory, 0o711);
  if (forge === undefined || !probe?.network) return;
  const script = await readFile(fileURLToPath(new URL('../support/scripted-agent.mjs', import.meta.url)), 'utf8');
  const definition = agentDefinition.parse({
    ...{ name: 'scripted', command: ['node', '--input-type=module', '-e', script] },
  });
  rig = await startAgentRig(forge, {
    runner: astray(await runnerAt(directory, probe)),
    planned: planning([{ definition, limits: { seconds: 600, tokens: null, costMicros: null } }]),
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
});
afterAll(async () => {
  await rig?.close();
  await hanging?.close();
  await rm(directory, { recursive: true, force: true });
});

whenIsolated('is stopped at once while git hangs', async () => {
  if (rig === undefined) throw new Error('there is no fake to run on');
  const { until, sessions, as } = rig;
  const newest = async () => (await sessions()).at(-1);
  const isOver = async () => {
    const session = await newest();
    return session?.status === 'cancelled' && !session.lease_held;
  };
  try {
    hangs = ['start'];
    const number = await as('carol').openIssue({ title: 'Hangs' });
    await rig.quiet();
    await as('dave').comment(number, '/assign-agent');
    await until('git waits for the forge', async () => (await hanging.callers()).length > 0);
    await as('dave').comment(number, '/cancel');
    await until('it is over', isOver);
    expect(await hanging.callers()).toEqual([]);

    hangs = ['push'];
    await as('dave').comment(number, '/assign-agent');
    await until('it asks', async () => (await newest())?.status === 'blocked');
    await as('dave').comment(number, '/reply green');
    await until('git waits for the forge', async () => (await hanging.callers()).length > 0);
    expect((await newest())?.status).toBe('pushing');
    await as('dave').comment(number, '/cancel');
    await until('it is over', isOver);
    expect(await hanging.callers()).toEqual([]);
  } finally {
    hangs = [];
  }
});

whenIsolated('asks, goes on while its worker dies, and comes back with its work', async () => {
  if (rig === undefined) throw new Error('there is no fake to run on');
  const { fake, until, sessions, as, said } = rig;
  const number = await as('carol').openIssue({ title: 'Paint the shed' });
  await rig.quiet();
  await as('dave').comment(number, '/assign-agent');
  await until('it asks', async () => (await sessions()).at(-1)?.status === 'blocked');
  await until('the question is told', async () => (await said(number)).some((body) => body.includes('/reply')));
  await rig.restart();
  await as('dave').comment(number, '/reply green');
  await until('its work is there', async () => (await sessions()).at(-1)?.status === 'in_review');
  const session = (await sessions()).at(-1);
  expect(await fake.readFile(place, session?.branch ?? '', 'shed.txt')).toBe('painted\n');
  expect(await fake.readFile(place, session?.branch ?? '', 'answer.txt')).toBe('green\n');
  const { pullRequests } = await fake.state(place);
  expect(pullRequests).toMatchObject([{ title: 'Paint the shed', draft: true, base: 'main', head: session?.branch }]);
  expect(await rig.record(session?.id ?? '')).toEqual([
    ...['leased', '>provisioning', 'started', '>running', 'message', 'message', 'question', '>blocked'],
    ...['reply', '>running', 'message', 'diff', 'done', '>pushing', 'pushed', 'pr.created', '>in_review'],
  ]);
});

/** Processes that were started for a session, by what they have in their environment. */
async function processesOf(sessionId: string): Promise<number[]> {
  const found: number[] = [];
  for (const { pid } of await listProcesses()) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (environment.split('\0').includes(`FORGEWAY_SESSION=${sessionId}`)) found.push(pid);
  }
  return found;
}

whenIsolated(
  'fails in sight when what supervises it is killed, leaves nothing running, and is tried again',
  async () => {
    if (rig === undefined) throw new Error('there is no fake to run on');
    const { until, as, sessionsOf } = rig;
    const number = await as('carol').openIssue({ title: 'Paint the fence' });
    await rig.quiet();
    await as('dave').comment(number, '/assign-agent');
    const now = async () => (await sessionsOf(number)).at(-1);
    await until('it asks', async () => (await now())?.status === 'blocked');
    const { id = '' } = (await now()) ?? {};
    expect(await processesOf(id)).not.toEqual([]);
    const sandbox = await readFile(join(directory, 'agents', 'sandboxes', `agent-${id}`, 'sandbox.json'), 'utf8');
    process.kill((JSON.parse(sandbox) as { process: { pid: number } }).process.pid, 'SIGKILL');
    await until('it has failed', async () => {
      const session = await now();
      return session?.status === 'failed' && !session.lease_held;
    });
    expect((await now())?.failure).toBe('It ended without a result, and nobody had asked it to.');
    expect(await processesOf(id)).toEqual([]);
    await as('dave').comment(number, '/retry');
    await until(
      'it asks again',
      async () => (await sessionsOf(number)).length === 2 && (await now())?.status === 'blocked',
    );
    await as('dave').comment(number, '/reply green');
    await until('its work is there', async () => (await now())?.status === 'in_review');
    const { branches, pullRequests } = await rig.fake.state(place);
    const own = (await sessionsOf(number)).map(({ branch }) => branch);
    expect(branches.filter(({ name }) => own.includes(name))).toHaveLength(1);
    expect(pullRequests.filter(({ head }) => own.includes(head))).toHaveLength(1);
  },
);
