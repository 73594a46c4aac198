/** Repositories laid out so that files of the base branch and files of a head get into each other's way, and changes by way of others. */
import { access, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSecrets, knowing } from '../../src/effects/agents/secret-scan.js';
import { git } from '../support/git-repository.js';
import { openWorkTreeRig, rules, type WorkTree, type WorkTreeRig } from './work-tree-rig.js';

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

let rig: WorkTreeRig;
beforeAll(async () => {
  rig = await openWorkTreeRig();
});
afterAll(() => rig?.close());

const changed = (from: string, to: string) => git(['--git-dir', rig.mirror, 'diff', '--name-status', from, to]);

describe('files that configure agents', () => {
  it('take nothing away from a branch that has a file where the base branch has their folder', async () => {
    const base = await rig.commit({ 'README.md': '# Shop\n', 'docs/CLAUDE.md': 'Be kind.\n', 'docs/a.md': 'a\n' });
    for (const docs of ['now a file\n', { content: 'README.md', mode: '120000' as const }]) {
      const head = await rig.commit({ 'README.md': '# Shop\n', docs }, 'head', [base]);
      const tree = await rig.workTree(head, base);
      await tree.write('new.txt', 'new\n');
      const result = await tree.result();
      if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
      expect(await changed(head, result.commit)).toBe('A\tnew.txt');
      await tree.remove();
    }
  });

  it('take nothing away where the base branch has a file in the place of a folder of the branch', async () => {
    const base = await rig.commit({ 'README.md': '# Shop\n', '.claude': 'a file\n' });
    const head = await rig.commit({ 'README.md': '# Shop\n', '.claude/settings.json': '{}\n' }, 'head', [base]);
    const tree = await rig.workTree(head, base);
    expect(await exists(join(tree.target, '.claude/settings.json'))).toBe(false);
    await tree.write('new.txt', 'new\n');
    const result = await tree.result();
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    expect(await changed(head, result.commit)).toBe('A\tnew.txt');
    await tree.remove();
  });

  it('are begun with whatever they are called, when they cannot be copied beside the task', async () => {
    const base = await rig.commit({ 'README.md': '# Shop\n' });
    const long = 'x'.repeat(250);
    const files = {
      'README.md': '# Shop\n',
      [`.claude/${long}`]: 'Evil.\n',
      'CLAUDE.md': 'Evil.\n',
      'CLAUDE.md.from-the-branch/CLAUDE.md': 'Evil.\n',
      '.cursor/b': 'Evil.\n',
    };
    const tree = await rig.workTree(await rig.commit(files, 'head', [base]), base);
    expect(await exists(join(tree.target, '.claude'))).toBe(false);
    expect(await exists(join(tree.copies, '.cursor/b.from-the-branch'))).toBe(true);
    expect(await tree.result()).toEqual({ kind: 'unchanged' });
    await tree.remove();
  });
});

