/** Starts that are killed in the middle, raced, and overtaken: one agent, and nothing left behind. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentStart } from '../../src/effects/agents/runner.js';
import { listProcesses } from '../../src/effects/process/process-table.js';
import { type AgentRig, openAgentRig, runnerAt } from '../support/agent-rig.js';
import { PATIENCE_MS } from '../support/patience.js';
import { findSandboxProbe } from '../support/sandboxes.js';

const probe = await findSandboxProbe();
const canRun = probe?.network === true;
const { skip } = describe;

(canRun ? describe : skip)('a start', () => {
  let rig: AgentRig;
  let sha: string;
  beforeAll(async () => {
    if (probe === undefined) throw new Error('no sandbox');
    rig = await openAgentRig(probe);
    sha = await rig.commit({
      'agent-script.json': JSON.stringify([
        ['ask', 'Go on?'],
        ['done', 'x'],
      ]),
    });
  });
  afterAll(() => rig?.close());

  /** Processes of this agent's program, by what they were started with. */
  async function agents(spec: AgentStart): Promise<number> {
    const seen = await Promise.all(
      (await listProcesses()).map(({ pid }) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    return seen.filter((line) => line.startsWith('node\0') && line.includes(spec.sessionId)).length;
  }
  const specOf = async () => {
    const { agent } = await rig.spec({ sha });
    const spec = await rig.spec({ sha });
    return { ...spec, agent: { ...agent, command: [...agent.command, '--', '{session}'] } };
  };
  async function expectOneAgent(spec: AgentStart): Promise<void> {
    await rig.until(spec, 'running');
    for (const end = Date.now() + PATIENCE_MS; (await agents(spec)) !== 1 && Date.now() < end; ) await sleep(20);
    expect(await agents(spec)).toBe(1);
    await rig.runner.reply(spec, { text: 'yes', clientInputId: 'a', secrets: {} });
    expect(await rig.until(spec, 'exited')).toMatchObject({ code: 0 });
    const said = (await rig.all(spec)).map(({ event }) => ('text' in event ? event.text : event.type));
    expect(said).toEqual(['task: Mend the shop.', 'Go on?', 'I was told: yes', 'done']);
    await rig.runner.remove(spec);
    expect(await readdir(`${rig.directory}/agents/sandboxes`)).toEqual([]);
    expect(await readdir(`${rig.directory}/users`)).toEqual([]);
    expect(await readdir(`${rig.directory}/records/sessions`)).toEqual([]);
    expect(await readdir(`${rig.directory}/git`)).toEqual([]);
  }

  it('that is killed anywhere is gone on with by the next', async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 100_000);
    process.stderr.write(`killed-starts: SEED=${seed}\n`);
    for (let round = 0; round < 3; round += 1) {
      const spec = await specOf();
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', fileURLToPath(new URL('start-agent.ts', import.meta.url)), rig.directory],
        { stdio: ['pipe', 'pipe', 'inherit'] },
      );
      child.stdin.end(JSON.stringify({ probe, spec }));
      // From when its record appears, so that the slow start of the process does not count.
      for (let wait = 0; wait < 2_000; wait += 1) {
        const names = await readdir(`${rig.directory}/records/sessions`);
        if (names.includes(`${spec.sessionId}.json`)) break;
        await sleep(5);
      }
      await sleep(((seed * (round + 1) * 7_919) % 97) * 8);
      child.kill('SIGKILL');
      await once(child, 'close');
      await rig.runner.start(spec);
      await expectOneAgent(spec);
    }
    // Each round starts a whole process, which takes long where seven others do so too.
  });

  it('that is raced, also with higher numbers, leaves the highest', async () => {
    if (probe === undefined) throw new Error('no sandbox');
    const another = await runnerAt(rig.directory, probe);
    const spec = await specOf();
    await Promise.all([rig.runner.start(spec), another.start(spec), rig.runner.start(spec)]);
    expect(await rig.runner.list()).toEqual([{ sessionId: spec.sessionId, fence: 1 }]);
    const results = await Promise.allSettled(
      [3, 2, 4].map((fence, index) => (index % 2 === 0 ? rig.runner : another).start({ ...spec, fence })),
    );
    expect(results.at(2)?.status).toBe('fulfilled');
    expect(await rig.runner.list()).toEqual([{ sessionId: spec.sessionId, fence: 4 }]);
    await expectOneAgent({ ...spec, fence: 4 });
    await expect(another.start({ ...spec, fence: 3 })).rejects.toMatchObject({ code: 'FORGEWAY_AGENT_FENCED' });
  });
});

if (!canRun) skip('a start', () => it('needs namespaces', () => expect(probe?.network).toBe(true)));
