/** A scripted agent in a real sandbox, with a real git server: the whole way of a session. */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentEvent } from '../../src/effects/agents/protocol.js';
import type { AgentStart } from '../../src/effects/agents/runner.js';
import { listProcesses } from '../../src/effects/process/process-table.js';
import type { SandboxProbe } from '../../src/effects/process/sandbox.js';
import { type AgentRig, CREDENTIAL, openAgentRig, runnerAt } from '../support/agent-rig.js';
import { git } from '../support/git-repository.js';
import { findSandboxProbe } from '../support/sandboxes.js';

const probe = await findSandboxProbe();
const canRun = probe?.network === true;
if (!canRun) process.stderr.write('agent tests are skipped: run as root with namespaces, or install bubblewrap\n');
const { skip } = describe;

const script = (...steps: unknown[][]) => ({
  'agent-script.json': JSON.stringify(steps),
  'README.md': '# Shop\n',
  'src/price.js': 'export const price = 1;\n',
});
const texts = (events: { event: AgentEvent }[]) =>
  events.map(({ event }) => ('text' in event ? event.text : JSON.stringify(event)));

(canRun ? describe : skip)('an agent on this machine', () => {
  let rig: AgentRig;
  beforeAll(async () => {
    if (probe === undefined) throw new Error('no sandbox');
    rig = await openAgentRig(probe);
  });
  afterAll(() => rig?.close());

  it('edits, asks, is answered, and its work is pushed to its branch alone', async () => {
    const sha = await rig.commit(
      script(
        ['write', 'src/price.js', 'export const price = 2;\n'],
        ['ask', 'Which currency?'],
        ['run', 'git', 'log', '--oneline'],
        ['done', 'Mend the price'],
      ),
    );
    const spec = await rig.spec({ sha });
    await rig.runner.start(spec);
    await rig.runner.start(spec);
    await rig.said(spec, 'Which currency?');
    // Where a preview runs answers no question, and is told once.
    const preview = { text: 'https://pr-1.preview.example', clientInputId: 'preview:1', secrets: {} };
    expect(await rig.runner.reply(spec, { ...preview, kind: 'preview' })).toBe('accepted');
    expect(await rig.runner.reply(spec, { ...preview, kind: 'preview' })).toBe('known');
    await rig.said(spec, 'preview: https://pr-1.preview.example');
    const reply = { text: 'Euro\nplease', clientInputId: 'comment-7', secrets: {} };
    expect(await rig.runner.reply(spec, reply)).toBe('accepted');
    expect(await rig.runner.reply(spec, reply)).toBe('known');
    expect(await rig.until(spec, 'exited')).toMatchObject({ code: 0, reason: 'exit', turn: 1 });
    const events = await rig.all(spec);
    expect(texts(events)).toContain('task: Mend the shop.');
    expect(texts(events).filter((text) => text.startsWith('preview: '))).toHaveLength(1);
    expect(texts(events).filter((text) => text === 'I was told: Euro\nplease')).toHaveLength(1);
    expect(events.at(-1)?.event).toMatchObject({ type: 'done', title: 'Mend the price' });

    const result = await rig.runner.result(spec, rig.result);
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    expect(result.files).toEqual([
      { path: 'answer.txt', status: 'added', added: 2, removed: 0 },
      { path: 'src/price.js', status: 'modified', added: 1, removed: 1 },
    ]);
    expect(result.diff).toContain('+export const price = 2;');
    expect(await rig.runner.result(spec, rig.result)).toMatchObject({ commit: result.commit });

    const { branch } = spec.repository;
    const push = { source: rig.source(), branch, commit: result.commit, expected: null };
    expect(await rig.runner.push(spec, push)).toBe('pushed');
    expect(await rig.runner.push(spec, push)).toBe('pushed');
    const refs = await git(['--git-dir', rig.bare(), 'for-each-ref', '--format=%(refname) %(objectname)']);
    expect(refs.split('\n').sort()).toEqual([`refs/heads/${branch} ${result.commit}`, `refs/heads/main ${sha}`]);
    expect(await git(['--git-dir', rig.bare(), 'show', '-s', '--format=%an %ae %P', result.commit])).toBe(
      `scripted (agent) agent@forgeway.invalid ${sha}`,
    );
    const another = { ...push, commit: sha, expected: null };
    expect(await rig.runner.push(spec, another)).toBe('changed-meanwhile');
    await expect(rig.runner.push(spec, { ...push, branch: 'main' })).rejects.toThrow('Only the branch of the session');

    await rig.runner.remove(spec);
    expect(await rig.runner.observe(spec)).toEqual({ state: 'absent' });
    expect(await readdir(`${rig.directory}/agents/sandboxes`)).toEqual([]);
    expect(await readdir(`${rig.directory}/users`)).toEqual([]);
    await expect(rig.runner.start({ ...spec, fence: 0 })).rejects.toMatchObject({ code: 'FORGEWAY_AGENT_FENCED' });
  });

  it('finds no credential, no way to the mirror and no network', async () => {
    const port = new URL(rig.git.url).port;
    const bash = (command: string) => ['run', 'bash', '-c', `${command}; exit 0`];
    const sha = await rig.commit(
      script(
        bash('env; tr "\\0" "\\n" </proc/self/environ; cat .git/config; ls -la .git; cat ../home/.gitconfig 2>&1'),
        bash('ls /root /var/lib /tmp /home 2>&1; cat /proc/1/environ 2>&1; find / -name "*.git" 2>/dev/null; id -u'),
        bash(`git remote -v; (echo >/dev/tcp/127.0.0.1/${port}) 2>&1; cat /.forgeway/* 2>&1`),
        ['done', 'x'],
      ),
    );
    const spec = await rig.spec({ sha, more: { secrets: { MODEL_KEY: 'sk-a-model-key-98765' } } });
    await rig.runner.start(spec);
    const processes = await listProcesses();
    const seen = await Promise.all(
      processes.map(({ pid }) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    expect(seen.filter((line) => line.includes('sk-a-model-key'))).toEqual([]);
    await rig.until(spec, 'exited');
    const said = texts(await rig.all(spec)).join('\n');
    expect(said).toContain('MODEL_KEY=');
    // What it says of its own key is hidden again.
    expect(said).not.toContain('sk-a-model-key-98765');
    for (const secret of [CREDENTIAL.password, Buffer.from(CREDENTIAL.password).toString('base64'), rig.directory])
      expect(said).not.toContain(secret);
    expect(said).toContain('Connection refused');
    expect(said).toMatch(/\.forgeway[^\n]*Permission denied/);
  });

  it('shows every line once although the process that started it is killed', async () => {
    const sha = await rig.commit(script(['print-lines', 300, 10], ['ask', 'And now?'], ['done', 'x']));
    const spec = await rig.spec({ sha });
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(new URL('start-agent.ts', import.meta.url)), rig.directory],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    child.stdin.end(JSON.stringify({ probe, spec }));
    // It says how far it has read, and is killed in the middle of it.
    const kept: { at: number; text: string }[] = [];
    let cursor = 0;
    child.stdout.setEncoding('utf8');
    let rest = '';
    child.stdout.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const page = JSON.parse(line) as { next: number; events: { at: number; text: string }[] };
        kept.push(...page.events);
        cursor = page.next;
        if (kept.length > 60) child.kill('SIGKILL');
      }
    });
    await once(child, 'close');
    expect(child.signalCode).toBe('SIGKILL');
    for (let round = 0; round < 2_000; round += 1) {
      const page = await rig.runner.read(spec, cursor, 7);
      kept.push(...page.events.map(({ at, event }) => ({ at, text: 'text' in event ? event.text : event.type })));
      cursor = page.next;
      if (kept.some(({ text }) => text === 'And now?')) break;
      await sleep(20);
    }
    await rig.runner.reply(spec, { text: 'Go on', clientInputId: 'a', secrets: {} });
    await rig.until(spec, 'exited');
    kept.push(
      ...(await rig.runner.read(spec, cursor)).events.map(({ at, event }) => ({
        ...{ at, text: 'text' in event ? event.text : event.type },
      })),
    );
    const numbered = kept.map(({ text }) => text).filter((text) => text.startsWith('line '));
    expect(numbered).toEqual(Array.from({ length: 300 }, (_, index) => `line ${index + 1}`));
    expect(new Set(kept.map(({ at }) => at)).size).toBe(kept.length);
    expect(kept.slice(-2).map(({ text }) => text)).toEqual(['I was told: Go on', 'done']);
  });

  it('is dead when it was stopped, whatever it started, and a newer start takes over', async () => {
    const seconds = randomInt(100_000, 999_999);
    const daemon = `setsid sh -c "(setsid sleep ${seconds} </dev/null >/dev/null 2>&1 &) &"; sleep 0.5`;
    const sha = await rig.commit(script(['run', 'sh', '-c', daemon], ['say', 'ready'], ['sleep', 60_000]));
    const spec = await rig.spec({ sha });
    await rig.runner.start(spec);
    await rig.said(spec, 'ready');
    await expect(rig.runner.result(spec, rig.result)).rejects.toMatchObject({ code: 'FORGEWAY_AGENT_RUNNING' });
    const newer: AgentStart = { ...spec, fence: 2 };
    await rig.runner.start(newer);
    await expect(rig.runner.observe(spec)).rejects.toMatchObject({ code: 'FORGEWAY_AGENT_FENCED' });
    await expect(rig.runner.stop(spec)).rejects.toMatchObject({ code: 'FORGEWAY_AGENT_FENCED' });
    await rig.runner.stop(newer);
    await rig.runner.stop(newer);
    const commands = await Promise.all(
      (await listProcesses()).map(({ pid }) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    expect(
      commands.filter((command) => command.includes(`sleep\0${seconds}`) || command.includes(spec.sessionId)),
    ).toEqual([]);
    expect(await rig.runner.observe(newer)).toEqual({ state: 'vanished', turn: 1 });
  });

  it('kills what runs also while somebody who is frozen has the session, and says that it is not sure', async () => {
    const sha = await rig.commit(script(['say', 'ready'], ['sleep', 600_000]));
    const spec = await rig.spec({ sha });
    await rig.runner.start(spec);
    await rig.said(spec, 'ready');
    // As a process does that is stopped in the middle of its work.
    const lock = join(rig.directory, 'records', 'sessions', `${spec.sessionId}.session.lock`);
    const frozen = spawn('flock', ['--exclusive', lock, 'sh', '-c', 'echo held; exec sleep 600'], {
      ...{ stdio: ['ignore', 'pipe', 'ignore'], detached: true },
    });
    await once(frozen.stdout, 'data');
    process.kill(-(frozen.pid ?? 0), 'SIGSTOP');
    try {
      await expect(rig.runner.stop(spec, { signal: AbortSignal.timeout(500) })).rejects.toThrow(/lock/);
      expect(await rig.runner.observe(spec)).toMatchObject({ state: 'vanished' });
    } finally {
      process.kill(-(frozen.pid ?? 0), 'SIGKILL');
    }
    await rig.runner.stop(spec, { signal: AbortSignal.timeout(600_000) });
    await rig.runner.remove(spec);
  });
});

