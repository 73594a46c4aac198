/** Programs that end after each turn and say then that they are done: a question is waited for, and what people say is told as the next turn. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { agentDefinition } from '../../src/effects/agents/definition.js';
import { probeSandbox } from '../../src/effects/process/sandbox.js';
import { runnerAt } from '../support/agent-rig.js';
import { fakedForges } from '../support/connected-forge.js';
import { planning } from '../support/planned-agents.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');
const probe = await probeSandbox({ unsafeSameUser: false }).catch(() => undefined);
const { skip } = describe;

/** What each prints when it has said something and its turn ends, in lines of the shell; `"$1"` is what it says. */
const PRINTS = {
  'claude-code': [
    `printf '{"type":"assistant","message":{"content":[{"type":"text","text":"%s"}]}}\\n' "$1"`,
    `printf '{"type":"result","subtype":"success","result":"%s","usage":{"input_tokens":1,"output_tokens":1}}\\n' "$1"`,
  ],
  codex: [
    `printf '{"type":"item.completed","item":{"id":"1","type":"agent_message","text":"%s"}}\\n' "$1"`,
    // It is read before the rest is there.
    'sleep 1.5',
    `printf '{"type":"turn.completed","usage":{"input_tokens":1,"output_tokens":1}}\\n'`,
  ],
  gemini: [
    `printf '{"type":"message","role":"assistant","content":"%s"}\\n' "$1"`,
    `printf '{"type":"result","status":"success","stats":{"input_tokens":1,"output_tokens":1}}\\n'`,
  ],
  opencode: [
    `printf '{"type":"text","part":{"text":"%s"}}\\n' "$1"`,
    `printf '{"type":"step_finish","part":{"reason":"stop"}}\\n'`,
  ],
} as const;
type Format = keyof typeof PRINTS;
const names = Object.keys(PRINTS) as Format[];

/** Asks in its first turn, or goes on until it is let; in each later one it writes down what it was told. */
const commandsOf = (format: Format) => {
  const says = `says() { ${PRINTS[format].join('; ')}; }`;
  const first =
    'if [ -e slow.txt ]; then until [ -e ../tmp/go ]; do sleep 0.05; done; says "Slowly done."; else says "QUESTION: Which colour?"; fi';
  const later = 'echo "$1" >>told.txt; says "It is done."';
  const script = (what: string) => ['sh', '-c', `cat >/dev/null; ${says}; ${what}`, 'sh'];
  return { command: script(first), resume: [...script(later), '{prompt}'] };
};

if (probe?.network) {
  describe.each(names)('%s', (format) => {
    let rig: AgentRig;
    let directory: string;
    beforeAll(async () => {
      if (forge === undefined) throw new Error('there is no fake to run on');
      directory = await mkdtemp(join(tmpdir(), 'forgeway-agent-turns-'));
      await chmod(directory, 0o711);
      const definition = agentDefinition.parse({ name: 'turns', format, ...commandsOf(format) });
      rig = await startAgentRig(forge, {
        runner: await runnerAt(directory, probe),
        planned: planning([{ definition, limits: { seconds: 600, tokens: null, costMicros: null } }]),
      });
    });
    afterAll(async () => {
      await rig?.close();
      await rm(directory, { recursive: true, force: true });
    });
    beforeEach(() => rig.rows('UPDATE command_sender SET given = 0'));

    it('waits for the answer to its question, and comes back with what it did then', async () => {
      const number = await rig.openIssue('Paint the shed');
      const now = async () => (await rig.sessionsOf(number)).at(-1);
      await rig.as('bob').comment(number, '/assign-agent');
      await rig.until('it asks', async () => (await now())?.status === 'blocked');
      // Its turn is over, and nothing follows from that.
      await rig.until('that was seen', async () => {
        const [row] = await rig.rows<{ beats: boolean }>(
          `SELECT heartbeat_at > asked_at + interval '3 seconds' AS beats FROM agent_session WHERE number = $1`,
          [number],
        );
        return row?.beats === true;
      });
      expect(await now()).toMatchObject({ status: 'blocked', stop: null });
      await rig.as('bob').comment(number, '/reply green');
      await rig.until('it is ready', async () => (await now())?.status === 'in_review');
      expect(await rig.fake.readFile(place, (await now())?.branch ?? '', 'told.txt')).toBe('green\n');
      const kinds = (await rig.record((await now())?.id ?? '')).filter((kind) =>
        ['question', 'reply', 'done'].includes(kind),
      );
      expect(kinds).toEqual(['question', 'reply', 'done']);
    });
  });

  describe('a word on the way', () => {
    let rig: AgentRig;
    let directory: string;
    beforeAll(async () => {
      if (forge === undefined) throw new Error('there is no fake to run on');
      directory = await mkdtemp(join(tmpdir(), 'forgeway-agent-turns-'));
      await chmod(directory, 0o711);
      const definition = agentDefinition.parse({ name: 'turns', format: 'codex', ...commandsOf('codex') });
      rig = await startAgentRig(forge, {
        runner: await runnerAt(directory, probe),
        planned: planning([{ definition, limits: { seconds: 600, tokens: null, costMicros: null } }]),
        files: { 'README.md': '# Shop\n', 'slow.txt': 'yes\n' },
      });
    });
    afterAll(async () => {
      await rig?.close();
      await rm(directory, { recursive: true, force: true });
    });

    it('to one that does not listen while it works is its next turn, and not lost with the end of this one', async () => {
      const number = await rig.openIssue('Take your time');
      const now = async () => (await rig.sessionsOf(number)).at(-1);
      await rig.as('bob').comment(number, '/assign-agent');
      await rig.until('it works', async () => (await now())?.status === 'running');
      await rig.as('bob').comment(number, '/reply and be kind');
      await rig.quiet();
      await writeFile(join(directory, 'agents', 'sandboxes', `agent-${(await now())?.id}`, 'tree', 'tmp', 'go'), '');
      await rig.until('it is ready', async () => (await now())?.status === 'in_review');
      expect(await rig.fake.readFile(place, (await now())?.branch ?? '', 'told.txt')).toBe('and be kind\n');
    });
  });
} else skip('programs that end after each turn', () => it('need namespaces', () => expect(probe?.network).toBe(true)));
