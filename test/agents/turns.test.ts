/** Agents that end after each turn, that talk too much, and the one way out that they have. */

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isListed } from '../../src/effects/agents/egress-process.js';
import type { AgentEvent } from '../../src/effects/agents/protocol.js';
import { runTool } from '../../src/effects/process/run-tool.js';
import type { SandboxProbe } from '../../src/effects/process/sandbox.js';
import { BUBBLEWRAP_BASE } from '../../src/effects/process/sandbox-probe.js';
import { type AgentRig, openAgentRig } from '../support/agent-rig.js';
import { PATIENCE_MS } from '../support/patience.js';
import { findSandboxProbe } from '../support/sandboxes.js';

const probe = await findSandboxProbe();
const canRun = probe?.network === true;
const { skip } = describe;
const texts = (events: { event: AgentEvent }[]) =>
  events.map(({ event }) => ('text' in event ? event.text : JSON.stringify(event)));

describe('the list of hosts', () => {
  it('names hosts, hosts below a name, and ports', () => {
    const list = ['api.example', '*.models.example', 'llm.internal:8000'];
    for (const [host, port] of [
      ...([
        ['api.example', 443],
        ['API.example.', 443],
        ['a.models.example', 443],
        ['a.b.models.example', 443],
      ] as const),
      ...([['llm.internal', 8000]] as const),
    ])
      expect([host, port, isListed(list, host, port)]).toEqual([host, port, true]);
    for (const [host, port] of [
      ...([
        ['api.example', 80],
        ['xapi.example', 443],
        ['api.example.evil', 443],
        ['models.example', 443],
      ] as const),
      ...([
        ['.models.example', 443],
        ['evilmodels.example', 443],
        ['llm.internal', 443],
        ['', 443],
      ] as const),
    ])
      expect([host, port, isListed(list, host, port)]).toEqual([host, port, false]);
  });
});

(canRun ? describe : skip)('an agent', () => {
  let rig: AgentRig;
  beforeAll(async () => {
    if (probe === undefined) throw new Error('no sandbox');
    rig = await openAgentRig(probe);
  });
  afterAll(() => rig?.close());

  it('that ends after each turn is told a reply as its next one', async () => {
    const message = (text: string) =>
      `echo '{"type":"item.completed","item":{"id":"1","type":"agent_message","text":"${text}"}}'`;
    const first = `cat >got-1.txt; ${message('QUESTION: Which?')}; until [ -e ../tmp/go ]; do sleep 0.05; done; printf x`;
    const later = `cat >"got-$1.txt"; ls >&2; ${message('done $2')}`;
    const sha = await rig.commit({ 'README.md': '# Shop\n' });
    const spec = await rig.spec({
      sha,
      agent: {
        format: 'codex',
        command: ['sh', '-c', first],
        resume: ['sh', '-c', later.replaceAll('$2', '{session}'), 'sh', '{prompt}'],
      },
    });
    await rig.runner.start(spec);
    await rig.said(spec, 'Which?');
    const reply = { text: 'two; $(touch x) {session}<!-- not seen -->', clientInputId: 'r1', secrets: {} };
    expect(await rig.runner.reply(spec, reply)).toBe('later');
    await rig.runner.stop(spec);
    expect(await rig.runner.observe(spec)).toEqual({ state: 'vanished', turn: 1 });
    expect(await rig.runner.reply(spec, reply)).toBe('accepted');
    expect(await rig.runner.reply(spec, reply)).toBe('known');
    expect(await rig.until(spec, 'exited')).toMatchObject({ turn: 2, code: 0, canResume: true });
    // Where a preview runs begins no turn: it stands behind the next reply.
    const preview = { text: 'https://pr-1.preview.example', clientInputId: 'preview:1', secrets: {} };
    expect(await rig.runner.reply(spec, { ...preview, kind: 'preview' })).toBe('later');
    expect(await rig.runner.observe(spec)).toMatchObject({ state: 'exited', turn: 2 });
    expect(texts(await rig.all(spec))).toEqual(['QUESTION: Which?', 'Which?', `done ${spec.sessionId}`]);
    const result = await rig.runner.result(spec, rig.result);
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    expect(result.files.map(({ path }) => path)).toEqual(['got-1.txt', 'got-two; $(touch x) {session}.txt']);
    expect(result.diff).toContain('+Mend the shop.');
    expect(result.diff).toContain('+two; $(touch x) {session}');
    await rig.runner.remove(spec);
  });

  it('that cannot be told anything any more says so', async () => {
    const sha = await rig.commit({ 'README.md': '# Shop\n' });
    const spec = await rig.spec({ sha, agent: { command: ['false'] } });
    await rig.runner.start(spec);
    expect(await rig.until(spec, 'exited')).toMatchObject({ code: 1, canResume: false });
    expect(await rig.runner.reply(spec, { text: 'x', clientInputId: 'r', secrets: {} })).toBe('ended');
    await rig.runner.remove(spec);
  });

  it('that takes too long is ended, with what it has said and changed', async () => {
    const sha = await rig.commit({ 'README.md': '# Shop\n' });
    const agent = { command: ['sh', '-c', 'cat >got.txt & echo begun; echo x >new.txt; trap "" TERM; sleep 600'] };
    const spec = await rig.spec({ sha, agent });
    const limits = { ...spec.agent.limits, seconds: 2 };
    await rig.runner.start({ ...spec, agent: { ...spec.agent, limits } });
    expect(await rig.until(spec, 'exited')).toMatchObject({ reason: 'time' });
    expect(texts(await rig.all(spec))).toEqual(['begun']);
    expect(await rig.runner.result(spec, rig.result)).toMatchObject({ kind: 'changed' });
    await rig.runner.remove(spec);
  });

  it('that waits for a person has time for it', async () => {
    const steps = [
      ['ask', 'Which?'],
      ['done', 'x'],
    ];
    const sha = await rig.commit({ 'agent-script.json': JSON.stringify(steps) });
    const spec = await rig.spec({ sha });
    await rig.runner.start({ ...spec, agent: { ...spec.agent, limits: { ...spec.agent.limits, seconds: 8 } } });
    await rig.said(spec, 'Which?');
    await sleep(11_000);
    expect(await rig.runner.observe(spec)).toMatchObject({ state: 'running' });
    await rig.runner.reply(spec, { text: 'This', clientInputId: 'a', secrets: {} });
    expect(await rig.until(spec, 'exited')).toMatchObject({ code: 0, reason: 'exit' });
    await rig.runner.remove(spec);
  });

  it('that floods is cut, in plain text, and ends by itself', async () => {
    const flood = [
      `printf '\\033[2J\\033]0;title\\007 a\\342\\200\\256b\\r\\n'`,
      `head -c 400000 /dev/zero | tr '\\0' x; echo`,
      `echo '{"type":"message","text":"after"}'`,
      'yes flood | head -c 9000000',
      'exit 0',
    ];
    const sha = await rig.commit({ 'README.md': '# Shop\n' });
    const limits = { seconds: 60, memoryMb: 300, processes: 50, diskMb: 50, outputMb: 2 };
    const spec = await rig.spec({ sha, agent: { command: ['sh', '-c', flood.join('\n')], limits } });
    await rig.runner.start(spec);
    expect(await rig.until(spec, 'exited')).toMatchObject({ code: 0 });
    const first = await rig.runner.read(spec, 0, 3);
    expect(first.events.map(({ event }) => event)).toEqual([
      { type: 'raw', reason: 'not-json', text: expect.stringMatching(/^\]?0?;?(title)? ?ab|ab/) },
      { type: 'raw', reason: 'long', text: expect.stringContaining('xxxx') },
      { type: 'message', text: 'after' },
    ]);
    expect(JSON.stringify(first)).not.toMatch(/\\u001b|\\u0007|\u202e/);
    const all = await rig.all(spec);
    expect(all.at(-1)?.event).toMatchObject({ text: expect.stringContaining('more than 2 MB') });
    const size = (await readFile(`${rig.directory}/agents/sandboxes/agent-${spec.sessionId}/run/spool`)).length;
    expect(size).toBeLessThanOrEqual(2 * 1024 * 1024);
    await rig.runner.remove(spec);
  });
});