describe('a machine that keeps nobody apart', () => {
  const weak: SandboxProbe = {
    mode: 'same-user',
    namespaces: false,
    network: false,
    nestedUsers: true,
    bubblewrap: 'bwrap',
  };

  it('runs no agents', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'forgeway-weak-'));
    for (const probe of [
      weak,
      { ...weak, mode: 'uid' as const },
      { ...weak, mode: 'bubblewrap' as const, namespaces: true },
    ])
      await expect(runnerAt(directory, probe)).rejects.toMatchObject({ code: 'FORGEWAY_SANDBOX_UNAVAILABLE' });
    await rm(directory, { recursive: true });
  });

  it('runs them where the operator insists', async () => {
    const rig = await openAgentRig(weak, true);
    try {
      const sha = await rig.commit(script(['write', 'new.txt', 'x\n'], ['ask', 'Go on?'], ['sleep', 60_000]));
      const spec = await rig.spec({ sha });
      await rig.runner.start(spec);
      await rig.said(spec, 'Go on?');
      await rig.runner.stop(spec);
      expect(await rig.runner.observe(spec)).toMatchObject({ state: 'vanished' });
      expect(await rig.runner.result(spec, rig.result)).toMatchObject({
        kind: 'changed',
        files: [{ path: 'new.txt' }],
      });
    } finally {
      await rig.close();
    }
  });
});

if (!canRun) skip('an agent', () => it('needs namespaces', () => expect(probe?.network).toBe(true)));
