/** Connections that were asked for while their forge was away: made by themselves once it answers, by one process, once. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ConfirmationPorts,
  startConfirmations,
  tryConfirmations,
} from '../../src/accounts/connecting/confirmations.js';
import type { ConnectRequest } from '../../src/accounts/connecting/connect.js';
import { listConnections } from '../../src/accounts/connection-rows.js';
import { adviceFor } from '../../src/accounts/connection-state.js';
import { createApiConnections } from '../../src/entry/api-connections.js';
import { TEST_KEYS } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { type ConnectionRig, type DoubleForge, doubles, startConnectionRig } from './connection-rig.js';

const MINUTE = 60_000;
let rig: ConnectionRig;
/** Whether forges can be reached. */
let away = false;
let asked = 0;

const outbound: typeof loopback = {
  ...loopback,
  fetch(url, init, route) {
    asked += 1;
    if (away)
      throw new TypeError('fetch failed', { cause: Object.assign(new Error('nobody'), { code: 'ECONNREFUSED' }) });
    return loopback.fetch(url, init, route);
  },
};

beforeAll(async () => {
  rig = await startConnectionRig();
});
afterAll(() => rig.close());

/** What a worker has of its own. */
function worker(time: { now: number }, change: Partial<ConfirmationPorts> = {}) {
  const store = rig.test.store('worker');
  const work = createApiConnections({ store, keys: TEST_KEYS, outbound, publicUrl: rig.publicUrl, log: rig.log });
  const ports: ConfirmationPorts = {
    ...{ store, log: rig.log, clock: { now: () => new Date(time.now) }, confirm: work.confirm, random: () => 0.999 },
    ...change,
  };
  return { work, ports };
}

const requestTo = ({ forge, url, token }: DoubleForge, more: Partial<ConnectRequest> = {}): ConnectRequest => ({
  ...{ forge, url, token, name: 'kept', repositories: ['acme/web'], all: false, level: 'repository' },
  ...{ organization: undefined, confidential: undefined, ...more },
});

const listed = async (id: string) => {
  const found = (await listConnections(rig.test.store('worker'), rig.test.organizationId)).find((one) => one.id === id);
  if (found === undefined) throw new Error('no such connection');
  return found;
};
const waiting = (id: string) =>
  rig.rows<{ attempts: number; due_at: Date }>('SELECT * FROM connection_confirmation WHERE connection_id = $1', [id]);

async function keep(
  double: DoubleForge,
  more: Partial<ConnectRequest> = {},
): Promise<{ id: string; time: { now: number } }> {
  const id = await worker({ now: 0 }).work.keep(rig.test.organizationId, requestTo(double, more), 'seen', 'test');
  // Past the first wait, which chance chose.
  return { id, time: { now: Date.now() + MINUTE } };
}

const createdEvents = (account: unknown) =>
  rig.noted.filter(
    ({ event, payload }) =>
      event === 'installation.created' && (payload.installation as { account: { id: unknown } }).account.id === account,
  );

