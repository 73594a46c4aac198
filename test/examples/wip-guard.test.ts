import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

const statusesOf = (context: string, state: string, description: string) => [{ context, state, description }];

onEveryForge('wip-guard', {}, (forge) => {
  it('holds back what says that it is not finished, and lets it go', async () => {
    const alice = forge.as('alice');
    await alice.push({ branch: 'prices', files: { 'prices.txt': 'one\n' }, message: 'Add prices' });
    const number = await alice.openPullRequest({ head: 'prices', title: 'Prices (work in progress)' });
    expect((await forge.end()).pullRequests[0]?.statuses).toEqual(
      statusesOf('wip', 'pending', 'Not finished: the title says "work in progress"'),
    );
    await alice.editPullRequest(number, { title: 'Prices' });
    expect((await forge.end()).pullRequests[0]?.statuses).toEqual(statusesOf('wip', 'success', 'Ready for review'));
    // A status that is pending keeps its first description on one of the forges: each ends before the next.
    await alice.label(number, ['Do not merge']);
    expect((await forge.end()).pullRequests[0]?.statuses).toEqual(
      statusesOf('wip', 'pending', 'Not finished: it has the label "Do not merge"'),
    );
    await alice.unlabel(number, ['Do not merge']);
    expect((await forge.end()).pullRequests[0]?.statuses).toEqual(statusesOf('wip', 'success', 'Ready for review'));
    await alice.push({ branch: 'prices', files: { 'prices.txt': 'two\n' }, message: 'fixup! Add prices' });
    const { pullRequests } = await forge.end();
    expect(pullRequests[0]?.statuses[0]?.description).toMatch(/^Not finished: [0-9a-f]{8} is to be squashed$/);
    expect(pullRequests).toEqual([
      {
        title: 'Prices',
        body: '',
        author: 'alice',
        labels: [],
        assignees: [],
        locked: false,
        comments: [],
        state: 'open',
        draft: false,
        head: 'prices',
        base: 'main',
        reviewers: [],
        reviews: [],
        lineComments: [],
        statuses: [{ context: 'wip', state: 'pending', description: expect.any(String) }],
      },
    ]);
  });

  it('goes by its defaults when the file is not valid, and says so', async () => {
    const bob = forge.as('bob');
    await bob.push({ branch: 'main', files: { '.github/wip.yml': 'terms: 5\n' }, message: 'Configure' });
    await bob.push({ branch: 'broken', files: { 'a.txt': 'a\n' }, message: 'Add a' });
    await bob.openPullRequest({ head: 'broken', title: 'A, wip' });
    expect((await forge.end()).pullRequests[1]?.statuses).toEqual(
      statusesOf('wip', 'pending', 'Not finished: the title says "wip" (wip.yml is not valid)'),
    );
    await bob.push({ branch: 'main', files: { '.github/wip.yml': 'terms: [never, "unclosed\n' }, message: 'Worse' });
    await bob.push({ branch: 'broken', files: { 'a.txt': 'b\n' }, message: 'Change a' });
    const { draft, statuses } = (await forge.end()).pullRequests[1] ?? {};
    expect({ draft, statuses }).toEqual({
      draft: false,
      statuses: statusesOf('wip', 'pending', 'Not finished: the title says "wip" (wip.yml is not valid)'),
    });
  });
});
