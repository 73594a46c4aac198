import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { fakeDispatcher, fakeForge } from './fake-forge.js';
import { InboxDatabase } from './inbox-database.js';

const state = {} as { inbox: InboxDatabase };
const dispatcher = fakeDispatcher({ app: async () => undefined });

beforeAll(async () => {
  state.inbox = await InboxDatabase.create();
  await state.inbox.addHook('open', state.inbox.test.organizationId);
  await state.inbox.test
    .store('worker')
    .tenant(state.inbox.test.organizationId, (tx) => tx.query(`UPDATE hook SET confidential = true WHERE id = 'open'`));
  const classify: typeof fakeForge.classify = (eventType, payload, options = {}) =>
    options.confidential ? fakeForge.classify(eventType, payload) : { kind: 'ignored', reason: 'It is confidential.' };
  state.inbox.start({ dispatcher, forges: new Map([[fakeForge.id, { ...fakeForge, classify }]]) });
});
afterAll(() => state.inbox.drop());

it('what is confidential reaches apps only through a hook that asked for it', async () => {
  const hushed = await state.inbox.deliver({ mark: 'hushed' });
  const told = await state.inbox.deliver({ mark: 'told' }, { hook: 'open' });
  expect(await state.inbox.settled(hushed)).toMatchObject({ status: 'ignored', reason: 'It is confidential.' });
  expect(await state.inbox.settled(told)).toMatchObject({ status: 'done' });
  expect(dispatcher.calls).toEqual(['app:told']);
});
