import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type GitLabRig, startGitLab } from '../../../../test/support/gitlab-rig.js';
import { archives } from './archives.js';

const at: { gitlab: GitLabRig } = {} as { gitlab: GitLabRig };
beforeAll(async () => {
  at.gitlab = await startGitLab();
});
afterAll(() => at.gitlab.close());

it.each([
  ['tarball', '1f8b'],
  ['zipball', '504b'],
])('a %s of a commit, a branch and the default branch', async (kind, magic) => {
  const route = `GET /repos/{owner}/{repo}/${kind}/{ref}`;
  const sha = await at.gitlab.web.git.resolve('main');
  for (const ref of [sha, 'main', 'refs/heads/main', '']) {
    const { status, data } = await at.gitlab.ask(route, { ref });
    expect([ref, status, (data as Buffer).subarray(0, 2).toString('hex')]).toEqual([ref, 200, magic]);
  }
  expect((await at.gitlab.ask(route, { ref: 'none' })).status).toBe(404);
});

it('covers every row', () => at.gitlab.expectEveryRow({ archives }));
