/** The disk that agents work on is full: their sessions fail in sight and say why, leave nothing, and `/retry` works once there is room. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { agentDefinition } from '../../src/effects/agents/definition.js';
import type { AgentRunner } from '../../src/effects/agents/runner.js';
import { type AgentRig, place, startAgentRig } from '../agent-sessions/session-rig.js';
import { runnerAt } from '../support/agent-rig.js';
import { fakedForges } from '../support/connected-forge.js';
import { planning } from '../support/planned-agents.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { itAsRoot } from '../support/small-disk.js';

const probe = await findSandboxProbe();
const NO_ROOM = 'There is no room left on the disk that agents work on.';
const forge = fakedForges.find(({ id }) => id === 'gitea');

itAsRoot('a full disk fails sessions in sight, holds up no stop, and is over when it has room', async () => {
  if (forge === undefined || !probe?.network) return;
  const root = await mkdtemp(join(tmpdir(), 'forgeway-agents-disk-'));
  await chmod(root, 0o711);
  const disk = join(root, 'disk');
  await mkdir(disk, { mode: 0o711 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m,mode=711', 'tmpfs', disk]);
  let rig: AgentRig | undefined;
  const ballast = join(disk, 'ballast');
  const fill = async () => {
    for (;;) {
      const { bavail, bsize } = await statfs(disk);
      if (bavail === 0) return;
      await writeFile(ballast, Buffer.alloc(bavail * bsize), { flag: 'a' }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
      });
    }
  };
  const empty = () => rm(ballast, { force: true });
  try {
    const script = await readFile(fileURLToPath(new URL('../support/scripted-agent.mjs', import.meta.url)), 'utf8');
    const definition = agentDefinition.parse({
      ...{ name: 'scripted', command: ['node', '--input-type=module', '-e', script] },
      limits: { diskMb: 20 },
    });
    const refused = { reply: 0 };
    let isFullForResults = false;
    const runner = await runnerAt(disk, probe);
    const watched: AgentRunner = {
      ...runner,
      reply: (ref, input) =>
        runner.reply(ref, input).catch((error: unknown) => {
          refused.reply += 1;
          throw error;
        }),
      async result(ref, request, signal) {
        if (isFullForResults) await fill();
        return runner.result(ref, request, signal);
      },
    };
    rig = await startAgentRig(forge, {
      runner: watched,
      planned: planning([{ definition, limits: { seconds: 600, tokens: null, costMicros: null } }]),
      files: {
        'README.md': 'A shop\n',
        'agent-script.json': JSON.stringify([
          ['write', 'shed.txt', 'painted\n'],
          ['ask', 'Which colour?'],
          ['done', 'Paint the shed'],
        ]),
      },
    });
    const { sessions, as, until, said, fake } = rig;
    const newest = async () => (await sessions()).at(-1);
    const is = (status: string) => until(`it is ${status}`, async () => (await newest())?.status === status);
    const number = await as('carol').openIssue({ title: 'Paint the shed' });
    await rig.quiet();

    // While it is fetched.
    await fill();
    await as('dave').comment(number, '/assign-agent');
    await is('failed');
    expect((await newest())?.failure).toBe(`It could not be started: ${NO_ROOM}`);
    await until('it is told', async () =>
      (await said(number)).some((body) => body.startsWith('@dave') && body.includes(NO_ROOM)),
    );
    await empty();

    // While it waits: it is stopped all the same.
    await as('dave').comment(number, '/retry');
    await is('blocked');
    await fill();
    await as('dave').comment(number, '/cancel');
    await is('cancelled');
    await until('its lease is free', async () => (await newest())?.lease_held === false);
    await empty();

    // While it is answered: it hears the answer once there is room.
    await as('dave').comment(number, '/retry');
    await is('blocked');
    await fill();
    await as('dave').comment(number, '/reply green');
    await until('there was no room', async () => refused.reply > 1);
    // And while what it did is looked at.
    isFullForResults = true;
    await empty();
    await is('failed');
    const { id, failure } = (await newest()) ?? {};
    expect(failure).toBe(`It could not be pushed: ${NO_ROOM}`);
    expect((await rig.record(id ?? '')).filter((kind) => kind === 'reply')).toHaveLength(1);
    isFullForResults = false;
    await empty();

    // What it has made is still there, and is pushed.
    await as('dave').comment(number, '/retry');
    await is('in_review');
    const { pullRequests } = await fake.state(place);
    expect(pullRequests).toHaveLength(1);
    const { branch } = (await newest()) ?? {};
    expect(await fake.readFile(place, branch ?? '', 'answer.txt')).toBe('green\n');
    // What failed sessions have left is kept for a while, and goes then.
    const failed = (await sessions()).filter(({ status }) => status === 'failed').map((one) => one.id);
    const left = async () => (await runner.list()).map(({ sessionId }) => sessionId).sort();
    await until('only that is left', async () => (await left()).every((one) => failed.includes(one)));
    for (const ref of await runner.list()) await runner.remove(ref);
    expect(await readdir(join(disk, 'agents/sandboxes'))).toEqual([]);
    expect((await readdir(join(disk, 'records/fences'))).filter((name) => name.endsWith('.new'))).toEqual([]);
  } finally {
    await rig?.close();
    execFileSync('umount', ['-l', disk]);
    await rm(root, { recursive: true, force: true });
  }
});
