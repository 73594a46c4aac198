/** Strings that attack whatever they are put into, through everything that a session puts them into. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { agentBranch, isAgentBranch, slugOf } from '../../src/effects/agents/branch.js';
import { agentDefinition } from '../../src/effects/agents/definition.js';
import { agentSecrets, argumentsOf } from '../../src/effects/agents/environment.js';
import { buildPrompt, type PromptPiece } from '../../src/effects/agents/prompt.js';
import { inputLine, parseLine, shown } from '../../src/effects/agents/protocol.js';
import { type AgentRig, openAgentRig } from '../support/agent-rig.js';
import { git } from '../support/git-repository.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { injections } from './injections.js';

const probe = await findSandboxProbe();
const canRun = probe?.network === true;
const { skip } = describe;
const SESSION = '0197a3f0-1111-7222-8333-123456789abc';
const CALLED = new Date('2026-01-01T11:00:00Z');

describe('a hostile string', () => {
  it('is one of seventy-seven', () => expect(new Set(injections).size).toBeGreaterThanOrEqual(77));

  it('is no part of a branch’s name', async () => {
    for (const title of injections) {
      const branch = agentBranch({ sessionId: SESSION, title });
      expect([title, branch]).toEqual([title, expect.stringMatching(/^forgeway\/56789abc\/[a-z0-9-]+$/)]);
      expect(isAgentBranch(branch, SESSION)).toBe(true);
      expect(branch.length).toBeLessThanOrEqual(70);
    }
    await git(['check-ref-format', '--branch', agentBranch({ sessionId: SESSION, title: injections.join(' ') })]);
    expect(slugOf('Çà va: «déjà» — vu?!')).toBe('ca-va-deja-vu');
    expect(slugOf('漢字')).toBe('work');
    const others = [
      'main',
      'forgeway/56789abc/x/../../main',
      'forgeway/56789abc/',
      'forgeway/00000000/x',
      '-x/56789abc/x',
    ];
    for (const branch of [...others, ...injections, 'forgeway/56789abc/x.lock', 'forgeway/56789abc/x:main'])
      expect([branch, isAgentBranch(branch, SESSION)]).toEqual([branch, false]);
    for (const prefix of ['', '-x', 'a..b', 'x.lock', 'a/b', 'A', '$(id)', 'x\n'])
      expect(() => agentBranch({ prefix, sessionId: SESSION, title: 'x' })).toThrow('prefix');
  });

  it('cannot end its own quotation in a prompt, or be anybody else', () => {
    for (const text of injections) {
      const piece: PromptPiece = {
        ...{ kind: 'comment', author: text, permission: 'none', createdAt: new Date(0), editedAt: null },
        ...{ title: text, place: text, text },
      };
      const { prompt } = buildPrompt({
        ...{
          purpose: 'work',
          repository: text,
          subject: text,
          branch: text,
          hasQuestions: true,
          pieces: [piece, piece],
        },
        trigger: { author: text, permission: 'write', at: CALLED, instructions: text },
      });
      const plain = buildPrompt({
        ...{ purpose: 'work', repository: 'x', subject: 'x', branch: 'x', hasQuestions: true },
        trigger: { author: 'x', permission: 'write', at: CALLED, instructions: 'x' },
        pieces: [
          { ...piece, author: 'x', title: 'x', place: 'x', text: 'x' },
          { ...piece, author: 'x', title: 'x', place: 'x', text: 'x' },
        ],
      }).prompt;
      const own = (whole: string) => whole.split('\n').filter((line) => !line.startsWith('| '));
      expect([text, own(prompt).length]).toEqual([text, own(plain).length]);
      expect(prompt).not.toMatch(/(?![\n\t])\p{Cc}|\p{Cf}/u);
    }
  });

  it('is a line of text in what an agent is told and says, and in a log', () => {
    for (const text of injections) {
      const told = inputLine({ type: 'reply', id: 'x', text });
      expect(told.split('\n')).toHaveLength(2);
      expect(JSON.parse(told)).toEqual({ type: 'reply', id: 'x', text });
      const said = parseLine(JSON.stringify({ type: 'tool', name: text, summary: text }));
      expect(said.type).toBe('tool');
      const parts = said.type === 'tool' ? [said.name, said.summary, shown(text)] : [];
      for (const part of parts) expect(part).not.toMatch(/(?![\n\t])\p{Cc}|\p{Cf}/u);
      expect('name' in said && said.name).not.toContain('\n');
      expect(parseLine(text).type).toBe('raw');
    }
  });

  it('is refused as the name of an agent, a host, a variable', () => {
    for (const text of injections) {
      const parse = (more: object) => agentDefinition.safeParse({ name: 'x', command: ['x'], ...more }).success;
      expect([text, parse({ name: text })]).toEqual([text, /^[a-z][a-z0-9-]*$/.test(text) && text.length < 40]);
      expect([text, parse({ env: { [text]: 'x' } })]).toEqual([
        text,
        /^[A-Z]{1,64}$/.test(text) && !/^(?:PATH|HOME)/.test(text),
      ]);
      expect(agentSecrets({ [`${text}`]: 'x' })).toEqual(/^[A-Z]+$/.test(text) ? { [text]: 'x' } : {});
    }
    for (const name of [
      'PATH',
      'LD_PRELOAD',
      'NODE_OPTIONS',
      'GIT_SSH_COMMAND',
      'BASH_ENV',
      'HTTPS_PROXY',
      'HOME',
      'IFS',
    ]) {
      expect(agentDefinition.safeParse({ name: 'x', command: ['x'], env: { [name]: 'x' } }).success).toBe(false);
      expect(agentSecrets({ [name]: 'x' })).toEqual({});
    }
  });

  it('stays one argument', () => {
    for (const text of injections) {
      const command = ['agent', '--message={prompt}', '{prompt-file}', '{prompt} {session}'];
      const values = { prompt: text, promptFile: '/w/task.md', session: SESSION };
      expect(argumentsOf(command, values)).toEqual(['agent', `--message=${text}`, '/w/task.md', `${text} ${SESSION}`]);
    }
  });
});

(canRun ? describe : skip)('hostile strings in a sandbox', () => {
  let rig: AgentRig;
  beforeAll(async () => {
    if (probe === undefined) throw new Error('no sandbox');
    rig = await openAgentRig(probe);
  });
  afterAll(() => rig?.close());

  it('arrive as they are in arguments and environment, and run nothing', async () => {
    const usable = injections.filter((text) => !text.includes('\0') && text !== '' && text.length < 4_000);
    const env = Object.fromEntries(usable.map((text, index) => [`X_${index}`, text]));
    const script = `const fs = require('fs');
      fs.writeFileSync('seen.json', JSON.stringify({ argv: process.argv.slice(1), env: process.env, task: fs.readFileSync(process.env.FORGEWAY_TASK_FILE, 'utf8') }));`;
    const sha = await rig.commit({ 'README.md': '# Shop\n' });
    const prompt = usable.join('\n');
    const spec = await rig.spec({
      ...{ sha, agent: { command: ['node', '-e', script, '--', ...usable.slice(0, 55), '{prompt}'], env } },
      more: {
        task: { prompt, files: { 'pull-request.diff': prompt } },
        secrets: { MODEL_KEY: `a'b"c$(touch x)\`id\`\nd` },
      },
    });
    await rig.runner.start(spec);
    expect(await rig.until(spec, 'exited')).toMatchObject({ code: 0 });
    const tree = join(rig.directory, 'agents/sandboxes', `agent-${spec.sessionId}`, 'tree');
    const seen = JSON.parse(await readFile(join(tree, 'source/seen.json'), 'utf8'));
    expect(seen.argv).toEqual([...usable.slice(0, 55), prompt].map((text) => text.toWellFormed()));
    for (const [name, text] of Object.entries(env)) expect([name, seen.env[name]]).toEqual([name, text.toWellFormed()]);
    expect(seen.env.MODEL_KEY).toBe(`a'b"c$(touch x)\`id\`\nd`);
    expect(seen.task).toBe(prompt.toWellFormed());
    expect((await readdir(join(tree, 'source'))).sort()).toEqual(['.git', 'README.md', 'seen.json']);
    expect((await readdir(join(tree, 'task'))).sort()).toEqual(['pull-request.diff', 'task.md']);
    await rig.runner.remove(spec);
    for (const name of ['../x', '/etc/x', '.x', 'a/b', 'task.md', 'x\n', '']) {
      const bad = await rig.spec({ sha, more: { task: { prompt: 'x', files: { [name]: 'x' } } } });
      await expect(rig.runner.start(bad)).rejects.toThrow('plain name');
      await rig.runner.remove(bad);
    }
  });

  it('are harmless as names of files, text of the commit and its author', async () => {
    const names = injections
      .map((text) => text.replaceAll('/', '_'))
      .filter(
        (name) =>
          !/[\p{Cc}\p{Cf}]/u.test(name) &&
          name.length < 60 &&
          !['', '.', '..', '@'].includes(name) &&
          !/^\.git$/i.test(name),
      );
    const sha = await rig.commit({
      'agent-script.json': JSON.stringify([...new Set(names)].map((name) => ['write', name.toWellFormed(), 'x\n'])),
    });
    const spec = await rig.spec({ sha });
    await rig.runner.start(spec);
    await rig.until(spec, 'exited');
    const result = await rig.runner.result(spec, {
      ...rig.result,
      limits: { files: 200, lines: 500, bytes: 1_000_000 },
      message: injections.join('\n').replaceAll('\0', ''),
      author: { name: `--author='x' $(touch y)`, email: 'a@b.invalid' },
    });
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    expect(result.files.length).toBe(new Set(names.map((name) => name.toWellFormed())).size);
    const push = { source: rig.source(), branch: spec.repository.branch, commit: result.commit, expected: null };
    expect(await rig.runner.push(spec, push)).toBe('pushed');
    expect(await git(['--git-dir', rig.bare(), 'show', '-s', '--format=%an', result.commit])).toBe(
      `--author='x' $(touch y)`,
    );
    await rig.runner.remove(spec);
  });
});