describe('what steers the forge', () => {
  const pipelines = {
    'README.md': '# Shop\n',
    '.gitmodules': '[submodule "a"]\n\tpath = a\n\turl = https://example.com/a.git\n',
    '.gitlab-ci.yml': [
      'include:',
      '  - local: /ci/build.yml',
      "  - local: 'ci/jobs/*.yml'",
      '  - project: other/project',
      '    file: elsewhere.yml',
      '  - ci/plain.yml',
      'job:',
      '  script: [make]',
      '  trigger:',
      '    include: ci/child.yml',
      '',
    ].join('\n'),
    'ci/build.yml': 'include: /ci/deeper.yml\n',
    'ci/deeper.yml': 'x: {}\n',
    'ci/jobs/one.yml': 'x: {}\n',
    'ci/plain.yml': 'x: {}\n',
    'ci/child.yml': 'x: {}\n',
    'ci/unused.yml': 'x: {}\n',
    '.github/workflows/ci.yml':
      'jobs:\n  a:\n    steps:\n      - uses: ./tools/setup\n      - uses: actions/checkout@v4\n',
    'tools/setup/action.yml': 'runs: { using: composite, steps: [{ uses: ./tools/inner }] }\n',
    'tools/inner/action.yaml': 'runs: { using: node20, main: index.js }\n',
    'tools/inner/index.js': 'x\n',
    '.gitea/workflows/linked.yml': { content: '../../shared/linked.yml', mode: '120000' as const },
    'shared/linked.yml': 'on: push\n',
  };
  let sha: string;
  beforeAll(async () => {
    sha = await rig.commit(pipelines);
  });
  async function outcomeOf(change: (tree: WorkTree) => Promise<unknown>, mayChangeWorkflows = false) {
    const tree = await rig.workTree(sha);
    await change(tree);
    const result = rules(await tree.result({ mayChangeWorkflows }));
    await tree.remove();
    return result;
  }

  it.each([
    'ci/build.yml',
    'ci/deeper.yml',
    'ci/jobs/one.yml',
    'ci/jobs/new.yml',
    'ci/plain.yml',
    'ci/child.yml',
    'tools/setup/action.yml',
    'tools/inner/action.yaml',
    'tools/inner/index.js',
    'shared/linked.yml',
  ])('is also %s, to which a pipeline leads', async (path) => {
    expect(await outcomeOf((tree) => tree.write(path, 'y: {}\n'))).toEqual(['workflow']);
    expect(await outcomeOf((tree) => tree.write(path, 'y: {}\n'), true)).toBe('changed');
  });

  it.each(['ci/unused.yml', 'elsewhere.yml', 'tools/other.js', 'src/ci/build.yml'])('is not %s', async (path) => {
    expect(await outcomeOf((tree) => tree.write(path, 'y: {}\n'))).toBe('changed');
  });

  it('is a link in the place of a folder of the forge’s, and where repositories within the repository come from', async () => {
    const link = (path: string) => (tree: WorkTree) => symlink('src', join(tree.target, path));
    for (const path of ['.forgejo', '.gitlab', '.circleci', '.GitLab'])
      expect([path, await outcomeOf(link(path))]).toEqual([path, ['workflow']]);
    const elsewhere = '[submodule "a"]\n\tpath = a\n\turl = https://evil.example/a.git\n';
    expect(await outcomeOf((tree) => tree.write('.gitmodules', elsewhere), true)).toEqual(['submodule']);
  });

  it('does not stop anybody when it cannot be read', async () => {
    const broken = { ...pipelines, '.gitlab-ci.yml': 'include: [\n  *x: &y {', 'ci/jobs/loop.yml': 'x: {}\n' };
    const tree = await rig.workTree(await rig.commit(broken, 'broken'));
    await tree.write('ci/unused.yml', 'z: {}\n');
    expect(rules(await tree.result())).toBe('changed');
    await tree.remove();
  });
});

describe('a secret', () => {
  const real = `ghp_${'aB3dE6gH9kL2'.repeat(3)}`;
  const none = knowing([]);

  it('is found after one of the values that documentation is full of, on the same line', () => {
    expect(findSecrets('aws = AKIAIOSFODNN7EXAMPLE', none)).toEqual([]);
    expect(findSecrets('aws = AKIAIOSFODNN7EXAMPLE, AKIAQ3EGTBZ5XW7LMN2P', none)).toHaveLength(1);
    expect(findSecrets(`ghp_${'x'.repeat(36)} ${real}`, none)).toHaveLength(1);
  });

  it('is found in base64 that is broken into lines', () => {
    const text = Buffer.from(`${'some words before it '.repeat(2)}token ${real} and after`).toString('base64');
    for (const width of [20, 22, 31, 57, 64, 76]) {
      const lines = text.replace(new RegExp(`.{${width}}`, 'g'), '$&\n');
      expect([width, findSecrets(lines, none).length]).toEqual([width, 1]);
    }
  });
});
