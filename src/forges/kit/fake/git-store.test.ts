import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createFakeGit, type FakeGit } from './git-store.js';

const anna = { name: 'Anna', email: 'anna@example.com', date: '2026-11-22T10:00:00Z' };
const bert = { name: 'Bert <x>', email: 'bert@example.com', date: '2026-11-22T12:00:00+01:00' };

let folder: string;
let store: FakeGit;
let first: string;
const stores = { count: 0 };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fake-git-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  stores.count += 1;
  const clock = () => new Date('2026-11-23T00:00:00Z');
  store = await createFakeGit(folder, `group/web-${stores.count}`, { clock });
  const lines = Array.from({ length: 20 }, (_, at) => `line ${at}\n`).join('');
  first = await store.commit({
    branch: 'main',
    message: 'First',
    author: anna,
    files: [
      { path: 'README.md', content: '# Web\n' },
      { path: 'src/deep/a b.ts', content: lines },
      { path: 'bin/run', content: '#!/bin/sh\n', mode: '100755' },
    ],
  });
});

const change = (branch: string, path: string, content: string | Buffer | null, startAt?: string) =>
  store.commit({ branch, startAt, message: `Change ${path}`, author: anna, files: [{ path, content }] });

describe('commits and refs', () => {
  it('start a repository that had none', async () => {
    expect(await store.readCommit(first)).toEqual({
      sha: first,
      tree: expect.stringMatching(/^[0-9a-f]{40}$/),
      parents: [],
      message: 'First',
      author: anna,
      committer: anna,
    });
    expect(await store.refs()).toEqual([{ ref: 'refs/heads/main', sha: first, commit: first }]);
  });

  it('follow the branch, or what they are told to start at', async () => {
    const second = await change('main', 'README.md', '# Site\n');
    const other = await change('topic/one', 'x', 'x', first);
    const moved = await change('topic/one', 'y', 'y', 'main');
    expect((await store.readCommit(second))?.parents).toEqual([first]);
    expect((await store.readCommit(other))?.parents).toEqual([first]);
    expect((await store.readCommit(moved))?.parents).toEqual([second]);
    expect(await store.resolve('topic/one')).toBe(moved);
    await expect(change('topic/two', 'x', 'x', 'nowhere')).rejects.toThrow('nothing named nowhere');
  });

  it('keep author and committer apart, in UTC and without what git cannot keep', async () => {
    const sha = await store.commit({
      branch: 'main',
      message: 'Two\n\nLines\n',
      author: bert,
      committer: { name: 'Forge', email: '' },
      files: [],
    });
    expect(await store.readCommit(sha)).toMatchObject({
      message: 'Two\n\nLines\n',
      author: { name: 'Bert x', email: 'bert@example.com', date: '2026-11-22T11:00:00Z' },
      committer: { name: 'Forge', email: '', date: '2026-11-23T00:00:00Z' },
    });
  });

  it('are found by branch, tag, full ref and SHA, and by nothing else', async () => {
    const tag = await store.createTag({ name: 'v1', target: 'main', message: 'One', tagger: anna });
    await store.setRef('refs/tags/light', first);
    for (const name of ['main', 'refs/heads/main', 'v1', 'light', 'HEAD', first, first.slice(0, 8), tag])
      expect([name, await store.resolve(name)]).toEqual([name, first]);
    for (const name of ['nope', 'main~0', '--all', '', 'f'.repeat(40), 'a..b'])
      expect([name, await store.resolve(name)]).toEqual([name, undefined]);
    expect(await store.readTag(tag)).toEqual({ sha: tag, name: 'v1', target: first, message: 'One', tagger: anna });
    expect(await store.readTag(first)).toBeUndefined();
    expect(await store.readCommit(tag)).toBeUndefined();
    expect(await store.refs('refs/tags/')).toEqual([
      { ref: 'refs/tags/light', sha: first, commit: first },
      { ref: 'refs/tags/v1', sha: tag, commit: first },
    ]);
    await store.setRef('refs/tags/light', null);
    expect(await store.resolve('light')).toBeUndefined();
  });

  it('are listed newest first, by path, range and page', async () => {
    const second = await change('main', 'README.md', '2');
    const third = await change('main', 'other', '3');
    expect(await store.log('main')).toEqual([third, second, first]);
    expect(await store.log('main', { skip: 1, limit: 1 })).toEqual([second]);
    expect(await store.log('main', { path: 'README.md' })).toEqual([second, first]);
    expect(await store.log('main', { exclude: second })).toEqual([third]);
    expect(await store.log('main', { since: '2027-01-01T00:00:00Z' })).toEqual([]);
    await expect(store.log('nope')).rejects.toThrow('nothing named nope');
  });
});