describe.each(Object.entries(doubles))('a connection to a %s that cannot be reached', (_name, start) => {
  it('waits longer each time, and is made with its webhook once, by one of two workers, when the forge answers', async () => {
    const double = await start(rig);
    away = true;
    const { id, time } = await keep(double);
    const first = await listed(id);
    expect(first).toMatchObject({
      status: 'unreachable',
      advice: adviceFor('unreachable'),
      nextTryAt: expect.any(Date),
    });
    expect(first.nextTryAt?.getTime()).toBeLessThan(time.now);

    const one = worker(time);
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 9; attempt += 1) {
      expect(await tryConfirmations(one.ports)).toBe(1);
      // Not due again.
      expect(await tryConfirmations(one.ports)).toBe(0);
      const [row] = await waiting(id);
      expect(row?.attempts).toBe(attempt);
      waits.push(Math.round(((row?.due_at.getTime() ?? 0) - time.now) / 1_000));
      time.now = (row?.due_at.getTime() ?? 0) + 1;
    }
    expect(waits).toEqual([10, 20, 40, 80, 160, 320, 639, 899, 899]);
    expect(await listed(id)).toMatchObject({ status: 'unreachable' });
    expect(double.hooksOf('acme/web')).toEqual([]);

    away = false;
    // Both were started after the row was written.
    const two = [worker(time), worker(time)];
    const tried = await Promise.all(two.map(({ ports }) => tryConfirmations(ports)));
    expect(tried.sort()).toEqual([0, 1]);
    await rig.quiet();
    expect(await listed(id)).toMatchObject({ status: 'active', hooks: 1, repositories: 1, nextTryAt: null });
    expect(double.hooksOf('acme/web')).toHaveLength(1);
    expect(await waiting(id)).toEqual([]);
    const [account] = await rig.rows<{ account: string }>(
      'SELECT provider_account_id AS account FROM connection WHERE id = $1',
      [id],
    );
    expect(createdEvents(Number(account?.account))).toHaveLength(1);
    const before = rig.noted.length;
    await double.push('acme/web');
    await rig.quiet();
    expect(rig.noted.slice(before).map(({ event }) => event)).toContain('push');
    expect(await tryConfirmations(two[0]?.ports as ConfirmationPorts)).toBe(0);
  });

  it('is taken up by another worker when the one that tried died, wherever it was', async () => {
    const double = await start(rig);
    away = true;
    const { id, time } = await keep(double);
    away = false;
    const dying = worker(time);
    // Everything was done, and the process ended before that was written down.
    const died = { over: false };
    void tryConfirmations({
      ...dying.ports,
      async confirm(...call) {
        await dying.ports.confirm(...call);
        died.over = true;
        return new Promise(() => undefined);
      },
    });
    const other = worker(time);
    while (!died.over) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await tryConfirmations(other.ports)).toBe(0);
    time.now += 6 * MINUTE;
    expect(await tryConfirmations(other.ports)).toBe(1);
    await rig.quiet();
    expect(await listed(id)).toMatchObject({ status: 'active', hooks: 1, repositories: 1 });
    expect(double.hooksOf('acme/web')).toHaveLength(1);
    expect(await waiting(id)).toEqual([]);
    const [account] = await rig.rows<{ account: string }>(
      'SELECT provider_account_id AS account FROM connection WHERE id = $1',
      [id],
    );
    expect(
      createdEvents(Number(account?.account)).filter(({ payload }) =>
        String(JSON.stringify(payload)).includes(double.url),
      ),
    ).toHaveLength(1);
  });

  it('is not asked any more when the forge refuses the token', async () => {
    const double = await start(rig);
    away = true;
    const { id, time } = await keep(double, { token: 'a-wrong-token-123' });
    away = false;
    expect(await tryConfirmations(worker(time).ports)).toBe(1);
    expect(await listed(id)).toMatchObject({ status: 'expired', nextTryAt: null });
    expect(await waiting(id)).toEqual([]);
  });

  it('says what of the wish the forge does not grant', async () => {
    const double = await start(rig);
    away = true;
    const { id, time } = await keep(double, { repositories: ['acme/nothing'] });
    away = false;
    expect(await tryConfirmations(worker(time).ports)).toBe(1);
    expect(await listed(id)).toMatchObject({ status: 'active', statusReason: expect.stringContaining('acme/nothing') });
  });
});

it('is looked for by a worker all the time, until that stops', async () => {
  const double = await doubles.Gitea(rig);
  away = true;
  const { id, time } = await keep(double, { repositories: [], level: 'none' });
  away = false;
  const loop = startConfirmations(worker(time).ports, { tickMs: 10 });
  while ((await waiting(id)).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await loop.stop();
  expect(await listed(id)).toMatchObject({ status: 'active', hooks: 0 });
  const before = asked;
  away = true;
  await keep(double, { repositories: [], level: 'none' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(asked).toBe(before);
});
