import { expect, it } from '@jest/globals';
import { onEveryForge } from './example-forge.js';

// Until tomorrow: it must not matter how fast the test is.
const config =
  'daysUntilStale: -1\nstaleLabel: dusty\nexemptLabels: [pinned]\nmarkComment: Still true?\ncloseComment: Bye.\n';

onEveryForge('stale', { '.github/stale.yml': config }, (forge) => {
  const numbers = { old: 0, desk: 0 };

  it('marks what is inactive, closes it the next time, and asks for permission', async () => {
    const [bob, carol] = [forge.as('bob'), forge.as('carol')];
    numbers.old = await carol.openIssue({ title: 'Old' });
    const pinned = await carol.openIssue({ title: 'Kept' });
    await bob.label(pinned, ['pinned']);
    const desk = await bob.openIssue({ title: 'Desk' });
    numbers.desk = desk;
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

  it('marks anew what was opened again, with the label that is there, and takes no word in a sentence for it', async () => {
    const bob = forge.as('bob');
    await bob.reopen(numbers.old);
    await bob.unlabel(numbers.old, ['dusty']);
    await bob.comment(numbers.desk, 'Shall I say /stale again?');
    expect((await forge.end()).issues[0]).toMatchObject({ state: 'open', labels: [] });
    await bob.comment(numbers.desk, '/stale');
    const { issues, labels } = await forge.end();
    expect(labels).toEqual(['dusty', 'pinned']);
    expect(issues[0]).toMatchObject({ state: 'open', labels: ['dusty'] });
    expect(issues[0]?.comments.map(({ body }) => body)).toEqual(['Still true?', 'Bye.', 'Still true?']);
    expect(issues[2]?.comments.at(-1)?.body).toBe('1 marked, 0 closed.');
  });

  it('asks for permission anew each time, and does nothing for whoever may only read', async () => {
    const carol = forge.as('carol');
    const before = (await forge.end()).issues.slice(0, 2);
    await carol.comment(numbers.desk, '/stale');
    const { issues } = await forge.end();
    expect(issues.slice(0, 2)).toEqual(before);
    expect(issues[2]?.comments.at(-1)?.body).toBe('Only people who may write can do that, @carol.');
  });
});