describe('trees and files', () => {
  it('are read at any depth', async () => {
    expect((await store.readTree('main'))?.map(({ path, type }) => `${type} ${path}`)).toEqual([
      'blob README.md',
      'tree bin',
      'tree src',
    ]);
    expect(await store.readTree('main', 'src/deep')).toEqual([
      { path: 'src/deep/a b.ts', mode: '100644', type: 'blob', sha: expect.any(String), size: 150 },
    ]);
    expect((await store.readTree('main', '', true))?.map(({ path }) => path)).toEqual([
      'README.md',
      'bin',
      'bin/run',
      'src',
      'src/deep',
      'src/deep/a b.ts',
    ]);
    const tree = (await store.readCommit(first))?.tree ?? '';
    expect(await store.readTree(tree, 'bin')).toMatchObject([{ path: 'bin/run', mode: '100755' }]);
    for (const [ref, path] of [
      ['main', 'nope'],
      ['main', 'README.md'],
      ['nope', ''],
    ] as const)
      expect(await store.readTree(ref, path)).toBeUndefined();
  });

  it('hold bytes', async () => {
    const bytes = Buffer.from([0, 255, 10, 13]);
    await change('main', 'we"ird\\ü\n.bin', bytes);
    const file = await store.readFile('main', 'we"ird\\ü\n.bin');
    expect(file).toMatchObject({ content: bytes, mode: '100644' });
    expect(await store.readBlob(file?.sha ?? '')).toEqual(bytes);
    expect(await store.readBlob(first)).toBeUndefined();
    for (const path of ['src', 'src/', 'nope', '', 'src/deep/*'])
      expect([path, await store.readFile('main', path)]).toEqual([path, undefined]);
  });

  it('lose files and folders, and turn a file into a folder', async () => {
    await change('main', 'src', null);
    await change('main', 'README.md/inside', 'x');
    expect((await store.readTree('main', '', true))?.map(({ path }) => path)).toEqual([
      'README.md',
      'README.md/inside',
      'bin',
      'bin/run',
    ]);
  });
});

describe('differences', () => {
  it('name what was added, removed, changed and renamed, each with its own hunks', async () => {
    const moved = (await store.readFile('main', 'src/deep/a b.ts'))?.content
      .toString()
      .replace('line 3\n', 'line three\n');
    const second = await store.commit({
      branch: 'main',
      message: 'Many',
      author: anna,
      files: [
        { path: 'README.md', content: '# Web\nmore\n' },
        { path: 'src/deep/a b.ts', content: null },
        { path: 'src/b.ts', content: moved ?? '' },
        { path: 'bin/run', content: 'README.md', mode: '120000' },
        { path: 'new.txt', content: 'new\n' },
        { path: 'picture', content: Buffer.from([0, 1, 2]) },
      ],
    });
    const { files, text } = await store.diff(first, second);
    expect(files.map(({ path, status, additions, deletions }) => [path, status, additions, deletions])).toEqual([
      ['README.md', 'modified', 1, 0],
      ['bin/run', 'modified', 1, 1],
      ['new.txt', 'added', 1, 0],
      ['picture', 'added', 0, 0],
      ['src/b.ts', 'renamed', 1, 1],
    ]);
    expect(files[0]?.patch).toBe('@@ -1 +1,2 @@\n # Web\n+more\n');
    expect(files[1]).toMatchObject({ oldMode: '100755', newMode: '120000' });
    expect(files[2]).toMatchObject({ patch: '@@ -0,0 +1 @@\n+new\n', newMode: '100644' });
    expect(files[2]).not.toHaveProperty('oldMode');
    expect(files[3]?.patch).toBe('');
    expect(files[4]).toMatchObject({ previousPath: 'src/deep/a b.ts' });
    expect(files[4]?.patch).toContain('-line 3\n+line three\n');
    expect(text).toContain('rename to src/b.ts');
    expect((await store.diff(second, first)).files.map(({ status }) => status)).toContain('removed');
  });

  it('show a first commit against nothing', async () => {
    expect((await store.diff(null, 'main')).files.map(({ status }) => status)).toEqual(['added', 'added', 'added']);
  });

  it('are sent as mail', async () => {
    await change('topic', 'x', 'x\n', 'main');
    const mail = await store.formatPatch('main', 'topic');
    expect(mail).toContain('Subject: [PATCH] Change x');
    expect(mail).toContain('From: Anna <anna@example.com>');
  });
});

