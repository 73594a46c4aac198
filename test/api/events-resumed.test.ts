/**
 * A client whose stream of events is cut at any byte, again and again, while others write, and which goes on at one or the other of two
 * servers: it misses nothing and is told nothing twice.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { addEvents } from '../../src/api/events.js';
import { openStore, type Store } from '../../src/store/database.js';
import { createRandom } from '../chaos/random.js';
import { PATIENCE_MS } from '../support/patience.js';
import { type ApiRig, startApiRig } from './api-rig.js';

const random = createRandom(Number(process.env.EVENTS_SEED ?? 5));
const subjects = Array.from({ length: 12 }, () => randomUUID());
const WRITERS = 4;
const TRANSACTIONS = 25;

const eventTiming = { pollMs: 5, heartbeatMs: 20, recheckMs: 60_000, stuckMs: 10_000 };

let rig: ApiRig;
/** Of its own, with a connection for each writer: they are to overlap. */
let writing: Store;
/** Another server on the same database, with nothing else in common. */
let other: { app: FastifyInstance; store: Store; end(): void };
let urls: string[];
beforeAll(async () => {
  rig = await startApiRig({ eventTiming });
  writing = openStore(rig.db.database, 'worker', { max: WRITERS });
  const [app, store] = [fastify(), openStore(rig.db.database, 'api', { max: 4 })];
  const viewer = { kind: 'user', userId: 'viewer', name: 'viewer', platformAdmin: false, suspended: false } as const;
  const end = addEvents(app, {
    ...{ store, access: rig.access, log: pino({ level: 'silent' }), timing: eventTiming },
    callerOf: async () => ({ ...viewer, memberships: new Map([[rig.mine.organization, 'viewer']]) }),
  });
  other = { app, store, end };
  const at = { port: 0, host: '127.0.0.1' };
  urls = [await rig.app.listen(at), await app.listen(at)];
});
afterAll(async () => {
  other?.end();
  await other?.app.close();
  await other?.store.close();
  await writing?.close();
  await rig?.close();
});

/** Transactions that overlap: what began first need not be committed first, and some are taken back. */
async function write(): Promise<void> {
  for (let at = 0; at < TRANSACTIONS; at += 1) {
    const changes = Array.from({ length: random.between(1, 40) }, () => random.pick(subjects));
    const [pauseMs, isTakenBack] = [random.between(0, 30), random.next() < 0.1];
    const run = writing.tenant(rig.mine.organization, async (tx) => {
      for (const subject of changes)
        await tx.query(
          `INSERT INTO change_event (organization_id, kind, subject_id, change) VALUES ($1, 'pull_request', $2, 'changed')`,
          [rig.mine.organization, subject],
        );
      await sleep(pauseMs);
      if (isTakenBack) throw new Error('taken back');
    });
    await run.catch((error: Error) => {
      if (error.message !== 'taken back') throw error;
    });
  }
}

