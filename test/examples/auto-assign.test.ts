import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

const config = 'assignees: author\nreviewers: [alice, bob, dave]\nskipKeywords: [hotfix]\n';

onEveryForge('auto-assign', { '.github/auto_assign.yml': config }, (forge) => {
  it('assigns the author and asks the others, once it is no draft', async () => {
    const alice = forge.as('alice');
    await alice.push({ branch: 'prices', files: { 'a.txt': 'a\n' }, message: 'Add a' });
    const number = await alice.openPullRequest({ head: 'prices', title: 'Prices', draft: true });
    expect((await forge.end()).pullRequests[0]).toMatchObject({ assignees: [], reviewers: [] });
    await alice.editPullRequest(number, { draft: false });
    await alice.push({ branch: 'skipped', files: { 'b.txt': 'b\n' }, message: 'Add b' });
    await alice.openPullRequest({ head: 'skipped', title: 'Hotfix' });
    const { pullRequests } = await forge.end();
    expect(
      pullRequests.map(({ title, assignees, reviewers, comments }) => ({ title, assignees, reviewers, comments })),
    ).toEqual([
      { title: 'Prices', assignees: ['alice'], reviewers: ['bob', 'dave'], comments: [] },
      { title: 'Hotfix', assignees: [], reviewers: [], comments: [] },
    ]);
  });

  it('says so when a reviewer is not there', async () => {
    const bob = forge.as('bob');
    const files = { '.github/auto_assign.yml': 'assignees: [bob, alice]\nreviewers: [mallory]\n' };
    await bob.push({ branch: 'main', files, message: 'Configure' });
    await bob.push({ branch: 'more', files: { 'c.txt': 'c\n' }, message: 'Add c' });
    await bob.openPullRequest({ head: 'more', title: 'More' });
    const { assignees, reviewers, comments } = (await forge.end()).pullRequests[2] ?? {};
    expect({ assignees, reviewers, comments }).toEqual({
      assignees: ['alice', 'bob'],
      reviewers: [],
      comments: [
        {
          author: 'the-bot',
          body: 'mallory could not be asked for a review. Please look at `.github/auto_assign.yml`.',
        },
      ],
    });
  });
});