const bubble: SandboxProbe = {
  mode: 'bubblewrap',
  namespaces: true,
  network: true,
  nestedUsers: true,
  bubblewrap: 'bwrap',
};
const hasBubblewrap = (await runTool('bwrap', [...BUBBLEWRAP_BASE, '--', 'true'])).code === 0;
const ways = [...(probe?.network ? [probe] : []), ...(hasBubblewrap && probe?.mode === 'uid' ? [bubble] : [])];

(ways.length > 0 ? describe.each(ways) : skip.each([{ mode: 'none' }]))('an agent with a way out ($mode)', (way) => {
  let rig: AgentRig;
  let model: Server;
  const asked: string[] = [];
  beforeAll(async () => {
    rig = await openAgentRig(way as SandboxProbe);
    model = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end('an answer');
    });
    await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => model?.close(resolve));
    await rig?.close();
  });

  it('reaches the hosts of its model and nothing else, also after its way out was killed', async () => {
    const { port } = model.address() as AddressInfo;
    const ask = (url: string) => [
      'run',
      'node',
      '-e',
      `require('http').get({ host: '127.0.0.1', port: 3128, path: '${url}' }, (answer) => {
         let text = ''; answer.on('data', (part) => (text += part)).on('end', () => console.log(answer.statusCode, text));
       }).on('error', (error) => console.log('error', error.code))`,
    ];
    const gitPort = new URL(rig.git.url).port;
    const sha = await rig.commit({
      'agent-script.json': JSON.stringify([
        ask(`http://127.0.0.1:${port}/one`),
        ask(`http://127.0.0.1:${gitPort}/acme/shop.git/info/refs`),
        ask('http://169.254.169.254/latest/meta-data/'),
        ask('http://localhost:1/'),
        ['ask', 'Go on?'],
        ask(`http://127.0.0.1:${port}/two`),
        ['done', 'x'],
      ]),
    });
    const spec = await rig.spec({ sha, agent: { privateHosts: [`127.0.0.1:${port}`] } });
    await rig.runner.start(spec);
    await rig.said(spec, 'Go on?');
    const { pid } = JSON.parse(
      await readFile(`${rig.directory}/records/sessions/${spec.sessionId}.egress.pid`, 'utf8'),
    );
    process.kill(pid as number, 'SIGKILL');
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      await rig.runner.observe(spec);
      const now = JSON.parse(await readFile(`${rig.directory}/records/sessions/${spec.sessionId}.egress.pid`, 'utf8'));
      if (now.pid !== pid) break;
      await sleep(20);
    }
    await rig.runner.reply(spec, { text: 'yes', clientInputId: 'y', secrets: {} });
    await rig.until(spec, 'exited');
    const answers = (await rig.all(spec)).flatMap(({ event }) => (event.type === 'tool' ? [event.summary.trim()] : []));
    expect(answers[0]).toBe('200 an answer');
    expect(answers.slice(1, 4).map((answer) => answer.slice(0, 3))).toEqual(['403', '403', '403']);
    expect(answers[4]).toBe('200 an answer');
    expect(asked).toEqual(['/one', '/two']);
    await rig.runner.remove(spec);
  });
});

if (!canRun) skip('turns', () => it('needs namespaces', () => expect(probe?.network).toBe(true)));
