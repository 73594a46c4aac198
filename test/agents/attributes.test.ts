/** Attributes of a repository: whatever they convert, what is pushed is what the agent has changed. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentResult } from '../../src/effects/agents/runner.js';
import { git } from '../support/git-repository.js';
import { openWorkTreeRig, type WorkTree, type WorkTreeRig } from './work-tree-rig.js';

let rig: WorkTreeRig;
beforeAll(async () => {
  rig = await openWorkTreeRig();
});
afterAll(() => rig.close());

const changedFiles = (result: AgentResult) =>
  result.kind === 'changed' ? result.files.map(({ path, status }) => `${status} ${path}`).sort() : result;
/** Without its last line end. */
async function blob(result: AgentResult, path: string): Promise<string> {
  if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
  return rig.show(result.commit, path);
}

/** Each converts files that nobody has touched, so that git itself sees them as changed. */
const HOSTILE = {
  'every file is UTF-16, the attributes too': '* working-tree-encoding=UTF-16\n',
  'an encoding that there is not': '* working-tree-encoding=klingon\n',
  'an encoding that the files do not have': '*.txt working-tree-encoding=UTF-16LE-BOM\n',
  'line ends that the files do not have': '* text\n',
  'the other line ends': '* text eol=crlf\n',
  keywords: '* ident\n',
  'a filter that there is not': '* filter=lfs diff=lfs merge=lfs\n',
  'all of it': '[attr]all text eol=crlf ident working-tree-encoding=UTF-16\n* all\n',
};

const FILES = {
  'README.md': '# Shop\n',
  'plain.txt': 'one\ntwo\n',
  'dos.txt': 'one\r\ntwo\r\n',
  'mixed.txt': 'one\r\ntwo\n$Id: of long ago $\n',
  'latin.txt': 'caf\u00c3\u00a9\n',
  'sub/.gitattributes': '*.txt text working-tree-encoding=UTF-16\n',
  'sub/deep.txt': 'deep\r\n',
};

describe.each(Object.entries(HOSTILE))('%s', (_what, attributes) => {
  let tree: WorkTree;
  beforeAll(async () => {
    tree = await rig.workTree(await rig.commit({ ...FILES, '.gitattributes': attributes }));
  });
  afterAll(() => tree.remove());

  it('gives an agent the bytes of the repository, of which its own git sees none as changed', async () => {
    for (const [path, content] of Object.entries({ ...FILES, '.gitattributes': attributes }))
      expect([path, await readFile(join(tree.target, path), 'utf8')]).toEqual([path, content]);
    expect(await git(['-C', tree.target, 'status', '--porcelain'])).toBe('');
  });

  it('has nothing pushed that was not touched, and what was', async () => {
    expect(await tree.result()).toEqual({ kind: 'unchanged' });
    await tree.write('README.md', '# Store\n');
    await tree.write('new.md', 'new\n');
    const result = await tree.result();
    expect(changedFiles(result)).toEqual(['added new.md', 'modified README.md']);
    expect([await blob(result, 'README.md'), await blob(result, 'new.md')]).toEqual(['# Store', 'new']);
  });
});

describe('line ends', () => {
  it('of what an agent has changed are those that the repository wants', async () => {
    const wants = '*.txt text\n*.raw -text\n';
    const tree = await rig.workTree(
      await rig.commit({ '.gitattributes': wants, 'a.txt': 'one\n', 'b.txt': 'one\r\n', 'c.raw': 'one\n' }),
    );
    await writeFile(join(tree.target, 'a.txt'), 'one\r\n');
    await writeFile(join(tree.target, 'c.raw'), 'one\r\ntwo');
    await writeFile(join(tree.target, 'd.txt'), 'new\r\nlines');
    const result = await tree.result();
    // The first is as it was, with the line ends that it has to have.
    expect(changedFiles(result)).toEqual(['added d.txt', 'modified c.raw']);
    expect([await blob(result, 'c.raw'), await blob(result, 'd.txt')]).toEqual(['one\r\ntwo', 'new\nlines']);
    await tree.remove();
  });

  it('are mended where that is what an agent has done', async () => {
    const tree = await rig.workTree(
      await rig.commit({ '.gitattributes': '* text\n', 'b.txt': 'one\r\n', 'c.txt': 'one\r\n' }),
    );
    await writeFile(join(tree.target, 'b.txt'), 'one\n');
    expect(changedFiles(await tree.result())).toEqual(['modified b.txt']);
    await tree.remove();
  });

  it('are left alone by attributes that an agent writes, where it has changed nothing else', async () => {
    const tree = await rig.workTree(await rig.commit({ 'b.txt': 'one\r\n', 'c.txt': 'one\n' }));
    await tree.write('.gitattributes', '* text ident working-tree-encoding=UTF-16\n');
    expect(changedFiles(await tree.result())).toEqual(['added .gitattributes']);
    await tree.remove();
  });

  it('are of no matter to links, folders and files that take each other’s place', async () => {
    const tree = await rig.workTree(
      await rig.commit({ '.gitattributes': '* text eol=crlf\n', 'a/b.txt': 'b\n', c: 'c\n', 'd.txt': 'd\n' }),
    );
    const swap = 'rm -r a c d.txt; ln -s d.txt a; mkdir c; printf "e\\r\\n" >c/e.txt; printf f >"odd * [n]ame.txt"';
    await promisify(execFile)('sh', ['-c', swap], { cwd: tree.target });
    const result = await tree.result();
    expect(changedFiles(result)).toEqual(
      ['added a', 'added c/e.txt', 'added odd * [n]ame.txt', 'deleted a/b.txt', 'deleted c', 'deleted d.txt'].sort(),
    );
    expect(await blob(result, 'c/e.txt')).toBe('e');
    await tree.remove();
  });

  it('of what somebody else has checked out are as ever, also when an agent’s was killed in the middle', async () => {
    const sha = await rig.commit({ '.gitattributes': '* text eol=crlf\n', 'a.txt': 'a\n' });
    const tree = await rig.workTree(sha);
    await writeFile(join(rig.mirror, 'info/attributes'), '* -text\n');
    await tree.write('a.txt', 'b\n');
    await tree.result();
    const target = `${tree.target}-preview`;
    await git(['--git-dir', rig.mirror, 'worktree', 'add', '--quiet', '--detach', target, sha]);
    expect(await readFile(join(target, 'a.txt'), 'utf8')).toBe('a\r\n');
    await tree.remove();
  });
});
