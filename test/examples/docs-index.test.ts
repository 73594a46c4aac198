import { expect, it } from '@jest/globals';
import { onEveryForge, place } from './example-forge.js';

onEveryForge('docs-index', { 'docs/start.md': '# Getting started\n' }, (forge) => {
  const index = () => forge.connected.fake.readFile(place, 'docs-index', 'docs/index.md');

  it('proposes a table of contents, and keeps it up to date while it waits', async () => {
    const bob = forge.as('bob');
    await bob.push({ branch: 'main', files: { 'src/a.js': 'a\n' }, message: 'No page' });
    expect((await forge.end()).pullRequests).toEqual([]);
    await bob.push({ branch: 'main', files: { 'docs/api/users.md': 'Text\n\n#  Users \n' }, message: 'Add a page' });
    await forge.end();
    expect(await index()).toBe('# Contents\n\n- [Users](api/users.md)\n- [Getting started](start.md)\n');
    await bob.push({ branch: 'main', files: { 'docs/plain.md': 'No heading\n' }, message: 'And another' });
    const { pullRequests, branches } = await forge.end();
    expect(await index()).toBe(
      '# Contents\n\n- [Users](api/users.md)\n- [plain](plain.md)\n- [Getting started](start.md)\n',
    );
    expect(branches).toEqual(['docs-index', 'main']);
    expect(pullRequests).toEqual([
      {
        title: 'Update the table of contents',
        body: 'Pages were added, renamed or removed.',
        author: 'the-bot',
        labels: [],
        assignees: [],
        locked: false,
        comments: [],
        state: 'open',
        draft: false,
        head: 'docs-index',
        base: 'main',
        reviewers: [],
        reviews: [],
        lineComments: [],
        statuses: [],
      },
    ]);
  });

  it('does nothing when the index is right, and opens another one after the merge', async () => {
    const bob = forge.as('bob');
    const [pull] = (await forge.connected.fake.state(place)).pullRequests;
    await bob.mergePullRequest(pull?.number ?? 0);
    await bob.push({ branch: 'main', files: { 'docs/plain.md': 'Other text\n' }, message: 'No new heading' });
    expect((await forge.end()).pullRequests.map(({ state }) => state)).toEqual(['merged']);
    await bob.push({ branch: 'main', files: { 'docs/plain.md': null }, message: 'Without' });
    expect((await forge.end()).pullRequests.map(({ state }) => state)).toEqual(['merged', 'open']);
    expect(await index()).toBe('# Contents\n\n- [Users](api/users.md)\n- [Getting started](start.md)\n');
  });
});
