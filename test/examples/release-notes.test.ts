import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

onEveryForge('release-notes', { '.github/release-notes.yml': 'template: "# Changes\\n\\n$changes"\n' }, (forge) => {
  async function mergeOne(branch: string, title: string, labels: readonly string[]) {
    const [alice, bob] = [forge.as('alice'), forge.as('bob')];
    await alice.push({ branch, files: { [`${branch}.txt`]: 'x\n' }, message: `Add ${branch}` });
    const number = await alice.openPullRequest({ head: branch, title });
    if (labels.length > 0) await bob.label(number, labels);
    await bob.mergePullRequest(number);
  }

  it('lists what was merged in a draft, which people publish', async () => {
    const bob = forge.as('bob');
    const desk = await bob.openIssue({ title: 'Releases' });
    await bob.comment(desk, '/publish');
    expect((await forge.end()).releases).toEqual([]);

    await mergeOne('apples', 'Apples', ['feature']);
    await mergeOne('pears', 'Pears', ['bug']);
    await forge.end();
    await mergeOne('plums', 'Plums', []);
    await forge.end();
    await bob.comment(desk, '/publish');
    const { releases, tags, issues } = await forge.end();
    const body = [
      '# Changes',
      '## New',
      '- Apples (#pull 1) by alice',
      '## Fixed',
      '- Pears (#pull 2) by alice',
      '## Other',
      '- Plums (#pull 3) by alice',
    ].join('\n\n');
    expect({ releases, tags }).toEqual({ releases: [{ tag: 'v1', name: 'v1', body, draft: false }], tags: ['v1'] });
    expect(issues[0]?.comments).toEqual([
      { author: 'bob', body: '/publish' },
      { author: 'the-bot', body: 'There is nothing to publish.' },
      { author: 'bob', body: '/publish' },
      { author: 'the-bot', body: 'Published v1.' },
    ]);
  });

  it('drafts nothing for another branch, and publishes nothing twice or by the way', async () => {
    const [alice, bob] = [forge.as('alice'), forge.as('bob')];
    const before = (await forge.end()).releases;
    await alice.push({ branch: 'figs', files: { 'figs.txt': 'x\n' }, message: 'Add figs' });
    const desk = await bob.openIssue({ title: 'Later' });
    await bob.comment(desk, 'When will you /publish?');
    expect((await forge.end()).issues[1]?.comments).toHaveLength(1);
    await bob.comment(desk, '/publish');
    const { releases, tags, issues } = await forge.end();
    expect({ releases, tags }).toEqual({ releases: before, tags: ['v1'] });
    expect(issues[1]?.comments.at(-1)).toEqual({ author: 'the-bot', body: 'There is nothing to publish.' });
  });
});
