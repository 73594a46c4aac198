/** What the assigner parsed is handed to one run and to no other. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type FakeApp, type FakePayload, fakeDispatcher } from './fake-forge.js';
import { InboxDatabase } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

it('saves the first app the parsing, and lets it change what it got', async () => {
  const got: { app: string; attempt: number; event: string; mark: unknown; payload: unknown }[] = [];
  const app: FakeApp = async ({ app: name, attempts, eventName, payload }, { mark }) => {
    got.push({ app: name, attempt: attempts + 1, event: eventName, mark, payload: payload && { ...payload } });
    if (payload !== undefined) (payload as { mark: string }).mark = 'changed by an app';
    if (name === 'one' && attempts === 0) throw new Error('again');
  };
  inbox.start({ dispatcher: fakeDispatcher({ one: app, two: app }) });
  // A shard that was only just leased is read from the database, and nothing is handed over.
  for (let index = 0; index < 40 && !got.some(({ payload }) => payload !== undefined); index += 1) {
    const sent: FakePayload = { repository: 1, number: 1, mark: String(index), events: ['first', 'second'] };
    await inbox.settled(await inbox.deliver(sent), 'done');
    expect(got.filter(({ mark }) => mark === sent.mark)).toHaveLength(6);
  }
  const handed = got.filter(({ payload }) => payload !== undefined);
  const [{ mark } = { mark: undefined }] = handed;
  const payload = { repository: 1, number: 1, mark, events: ['first', 'second'] };
  expect(handed).toEqual([{ app: 'one', attempt: 1, event: 'first', mark, payload }]);
});