it('tells the last change of each thing once, in order, wherever the stream is cut', async () => {
  const told: { id: string; subject: string }[] = [];
  const events: string[] = [];
  let last: string | undefined;
  let streams = 0;
  /** Reads at most so many bytes. What is not whole by then was not told. */
  async function listen(bytes: number): Promise<void> {
    const end = new AbortController();
    const headers = { ...rig.headers('viewer'), ...(last === undefined ? {} : { 'last-event-id': last }) };
    const answer = await fetch(`${random.pick(urls)}/api/events?organization=mine&kinds=pull_request`, {
      ...{ headers, signal: end.signal },
    });
    expect(answer.status).toBe(200);
    streams += 1;
    let left = bytes;
    let text = '';
    for await (const part of answer.body ?? []) {
      text += Buffer.from(part).subarray(0, left).toString('latin1');
      left -= part.length;
      for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text.slice(0, at))?.[1];
        const [id, event, data] = [field('id'), field('event'), field('data')];
        text = text.slice(at + 2);
        last = id ?? last;
        if (event !== undefined) events.push(event);
        if (event === 'pull_request') told.push({ id: id ?? '', subject: JSON.parse(data ?? '{}').id });
      }
      if (left <= 0) break;
    }
    end.abort();
  }
  // It is there before anything is written.
  await listen(1);
  await listen(200);
  const busy = { now: true };
  const writers = Promise.all(Array.from({ length: WRITERS }, write)).finally(() => {
    busy.now = false;
  });
  while (busy.now) await listen(random.between(1, 1_500));
  await writers;
  const all = await rig.rows<{ place: string; subject: string }>(
    `SELECT transaction_id || '-' || id AS place, subject_id AS subject FROM change_event
     WHERE organization_id = $1 AND subject_id = ANY($2) ORDER BY transaction_id, id`,
    [rig.mine.organization, subjects],
  );
  const places = () => told.map(({ id }) => id.split('-').slice(0, 2).join('-'));
  for (const until = Date.now() + PATIENCE_MS; places().at(-1) !== all.at(-1)?.place && Date.now() < until; )
    await listen(random.between(1, 1_500));

  const order = new Map(all.map(({ place }, at) => [place, at]));
  const at = places().map((id) => order.get(id) ?? -1);
  // In order, each once, and nothing that was taken back.
  expect(at).toEqual([...new Set(at)].sort((a, b) => a - b));
  expect(at).not.toContain(-1);
  // What was left out was followed by another change of the same thing, which was told.
  for (const [index, { subject }] of all.entries())
    if (!at.includes(index)) expect(at.some((later) => later > index && all[later]?.subject === subject)).toBe(true);
  expect(events).not.toContain('reset');
  expect(streams).toBeGreaterThan(20);
});

it('tells what was committed later in its place, before what was begun later, also at the other server', async () => {
  const [early, late] = [randomUUID(), randomUUID()];
  const tell = (subject: string, meanwhile: () => Promise<void>) =>
    writing.tenant(rig.mine.organization, async (tx) => {
      await tx.query(
        `INSERT INTO change_event (organization_id, kind, subject_id, change) VALUES ($1, 'pull_request', $2, 'changed')`,
        [rig.mine.organization, subject],
      );
      await meanwhile();
    });
  /** What is told of the two, until there is nothing to wait for any more. */
  async function told(url: string | undefined, from: string | undefined, isEnough: (found: string[]) => boolean) {
    const end = new AbortController();
    const headers = { ...rig.headers('viewer'), ...(from !== undefined && { 'last-event-id': from }) };
    const answer = await fetch(`${url}/api/events?organization=mine&kinds=pull_request`, {
      ...{ headers, signal: end.signal },
    });
    let [text, heartbeats] = ['', 0];
    const found: string[] = [];
    let id: string | undefined;
    for await (const part of answer.body ?? []) {
      text += Buffer.from(part).toString('utf8');
      for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
        const one = text.slice(0, at);
        text = text.slice(at + 2);
        id = /^id: (.*)$/m.exec(one)?.[1] ?? id;
        found.push(...[early, late].filter((subject) => one.includes(subject)));
        if (!one.includes('event: ')) heartbeats += 1;
      }
      if (isEnough(found) || heartbeats >= 3) break;
    }
    end.abort();
    return { found, id };
  }
  const begun = await told(urls[0], undefined, () => true);
  let meanwhile: Awaited<ReturnType<typeof told>> | undefined;
  await tell(early, async () => {
    await tell(late, async () => undefined);
    meanwhile = await told(urls[0], begun.id, (found) => found.length > 0);
  });
  expect(meanwhile?.found).toEqual([]);
  const after = await told(urls[1], meanwhile?.id, (found) => found.length === 2);
  expect(after.found).toEqual([early, late]);
  expect((await told(urls[0], after.id, (found) => found.length > 0)).found).toEqual([]);
});
