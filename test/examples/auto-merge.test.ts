import { expect, it } from '@jest/globals';
import { onEveryForge, place } from './example-forge.js';

onEveryForge('auto-merge', { 'prices.txt': 'apples 1\n' }, (forge) => {
  it('merges what has the label and is green, and deletes its branch', async () => {
    const [alice, bob] = [forge.as('alice'), forge.as('bob')];
    const sha = await alice.push({ branch: 'pears', files: { 'pears.txt': 'x\n' }, message: 'Add pears' });
    const number = await alice.openPullRequest({ head: 'pears', title: 'Pears' });
    await bob.setStatus(sha, { context: 'build', state: 'pending' });
    await alice.label(number, ['automerge']);
    expect((await forge.end()).pullRequests[0]).toMatchObject({ state: 'open' });
    await bob.setStatus(sha, { context: 'build', state: 'success' });
    await bob.review(number, { verdict: 'approve', body: 'Fine.' });
    const { pullRequests, branches } = await forge.end();
    expect(branches).toEqual(['main']);
    expect(pullRequests).toMatchObject([{ state: 'merged', labels: ['automerge'], base: 'main' }]);
    expect(await forge.connected.fake.readFile(place, 'main', 'pears.txt')).toBe('x\n');
  });

  it('gives up on a conflict, and says so', async () => {
    const [alice, bob] = [forge.as('alice'), forge.as('bob')];
    const sha = await alice.push({ branch: 'dear', files: { 'prices.txt': 'apples 2\n' }, message: 'Dearer' });
    const number = await alice.openPullRequest({ head: 'dear', title: 'Dearer' });
    await bob.push({ branch: 'main', files: { 'prices.txt': 'apples 3\n' }, message: 'Much dearer' });
    await bob.setStatus(sha, { context: 'build', state: 'success' });
    await alice.label(number, ['automerge', 'food']);
    const { pullRequests, branches } = await forge.end();
    const { state, labels, comments } = pullRequests[1] ?? {};
    expect(branches).toEqual(['dear', 'main']);
    expect({ state, labels, comments }).toEqual({
      state: 'open',
      labels: ['food'],
      comments: [{ author: 'the-bot', body: 'This cannot be merged. Resolve the conflict and add `automerge` again.' }],
    });
  });
});
