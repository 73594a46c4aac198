/** What is said of an event of ours that some app was not told of yet. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { insertSynthesised, synthesisedOutcome, synthesisedWaitsFor } from '../../src/inbox/synthesised.js';
import { fakeDispatcher } from './fake-forge.js';
import { eventually, InboxDatabase } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

it('waits for nobody by name until a worker takes it up, then for the apps that have not heard', async () => {
  const told = ['hook', 'told'] as const;
  const hook = { id: 'hook', forge: 'fake', host: 'fake.example' };
  const payload = { repository: 1, number: 1, events: ['first'] };
  await insertSynthesised(inbox.pool, [{ hook, key: 'told', name: 'fake', payload }]);
  expect(await synthesisedWaitsFor(inbox.pool, ...told)).toEqual([]);

  let answer: () => void = () => undefined;
  const away = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const heard: string[] = [];
  inbox.start({ dispatcher: fakeDispatcher({ away: () => away, here: async ({ app }) => void heard.push(app) }) });
  await eventually(async () => {
    const names = await synthesisedWaitsFor(inbox.pool, ...told);
    return heard.length > 0 && names.length === 1 && names[0] === 'away';
  });
  expect(await synthesisedOutcome(inbox.pool, ...told)).toBeUndefined();
  answer();
  expect(await eventually(() => synthesisedOutcome(inbox.pool, ...told))).toMatchObject({ status: 'done' });
  expect(await synthesisedWaitsFor(inbox.pool, ...told)).toEqual([]);
});
