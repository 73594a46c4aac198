/** In a rehearsal our own apps do all their work, and nothing of it lasts. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createHarness, examplesOf, type Harness } from './harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await createHarness();
});
afterAll(() => harness.db.drop());

const EVENTS = ['pull_request', 'issues', 'issue_comment', 'push', 'repository', 'installation', 'pull_request_review'];
const TABLES = [
  ...['repository', 'pull_request', 'issue', 'comment', 'git_commit', 'review', 'preview', 'installation'],
  ...['pull_request_sync', 'sticky_comment', 'commit_status'],
];
/** So that what the examples tell of is no history. */
const LONG_AGO = new Date('2001-01-01');

const counts = async () => {
  const sums = TABLES.map((table) => `(SELECT count(*)::int FROM "${table}") AS "${table}"`);
  return (await harness.rows<Record<string, number>>(`SELECT ${sums.join(', ')}`))[0] ?? {};
};
const deliverAll = async (writes: 'rehearsal' | 'send') => {
  for (const event of EVENTS)
    for (const payload of examplesOf(event)) await harness.deliver(event, payload, { writes, receivedAt: LONG_AGO });
};

it('leaves the mirror, previews and queues as they were', async () => {
  const before = await counts();
  await deliverAll('rehearsal');
  expect(await counts()).toEqual(before);
  expect(harness.pokes).toEqual([]);
  expect(harness.logs.length).toBeGreaterThan(0);
  await deliverAll('send');
  const after = await counts();
  for (const table of ['repository', 'pull_request', 'issue', 'comment', 'preview', 'pull_request_sync'])
    expect([table, (after[table] ?? 0) > (before[table] ?? 0)]).toEqual([table, true]);
  expect(harness.pokes.length).toBeGreaterThan(0);
});

it('asks nobody about a command in a comment that was edited before it was told of', async () => {
  const [example] = examplesOf('issue_comment').filter(({ action }) => action === 'created');
  const { comment, sender } = example as unknown as { comment: object; sender: object };
  const at = (updated: string) => ({
    ...example,
    comment: { ...comment, user: sender, body: '/status', created_at: '2026-01-01T10:00:00Z', updated_at: updated },
  });
  // The forge, which would be asked about a new one, is not there.
  await harness.deliver('issue_comment', at('2026-01-01T10:00:05Z') as never, { apps: ['commands'] });
  expect(JSON.stringify(harness.logs)).toContain('only a new one is heard');
});
