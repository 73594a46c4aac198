import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

const config = 'docs: "docs/**"\ncode:\n  - "src/**/*.ts"\n  - "*.js"\ntests: "**/*.test.ts"\n';

onEveryForge('label-by-path', { '.github/labeler.yml': config }, (forge) => {
  it('labels by the files, adds and takes away with every push, and leaves other labels alone', async () => {
    const alice = forge.as('alice');
    await alice.push({ branch: 'work', files: { 'src/a/b.ts': 'b\n', 'docs/b.md': 'b\n' }, message: 'Add b' });
    const number = await alice.openPullRequest({ head: 'work', title: 'Work' });
    expect((await forge.end()).pullRequests[0]?.labels).toEqual(['code', 'docs']);
    await alice.label(number, ['urgent']);
    await alice.push({
      branch: 'work',
      files: { 'docs/b.md': null, 'src/a/b.test.ts': 'b\n' },
      message: 'Tests instead of docs',
    });
    const { labels, comments, state } = (await forge.end()).pullRequests[0] ?? {};
    expect({ labels, comments, state }).toEqual({ labels: ['code', 'tests', 'urgent'], comments: [], state: 'open' });
  });

  it('complains once about a file that is not valid, and says what changed about it', async () => {
    const [alice, bob] = [forge.as('alice'), forge.as('bob')];
    await bob.push({ branch: 'main', files: { '.github/labeler.yml': 'docs: []\n' }, message: 'Break it' });
    await alice.push({ branch: 'more', files: { 'docs/c.md': 'c\n' }, message: 'Add c' });
    await alice.openPullRequest({ head: 'more', title: 'More' });
    await forge.end();
    await alice.push({ branch: 'more', files: { 'docs/c.md': 'cc\n' }, message: 'Change c' });
    const mark = '<!-- label-by-path -->\n`.github/labeler.yml` is not valid: ';
    expect((await forge.end()).pullRequests[1]).toMatchObject({
      labels: [],
      comments: [{ author: 'the-bot', body: `${mark}\`docs\` has no globs.` }],
    });
    await bob.push({ branch: 'main', files: { '.github/labeler.yml': 'docs: "\n' }, message: 'Worse' });
    await alice.push({ branch: 'more', files: { 'docs/c.md': 'c\n' }, message: 'Back again' });
    expect((await forge.end()).pullRequests[1]).toMatchObject({
      labels: [],
      comments: [{ author: 'the-bot', body: `${mark}it is no YAML.` }],
    });
  });
});
