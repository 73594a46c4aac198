import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

const signed = (message: string, login: string) => `${message}\n\nSigned-off-by: ${login} <${login}@example.com>\n`;

onEveryForge('dco-check', { '.github/dco.yml': 'exempt: [dave@example.com]\n' }, (forge) => {
  it('asks for a sign-off of every author, except of those who need none', async () => {
    const [alice, dave] = [forge.as('alice'), forge.as('dave')];
    await alice.push({ branch: 'prices', files: { 'a.txt': 'a\n' }, message: signed('Add a', 'alice') });
    await alice.push({ branch: 'prices', files: { 'b.txt': 'b\n' }, message: signed('Add b', 'bob') });
    await alice.push({ branch: 'prices', files: { 'c.txt': 'c\n' }, message: 'Add c' });
    await alice.openPullRequest({ head: 'prices', title: 'Prices' });
    await alice.push({ branch: 'signed', files: { 'd.txt': 'd\n' }, message: signed('Add d', 'alice') });
    await dave.push({ branch: 'signed', files: { 'e.txt': 'e\n' }, message: 'Add e' });
    await dave.openPullRequest({ head: 'signed', title: 'Signed' });
    const { pullRequests } = await forge.end();
    expect(pullRequests.map(({ title, state, comments, statuses }) => ({ title, state, comments, statuses }))).toEqual([
      {
        title: 'Prices',
        state: 'open',
        comments: [],
        statuses: [{ context: 'DCO', state: 'failure', description: '2 of 3 commits are not signed off' }],
      },
      {
        title: 'Signed',
        state: 'open',
        comments: [],
        statuses: [{ context: 'DCO', state: 'success', description: 'All commits are signed off' }],
      },
    ]);
  });

  it('says so when its file is not valid', async () => {
    const bob = forge.as('bob');
    await bob.push({ branch: 'main', files: { '.github/dco.yml': 'exempt: "unclosed\n' }, message: 'Break it' });
    await bob.push({ branch: 'signed', files: { 'f.txt': 'f\n' }, message: signed('Add f', 'bob') });
    expect((await forge.end()).pullRequests[1]?.statuses).toEqual([
      { context: 'DCO', state: 'failure', description: '.github/dco.yml is not valid' },
    ]);
  });
});
