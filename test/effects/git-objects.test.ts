/** Objects, refs and merges against a real git server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createGitObjectStore, type GitObjectRepository } from '../../src/effects/git/objects.js';
import { commitFiles, git } from '../support/git-repository.js';
import { type GitServer, startGitServer } from '../support/git-server.js';
import { loopback } from '../support/loopback.js';

const author = { name: 'Ann Äpfel', email: 'ann@example.com', date: new Date('2026-03-02T10:00:00Z') };

describe('git objects', () => {
  let folder: string;
  let server: GitServer;
  let bare: string;
  let repository: GitObjectRepository;
  let objects: ReturnType<ReturnType<typeof createGitObjectStore>>;
  let main: string;
  let feature: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgeway-objects-'));
    server = await startGitServer({
      directory: join(folder, 'served'),
      authorize: (credential) => credential?.password === 'sesame',
    });
    bare = await server.create('acme/web');
    repository = { id: 7n, cloneUrl: `${server.url}/acme/web.git` };
    const commit = (ref: string, files: Record<string, string>, parent?: string) =>
      commitFiles(bare, { ref, message: ref, files, ...(parent !== undefined && { parents: [parent] }) });
    main = await commit('refs/heads/main', { 'a.txt': 'one\n', 'dir/b.txt': 'two\n' });
    feature = await commit('refs/heads/feature', { 'a.txt': 'one\n', 'dir/b.txt': 'two\n', 'c.txt': 'new\n' }, main);
    objects = createGitObjectStore(
      join(folder, 'mirrors'),
      loopback,
    )({
      namespace: 'tenant\nforge\nhost',
      credential: { username: 'x', password: 'sesame', origin: server.url },
    });
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const served = (...args: string[]) => git(['--git-dir', bare, ...args]);

  it('reads commits, trees and blobs of the forge, and says when there are none', async () => {
    const commit = await objects.readCommit(repository, feature);
    expect(commit).toMatchObject({ sha: feature, parents: [main], message: 'refs/heads/feature' });
    const tree = await objects.readTree(repository, commit?.tree ?? '', true);
    expect(tree?.map(({ path, type }) => `${type} ${path}`)).toEqual([
      'blob a.txt',
      'blob c.txt',
      'tree dir',
      'blob dir/b.txt',
    ]);
    const blob = tree?.find(({ path }) => path === 'dir/b.txt');
    expect((await objects.readBlob(repository, blob?.sha ?? ''))?.toString()).toBe('two\n');
    expect(await objects.readCommit(repository, 'f'.repeat(40))).toBeUndefined();
  });

  it('writes a blob, a tree on top of another and a commit, and moves a branch to it', async () => {
    const bytes = Buffer.from([0, 255, 10, 0x24]);
    const blob = await objects.writeBlob(repository, bytes);
    const base = (await objects.readCommit(repository, main))?.tree;
    const tree = await objects.writeTree(repository, base, [
      { path: 'new/$(id) file', mode: '100755', type: 'blob', sha: blob },
      { path: 'a.txt', mode: '100644', type: 'blob', sha: null },
      { path: 'dir', mode: '100644', type: 'blob', sha: blob },
    ]);
    const message = 'subject\n\n#12 body';
    const sha = await objects.writeCommit(repository, { tree, parents: [main], message, author, committer: author });
    expect(await objects.pushRef(repository, 'refs/heads/made', sha, { force: false, expected: null })).toBe('moved');
    expect(await served('ls-tree', '-r', '--name-only', 'made')).toBe('dir\nnew/$(id) file');
    expect(await served('log', '-1', '--format=%an <%ae> %at %B', 'made')).toContain(
      `Ann Äpfel <ann@example.com> ${author.date.getTime() / 1_000} ${message}`,
    );
    expect(await objects.pushRef(repository, 'refs/heads/made', main, { force: false })).toBe('not-fast-forward');
    expect(await objects.pushRef(repository, 'refs/heads/made', main, { force: true, expected: feature })).toBe(
      'changed-meanwhile',
    );
    expect(await objects.pushRef(repository, 'refs/heads/made', main, { force: true, expected: sha })).toBe('moved');
    expect(await served('rev-parse', 'made')).toBe(main);
  });

  it('writes an annotated tag, which reaches the forge with its ref, and refuses what is none', async () => {
    const tag = { name: 'v1.0', message: 'One\n\nFirst.', object: main, type: 'commit', tagger: author } as const;
    const sha = await objects.writeTag(repository, tag);
    const read = { ...tag, sha };
    expect(await objects.readTag(repository, sha)).toEqual(read);
    expect(await served('tag')).toBe('');
    const pushed = await objects.pushRef(repository, 'refs/tags/v1.0', sha, { force: false, expected: null });
    expect([pushed, await served('cat-file', '-t', 'v1.0'), await served('rev-parse', 'v1.0^{}')]).toEqual([
      'moved',
      'tag',
      main,
    ]);
    expect(await objects.readTag(repository, main)).toBeUndefined();
    for (const wrong of [
      { object: 'f'.repeat(40) },
      { type: 'blob' as const },
      { name: 'a..b' },
      { name: 'x\ntagger me' },
      { message: 'a\0b' },
      { tagger: { ...author, name: '<>' } },
    ])
      await expect(objects.writeTag(repository, { ...tag, ...wrong })).rejects.toMatchObject({
        code: 'FORGEWAY_GIT_REFUSED',
      });
  });

  it('merges, finds nothing to merge, and tells of a conflict', async () => {
    await served('update-ref', 'refs/heads/base', main);
    const merged = await objects.merge(repository, 'base', 'feature', 'Merge it', author);
    const head = await served('rev-parse', 'base');
    expect(merged).toEqual({ merged: head });
    expect(await served('log', '-1', '--format=%P', 'base')).toBe(`${main} ${feature}`);
    expect(await objects.merge(repository, 'base', 'feature', 'again', author)).toBeUndefined();
    await commitFiles(bare, {
      ref: 'refs/heads/other',
      message: 'other',
      files: { 'c.txt': 'different\n' },
      parents: [main],
    });
    expect(await objects.merge(repository, 'base', 'other', 'no', author)).toEqual({ conflict: true });
    expect(await served('rev-parse', 'base')).toBe(head);
  });

  it('refuses commits that git would not write, or would write otherwise', async () => {
    const { tree } = (await objects.readCommit(repository, main)) ?? { tree: '' };
    const commit = { tree, parents: [main], message: 'fine', author, committer: author };
    expect(await objects.writeCommit(repository, commit)).toMatch(/^[0-9a-f]{40}$/);
    for (const wrong of [
      { message: 'a\0b' },
      { author: { ...author, name: '<>' } },
      { committer: { ...author, date: new Date('no') } },
      { tree: '0'.repeat(40) },
      { parents: ['1'.repeat(40)] },
    ])
      await expect(objects.writeCommit(repository, { ...commit, ...wrong })).rejects.toMatchObject({
        code: 'FORGEWAY_GIT_REFUSED',
      });
  });

  it('refuses paths that would leave the repository, refs that are options, and other origins', async () => {
    const blob = await objects.writeBlob(repository, Buffer.from('x'));
    for (const path of ['../up', '.git/config', 'a/../../b', '/etc/passwd'])
      await expect(
        objects.writeTree(repository, undefined, [{ path, mode: '100644', type: 'blob', sha: blob }]),
      ).rejects.toMatchObject({ code: 'FORGEWAY_GIT_REFUSED' });
    for (const ref of ['--upload-pack=touch x', 'main', 'refs/heads/a b'])
      await expect(objects.pushRef(repository, ref, main, { force: true })).rejects.toMatchObject({
        code: 'FORGEWAY_GIT_REFUSED',
      });
    await expect(
      (async () => objects.readCommit({ id: 8n, cloneUrl: 'http://127.0.0.1:1/acme/web.git' }, main))(),
    ).rejects.toMatchObject({ code: 'FORGEWAY_GIT_FAILED' });
  });
});
