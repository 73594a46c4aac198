import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { commits } from './commits.js';
import { comparison } from './compare.js';

const LIST = 'GET /repos/{owner}/{repo}/commits';
const GET = 'GET /repos/{owner}/{repo}/commits/{ref}';
const COMPARE = 'GET /repos/{owner}/{repo}/compare/{basehead}';

describe('commits on Gitea', () => {
  let gitea: GiteaRig;
  let tip: string;
  beforeAll(async () => {
    gitea = await startGitea();
    await gitea.fake.push('acme', 'web', {
      branch: 'release/1.0',
      by: 'bob',
      message: 'One\n',
      files: { 'a.txt': '1\n2\n3\n4\n5\n6\n7\n8\n9\n' },
    });
    tip = await gitea.fake.push('acme', 'web', {
      branch: 'release/1.0',
      by: 'alice',
      message: 'Two\n',
      files: { 'a.txt': '1\n2\n3\n4\nfive\n6\n7\n8\n9\nten', 'README.md': null },
    });
    await gitea.fake.push('acme', 'web', {
      branch: 'main',
      by: 'alice',
      message: 'Elsewhere\n',
      files: { 'b.txt': 'b\n' },
    });
  });
  afterAll(() => gitea.close());

  const messages = (data: Loose): string[] => data.map((one: Loose) => one.commit.message.trim());

  it('are listed by branch, path, person and time', async () => {
    const listed = await gitea.ask(LIST, { sha: 'release/1.0' });
    expect(messages(listed.data)).toEqual(['Two', 'One', 'Initial commit']);
    expect([listed.data[0].files, listed.data[0].author.login]).toEqual([undefined, 'alice']);
    expect(messages((await gitea.ask(LIST, { sha: 'release/1.0', path: 'a.txt' })).data)).toEqual(['Two', 'One']);
    expect(messages((await gitea.ask(LIST, { sha: 'release/1.0', author: 'bob' })).data)).toEqual(['One']);
    expect(
      messages((await gitea.ask(LIST, { sha: 'release/1.0', since: listed.data[0].commit.committer.date })).data),
    ).toEqual(['Two']);
    expect(messages((await gitea.ask(LIST, { sha: 'release/1.0', until: '2020-01-01T00:00:00Z' })).data)).toEqual([]);
    expect((await gitea.ask(LIST, { sha: 'release/1.0', per_page: 2 })).pages).toEqual({ next: true, last: 2 });
    expect((await gitea.ask(LIST, { sha: 'none' })).status).toBe(404);
    expect((await gitea.ask(LIST, { sha: 'none', path: 'a.txt' })).status).toBe(404);
    expect((await gitea.ask(LIST, { path: 'no-such-file' })).data).toEqual([]);
    // Of one path the server does not listen to the size of the page.
    const second = await gitea.ask(LIST, { sha: 'release/1.0', path: 'a.txt', per_page: 1, page: 2 });
    expect([messages(second.data), second.pages]).toEqual([['One'], { next: false, last: 2 }]);
  });

  it('are read one by one: files with patches, diff, patch, SHA alone', async () => {
    const one = await gitea.ask(GET, { ref: 'release/1.0' });
    expect(one.data).toMatchObject({ sha: tip, stats: { additions: 2, deletions: 2, total: 4 } });
    expect(one.data.files.map((file: Loose) => [file.filename, file.status])).toEqual([
      ['README.md', 'removed'],
      ['a.txt', 'modified'],
    ]);
    expect(one.data.files[1].patch).toMatch(/^@@ -2,8 \+2,9 @@/);
    // The blob of what is there, and of what was removed the one that was there: an app that carries a change over reads both.
    for (const [file, ref] of [
      [one.data.files[0], one.data.parents[0].sha],
      [one.data.files[1], tip],
    ])
      expect(file.sha).toBe(
        (await gitea.ask('GET /repos/{owner}/{repo}/contents/{path}', { path: file.filename, ref })).data.sha,
      );
    for (const ref of ['heads/release/1.0', 'refs/heads/release/1.0'])
      expect((await gitea.ask(GET, { ref })).data.sha).toBe(tip);
    expect(String((await gitea.ask(GET, { ref: tip }, { media: 'diff' })).data)).toMatch(/^diff --git/);
    expect(String((await gitea.ask(GET, { ref: tip }, { media: 'patch' })).data)).toMatch(/Subject: \[PATCH\] Two/);
    expect((await gitea.ask(GET, { ref: 'release/1.0' }, { media: 'sha' })).data).toBe(tip);
    for (const media of ['json', 'sha', 'diff'] as const)
      expect((await gitea.ask(GET, { ref: 'none' }, { media })).status).toBe(404);
  });

  it.each([{}, { version: '1.24.0' }])('are compared, with the files that changed (%o)', async (options) => {
    const other = Object.keys(options).length === 0 ? gitea : await startGitea(options);
    if (other !== gitea) {
      await other.fake.push('acme', 'web', {
        branch: 'release/1.0',
        by: 'bob',
        files: { 'a.txt': '1\n2\n3\n4\n5\n6\n7\n8\n9\n' },
      });
      await other.fake.push('acme', 'web', {
        branch: 'release/1.0',
        by: 'alice',
        message: 'Two\n',
        files: { 'a.txt': '1\n2\n3\n4\nfive\n6\n7\n8\n9\nten', 'README.md': null },
      });
      await other.fake.push('acme', 'web', { branch: 'main', by: 'alice', files: { 'b.txt': 'b\n' } });
    }
    const compared = await other.ask(COMPARE, { basehead: 'main...release/1.0' });
    expect(compared.data).toMatchObject({ status: 'diverged', ahead_by: 2, behind_by: 1, total_commits: 2 });
    expect(messages(compared.data.commits).at(-1)).toBe('Two');
    expect(compared.data.merge_base_commit.commit.message.trim()).toBe('Initial commit');
    expect(compared.data.files).toMatchObject([
      { filename: 'README.md', status: 'removed', deletions: 1, patch: '@@ -1 +0,0 @@\n-# web' },
      { filename: 'a.txt', status: 'added', additions: 10 },
    ]);
    expect(compared.data.files[1].patch).toMatch(/\+ten\n\\ No newline at end of file$/);
    const back = await other.ask(COMPARE, { basehead: 'release/1.0...main' });
    expect(back.data).toMatchObject({ ahead_by: 1, behind_by: 2, files: [{ filename: 'b.txt', status: 'added' }] });
    expect((await other.ask(COMPARE, { basehead: 'main...acme:main' })).data).toMatchObject({
      status: 'identical',
      files: [],
      commits: [],
    });
    expect((await other.ask(COMPARE, { basehead: 'main...release/1.0', per_page: 1, page: 2 })).data).toMatchObject({
      commits: [{}],
      files: [],
    });
    if (other !== gitea) await other.close();
  });

  it('are compared when one side has it all', async () => {
    const { sha } = (await gitea.ask(LIST, { sha: 'release/1.0', per_page: 3 })).data[2];
    expect((await gitea.ask(COMPARE, { basehead: `${sha}...release/1.0` })).data).toMatchObject({
      status: 'ahead',
      behind_by: 0,
      merge_base_commit: { sha },
    });
    expect((await gitea.ask(COMPARE, { basehead: `release/1.0...${sha}` })).data).toMatchObject({
      status: 'behind',
      ahead_by: 0,
      merge_base_commit: { sha },
    });
    for (const basehead of ['main', 'main...none', 'none...main'])
      expect((await gitea.ask(COMPARE, { basehead })).status).toBe(404);
  });

  it('are counted for those who wrote them', async () => {
    const contributors = 'GET /repos/{owner}/{repo}/contributors';
    // Who made the first commit has another address now, so that it is nobody's.
    const acme = gitea.fake.state.accounts.find(({ login }) => login === 'acme');
    Object.assign(acme ?? {}, { email: 'new@acme.test' });
    const { data } = await gitea.ask(contributors);
    expect(data.map((one: Loose) => [one.login, one.contributions])).toEqual([['alice', 1]]);
    const all = await gitea.ask(contributors, { anon: 'true', per_page: 1, page: 2 });
    expect([all.data, all.pages]).toMatchObject([
      [{ type: 'Anonymous', name: 'acme', contributions: 1 }],
      { next: false, last: 2 },
    ]);
    gitea.fake.api.failNext('GET', /\/commits$/, { status: 409, json: { message: 'Git Repository is empty.' } });
    expect((await gitea.ask(contributors)).status).toBe(204);
  });

  it('are not there in a repository that is not there', async () => {
    for (const table of [commits, comparison]) await gitea.expectMissing(table, { ref: 'main', basehead: 'main...x' });
  });

  it('are all proven', () => {
    gitea.expectEveryRow({ commits, comparison });
  });
});
