import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

onEveryForge('semantic-titles', { '.github/semantic.yml': 'titleOnly: false\nscopes: [api, web]\n' }, (forge) => {
  const status = async (at: number) => (await forge.end()).pullRequests[at]?.statuses;

  it('judges title and commits anew with every change', async () => {
    const alice = forge.as('alice');
    await alice.push({ branch: 'prices', files: { 'a.txt': 'a\n' }, message: 'feat(web): add a' });
    const number = await alice.openPullRequest({ head: 'prices', title: 'Add prices' });
    expect(await status(0)).toEqual([
      { context: 'semantic', state: 'failure', description: 'The title is not "type: subject"' },
    ]);
    await alice.editPullRequest(number, { title: 'feat(shop): prices' });
    expect(await status(0)).toEqual([
      { context: 'semantic', state: 'failure', description: 'The title has the unknown scope "shop"' },
    ]);
    await alice.editPullRequest(number, { title: 'feat(web)!: prices' });
    expect(await status(0)).toEqual([
      { context: 'semantic', state: 'success', description: 'The title and 1 commits are semantic' },
    ]);
    await alice.push({ branch: 'prices', files: { 'b.txt': 'b\n' }, message: 'more' });
    const { title, state, statuses } = (await forge.end()).pullRequests[0] ?? {};
    expect({ title, state, statuses }).toEqual({
      title: 'feat(web)!: prices',
      state: 'open',
      statuses: [{ context: 'semantic', state: 'failure', description: '"more" is not "type: subject"' }],
    });
  });

  it('fails, and says why, when its file is not valid, and has defaults without one', async () => {
    const bob = forge.as('bob');
    await bob.push({ branch: 'main', files: { '.github/semantic.yml': 'types: feat\n' }, message: 'Break it' });
    await bob.push({ branch: 'other', files: { 'c.txt': 'c\n' }, message: 'Add c' });
    const number = await bob.openPullRequest({ head: 'other', title: 'fix(anything): c' });
    expect(await status(1)).toEqual([
      { context: 'semantic', state: 'failure', description: 'semantic.yml is not valid' },
    ]);
    await bob.push({ branch: 'main', files: { '.github/semantic.yml': null }, message: 'Without' });
    await bob.editPullRequest(number, { title: 'fix(everything): c' });
    expect(await status(1)).toEqual([{ context: 'semantic', state: 'success', description: 'The title is semantic' }]);
  });
});
