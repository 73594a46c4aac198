import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

// Until tomorrow: it must not matter how fast the test is.
const config =
  'daysUntilStale: -1\nstaleLabel: dusty\nexemptLabels: [pinned]\nmarkComment: Still true?\ncloseComment: Bye.\n';

onEveryForge('stale', { '.github/stale.yml': config }, (forge) => {
  it('marks what is inactive, closes it the next time, and asks for permission', async () => {
    const [bob, carol] = [forge.as('bob'), forge.as('carol')];
    await carol.openIssue({ title: 'Old' });
    const pinned = await carol.openIssue({ title: 'Kept' });
    await bob.label(pinned, ['pinned']);
    const desk = await bob.openIssue({ title: 'Desk' });
    await bob.label(desk, ['pinned']);

    await carol.comment(desk, '/stale');
    const refused = await forge.end();
    expect(refused.labels).toEqual(['pinned']);

    await bob.comment(desk, '/stale');
    const marked = await forge.end();
    expect(marked.labels).toEqual(['dusty', 'pinned']);
    expect(marked.issues[0]).toMatchObject({ state: 'open', labels: ['dusty'] });

    await bob.comment(desk, '/stale');
    const { issues } = await forge.end();
    const bot = (body: string) => ({ author: 'the-bot', body });
    const common = { body: '', assignees: [], locked: false };
    expect(issues).toEqual([
      {
        ...common,
        title: 'Old',
        author: 'carol',
        state: 'closed',
        labels: ['dusty'],
        comments: [bot('Still true?'), bot('Bye.')],
      },
      { ...common, title: 'Kept', author: 'carol', state: 'open', labels: ['pinned'], comments: [] },
      {
        ...common,
        title: 'Desk',
        author: 'bob',
        state: 'open',
        labels: ['pinned'],
        comments: [
          { author: 'carol', body: '/stale' },
          bot('Only people who may write can do that, @carol.'),
          { author: 'bob', body: '/stale' },
          bot('1 marked, 0 closed.'),
          { author: 'bob', body: '/stale' },
          bot('0 marked, 1 closed.'),
        ],
      },
    ]);
  });
});
