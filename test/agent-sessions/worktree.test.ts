/** The whole way with a process in a sandbox: asked by a comment, answered by one, its pull request opened. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { agentDefinition } from '../../src/effects/agents/definition.js';
import { probeSandbox } from '../../src/effects/process/sandbox.js';
import { runnerAt } from '../support/agent-rig.js';
import { fakedForges } from '../support/connected-forge.js';
import { planning } from '../support/planned-agents.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');
const probe = await probeSandbox({ unsafeSameUser: false }).catch(() => undefined);
const { skip } = it;
/** Where nothing keeps an agent from this machine, none is run. */
const whenIsolated = probe?.network ? it : skip;

let rig: AgentRig | undefined;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'forgeway-agent-story-'));
  await chmod(directory, 0o711);
  if (forge === undefined || !probe?.network) return;
  const script = await readFile(fileURLToPath(new URL('../support/scripted-agent.mjs', import.meta.url)), 'utf8');
  const definition = agentDefinition.parse({
    ...{ name: 'scripted', command: ['node', '--input-type=module', '-e', script] },
  });
  rig = await startAgentRig(forge, {
    runner: await runnerAt(directory, probe),
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
  await rm(directory, { recursive: true, force: true });
});

whenIsolated('asks, goes on while its worker dies, and comes back with its work', async () => {
  if (rig === undefined) throw new Error('there is no fake to run on');
  const { fake, until, sessions, as, said } = rig;
  const number = await as('carol').openIssue({ title: 'Paint the shed' });
  await rig.quiet();
  await as('dave').comment(number, '/assign-agent');
  await until('it asks', async () => (await sessions())[0]?.status === 'blocked');
  await until('the question is told', async () => (await said(number)).some((body) => body.includes('/reply')));
  await rig.restart();
  await as('dave').comment(number, '/reply green');
  await until('its work is there', async () => (await sessions())[0]?.status === 'in_review');
  const [session] = await sessions();
  expect(await fake.readFile(place, session?.branch ?? '', 'shed.txt')).toBe('painted\n');
  expect(await fake.readFile(place, session?.branch ?? '', 'answer.txt')).toBe('green\n');
  const { pullRequests } = await fake.state(place);
  expect(pullRequests).toMatchObject([{ title: 'Paint the shed', draft: true, base: 'main', head: session?.branch }]);
  expect(await rig.record(session?.id ?? '')).toEqual([
    ...['leased', '>provisioning', 'started', '>running', 'message', 'message', 'question', '>blocked'],
    ...['reply', '>running', 'message', 'diff', 'done', '>pushing', 'pushed', 'pr.created', '>in_review'],
  ]);
});
