import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { loadBodies } from '../../src/inbox/body-text.js';
import { fakeDispatcher } from './fake-forge.js';
import { InboxDatabase } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

const long = JSON.stringify({ repository: 7, mark: 'grüßend '.repeat(2_000) });

it('a packed body reaches its app as it was received, also beside one that is not text', async () => {
  const dispatcher = fakeDispatcher({ app: async () => undefined });
  const packed = await inbox.deliver(Buffer.from(long));
  await inbox.deliver(Buffer.from([0xff, 0xfe, 0x00]));
  expect((await inbox.delivery(packed)).body?.length).toBeLessThan(1_000);
  inbox.start({ dispatcher });
  expect(await inbox.settled(packed)).toMatchObject({ status: 'done' });
  expect(dispatcher.calls).toEqual([`app:${'grüßend '.repeat(2_000)}`]);
});

it('bodies are loaded as they were received, however they are stored', async () => {
  const packed = await inbox.deliver(Buffer.from(long));
  const text = await inbox.deliver(Buffer.from('{"short":"ü"}'));
  const emptied = await inbox.deliver(Buffer.from(long));
  await inbox.pool.query('UPDATE webhook_delivery SET body = NULL WHERE id = $1', [emptied]);
  const loaded = async (...ids: bigint[]) => {
    const bodies = await loadBodies(inbox.pool, ids);
    return ids.map((id) => bodies.get(BigInt(id))?.toString('latin1'));
  };
  const latin1 = (body: string) => Buffer.from(body).toString('latin1');
  expect(await loaded(packed, text, emptied)).toEqual([latin1(long), latin1('{"short":"ü"}'), undefined]);
  // One that is not text has all of them fetched in another way.
  const binary = await inbox.deliver(Buffer.from([0xff, 0x00, 0x0a]));
  expect(await loaded(packed, text, binary)).toEqual([latin1(long), latin1('{"short":"ü"}'), '\xff\0\n']);
});
