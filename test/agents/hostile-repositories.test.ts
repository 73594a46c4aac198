/** Repositories that somebody has laid out as traps for whoever clones, checks out, changes and pushes them. */
import { access } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AgentRig, openAgentRig } from '../support/agent-rig.js';
import { type commitFiles, git } from '../support/git-repository.js';
import { findSandboxProbe } from '../support/sandboxes.js';

const probe = await findSandboxProbe();
const canRun = probe?.network === true;
const { skip } = describe;

type Files = Parameters<typeof commitFiles>[1]['files'];
const HARMLESS: Files = {
  'agent-script.json': JSON.stringify([
    ['write', 'src/new.js', 'export const fresh = 1;\n'],
    ['done', 'Add it'],
  ]),
  'README.md': '# Shop\n',
};

(canRun ? describe : skip)('a hostile repository', () => {
  let rig: AgentRig;
  let trap: Server;
  const callers: string[] = [];
  let canary: string;
  beforeAll(async () => {
    if (probe === undefined) throw new Error('no sandbox');
    rig = await openAgentRig(probe);
    canary = join(rig.directory, 'canary');
    trap = createServer((request, response) => {
      callers.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`);
      response.end('{}');
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    trap?.close();
    await rig?.close();
  });
  const isSprung = async (): Promise<boolean> =>
    callers.length > 0 ||
    (await access(canary).then(
      () => true,
      () => false,
    ));

  it('runs nothing, is led nowhere, and keeps its own files as they are in what is pushed', async () => {
    const elsewhere = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`;
    const run = `touch ${canary}`;
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'ab'.repeat(32)}\nsize 12345\n`;
    const sha = await rig.commit({
      ...HARMLESS,
      '.gitmodules': [
        ...['[submodule "one"]', 'path = one', `url = file://${rig.bare()}`, 'update = checkout'],
        ...['[submodule "two"]', 'path = two', `url = ext::sh -c ${canary}%20`],
        ...['[submodule "three"]', 'path = three', `url = ${elsewhere}/x.git`, ''],
      ].join('\n'),
      '.gitattributes': `*.bin filter=lfs diff=lfs merge=lfs -text\n*.js filter=evil diff=evil ident\n`,
      '.lfsconfig': `[lfs]\n\turl = ${elsewhere}/lfs\n\taccess = basic\n`,
      '.gitconfig': `[core]\n\thooksPath = .githooks\n\tfsmonitor = ${run}\n[filter "evil"]\n\tclean = ${run}\n\tsmudge = ${run}\n`,
      '.githooks/post-checkout': { content: `#!/bin/sh\n${run}\n`, mode: '100755' },
      '.githooks/pre-push': { content: `#!/bin/sh\n${run}\n`, mode: '100755' },
      'large.bin': pointer,
      // Two names for one file on other systems, names like options and like refs.
      'readme.MD': 'other\n',
      '--upload-pack=touch x': 'x\n',
      '-rf': 'x\n',
      HEAD: 'x\n',
      'refs/heads/main': 'x\n',
      'objects/info/alternates': '/etc\n',
      out: { content: '../../../../etc', mode: '120000' },
      passwd: { content: '/etc/passwd', mode: '120000' },
      'git/config': '[core]\n',
    });
    const spec = await rig.spec({ sha });
    await rig.runner.start(spec);
    await rig.until(spec, 'exited');
    const result = await rig.runner.result(spec, rig.result);
    // What leads out was there before, and is not the agent's doing.
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    expect(result.files.map(({ path }) => path)).toEqual(['src/new.js']);
    const push = { source: rig.source(), branch: spec.repository.branch, commit: result.commit, expected: null };
    expect(await rig.runner.push(spec, push)).toBe('pushed');
    const inBare = (...args: string[]) => git(['--git-dir', rig.bare(), ...args]);
    expect(await inBare('diff', '--name-only', sha, `refs/heads/${spec.repository.branch}`)).toBe('src/new.js');
    expect(await inBare('show', `${result.commit}:large.bin`)).toBe(pointer.trim());
    await rig.runner.remove(spec);
    expect(await isSprung()).toBe(false);
  });

  it('is pushed as one commit of ours whatever its agent does to history, settings, descriptors and time', async () => {
    const sha = await rig.commit(HARMLESS, [], 'history');
    const daemon = 'while :; do date +%N >late.txt; date +%N >src-late.txt; sleep 0.05; done';
    const steps = [
      // A socket, a lock or a file of ours that it had inherited would be here.
      'ls -l /proc/self/fd | sed 1d | awk \'{ print "fd " $9 " " ($9 > 2 ? $11 : "") }\'',
      'export GIT_AUTHOR_NAME=Linus GIT_AUTHOR_EMAIL=linus@example.com GIT_COMMITTER_NAME=Linus GIT_COMMITTER_EMAIL=l@example.com',
      'git checkout -q --orphan other && git rm -rqf --cached . && git commit -q --allow-empty -m "not mine"',
      'git replace -f HEAD "$(git commit-tree -m replaced "$(git write-tree)")"; echo "$(git rev-parse HEAD)" >.git/info/grafts',
      'git update-ref refs/heads/-x HEAD; git branch -f main HEAD; git tag v1; git symbolic-ref HEAD refs/heads/main',
      `git config core.hooksPath hooks; git config core.worktree /; git config remote.origin.url ${rig.git.url}/acme/other.git`,
      `git config url.ext::sh.insteadOf http; printf '#!/bin/sh\\ntouch ${canary}\\n' >.git/hooks/pre-push; chmod +x .git/hooks/pre-push`,
      'mkdir -p .git/objects/info; echo /etc >.git/objects/info/alternates; echo "* filter=x" >.git/info/attributes',
      "mkdir -p src; echo mine >src/mine.txt; mv README.md 'odd\tname'; mv 'odd\tname' -- -README.md",
      `setsid sh -c '${daemon}' >/dev/null 2>&1 &`,
      'sleep 0.3',
      `echo '{"type":"cost","inputTokens":-5,"usd":-1}'; echo '{"type":"cost","inputTokens":1e99}'; echo '{"type":"leased","fence":"9"}'`,
      `echo '{"type":"done","title":"One"}'; echo '{"type":"done","title":"Two","branch":"main","sha":"${sha}"}'`,
      'exit 0',
    ];
    const agent = { command: ['sh', '-c', steps.join('\n')] };
    const spec = await rig.spec({ sha, agent });
    await rig.runner.start(spec);
    await rig.until(spec, 'exited');
    const said = (await rig.all(spec)).map(({ event }) => event);
    const printed = said.flatMap((event) => (event.type === 'raw' ? event.text.split('\n') : []));
    const descriptors = printed.filter((line) => line.startsWith('fd '));
    expect(descriptors.length).toBeGreaterThanOrEqual(3);
    // The fourth is the folder that is being listed.
    expect(descriptors.filter((line) => !/^fd [0-2] $/.test(line) && !/^fd 3 \/proc\/\d+\/fd$/.test(line))).toEqual([]);
    expect(said.filter(({ type }) => type === 'cost')).toEqual([]);
    expect(said.filter(({ type }) => type === 'done')).toHaveLength(2);
    const result = await rig.runner.result(spec, rig.result);
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    expect(result.files.map(({ path, status }) => `${status} ${path}`).sort()).toEqual(
      ['added -README.md', 'added late.txt', 'added src-late.txt', 'added src/mine.txt', 'deleted README.md'].sort(),
    );
    const push = { source: rig.source(), branch: spec.repository.branch, commit: result.commit, expected: null };
    expect(await rig.runner.push(spec, push)).toBe('pushed');
    const inBare = (...args: string[]) => git(['--git-dir', rig.bare(), ...args]);
    const pushed = await inBare('show', '-s', '--format=%P|%an|%ae|%cn|%ce', `refs/heads/${push.branch}`);
    const { name, email } = rig.result.author;
    expect(pushed).toBe([sha, name, email, name, email].join('|'));
    const refs = await inBare('for-each-ref', '--format=%(refname)');
    expect(refs).not.toMatch(/-x|v1|replace|other/);
    await rig.runner.remove(spec);
    expect(await isSprung()).toBe(false);
  });

  it.each([
    [
      'a submodule whose name climbs',
      { '.gitmodules': '[submodule "../../x"]\n\tpath = x\n\turl = http://x.example/x\n' },
    ],
    [
      'a submodule whose address is an option',
      { '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n' },
    ],
    ['.gitmodules that is a link', { '.gitmodules': { content: '/etc/passwd', mode: '120000' as const } }],
    ['.git', { '.git/config': '[core]\n' }],
    ['.GIT', { '.GIT/config': '[core]\n' }],
    ['git~1', { 'git~1/config': '[core]\n' }],
    ['.git with a character that is not seen', { '.g\u200cit/config': '[core]\n' }],
    ['.git that is a link', { '.git': { content: '/etc', mode: '120000' as const } }],
    ['..', { '../x': 'x\n' }],
  ] satisfies [string, Files][])('is not begun with when it has %s', async (_what, files) => {
    const sha = await rig.commit({ ...HARMLESS, ...files }, [], `trap-${Math.random().toString(36).slice(2)}`);
    const spec = await rig.spec({ sha });
    await expect(rig.runner.start(spec)).rejects.toMatchObject({ code: 'FORGEWAY_GIT_FAILED' });
    expect((await rig.runner.observe(spec)).state).toBe('preparing');
    await rig.runner.remove(spec);
    expect(await isSprung()).toBe(false);
  });
});

if (!canRun) skip('a hostile repository', () => it('needs namespaces', () => expect(probe?.network).toBe(true)));