describe('merges', () => {
  const merge = (how: 'merge' | 'squash' | 'rebase' | 'fast-forward', head = 'topic') =>
    store.merge({ base: 'main', head, message: `Merge ${head}`, author: bert, how });
  const contentOf = async (path: string) => (await store.readFile('main', path))?.content.toString();

  async function diverge(): Promise<{ main: string; topic: string }> {
    await change('topic', 'x', 'x1\n', 'main');
    const topic = await change('topic', 'x', 'x2\n');
    const main = await change('main', 'README.md', 'ours\n');
    return { main, topic };
  }

  it('have two parents', async () => {
    const { main, topic } = await diverge();
    expect(await store.conflicts('main', 'topic')).toBe(false);
    expect(await store.resolve('main')).toBe(main);
    expect(await merge('merge')).toEqual({ sha: await store.resolve('main') });
    expect(await store.readCommit((await store.resolve('main')) ?? '')).toMatchObject({
      parents: [main, topic],
      message: 'Merge topic',
      author: { name: 'Bert x' },
    });
    expect([await contentOf('x'), await contentOf('README.md')]).toEqual(['x2\n', 'ours\n']);
    expect(await store.mergeBase('main', 'topic')).toBe(topic);
    expect(await store.isAncestor('topic', 'main')).toBe(true);
    expect(await store.isAncestor('main', 'topic')).toBe(false);
  });

  it('are one commit when squashed', async () => {
    const { main } = await diverge();
    await merge('squash');
    expect(await store.readCommit((await store.resolve('main')) ?? '')).toMatchObject({ parents: [main] });
    expect(await contentOf('x')).toBe('x2\n');
  });

  it('repeat the commits when rebased, without those that change nothing any more', async () => {
    const { main } = await diverge();
    await change('topic', 'README.md', 'ours\n');
    await merge('rebase');
    const [last = '', before = '', tip] = await store.log('main', { limit: 3 });
    expect(tip).toBe(main);
    expect(await store.readCommit(last)).toMatchObject({
      parents: [before],
      author: anna,
      committer: { name: 'Bert x' },
    });
    expect([await contentOf('x'), await contentOf('README.md')]).toEqual(['x2\n', 'ours\n']);
  });

  it('only move the branch when fast-forwarded', async () => {
    const ahead = await change('topic', 'x', 'x', 'main');
    expect(await merge('fast-forward')).toEqual({ sha: ahead });
    expect(await store.resolve('main')).toBe(ahead);
    await diverge();
    expect(await merge('fast-forward')).toEqual({ conflict: true });
  });

  it.each(['merge', 'squash', 'rebase'] as const)('change nothing on a conflict (%s)', async (how) => {
    await change('topic', 'README.md', 'theirs\n', 'main');
    const main = await change('main', 'README.md', 'ours\n');
    expect(await store.conflicts('main', 'topic')).toBe(true);
    expect(await merge(how)).toEqual({ conflict: true });
    expect(await store.resolve('main')).toBe(main);
  });

  it('stay where they are when there is nothing to merge', async () => {
    await store.setRef('refs/heads/topic', first);
    const main = await change('main', 'x', 'x');
    expect(await merge('merge')).toEqual({ sha: main });
    await expect(merge('merge', 'nope')).rejects.toThrow('nothing named nope');
  });
});
