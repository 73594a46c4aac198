/** When deliveries are refused because there is too much to do, and that it is told with least right and before reading. */
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { createMetrics } from '../../src/lib/metrics.js';
import { isNearAddress, limitConnections } from '../../src/webhook/connections.js';
import {
  askLoad,
  type InboxLoad,
  type LoadWatch,
  type Overload,
  overloads,
  watchLoad,
} from '../../src/webhook/load.js';
import { eventually } from '../inbox/inbox-database.js';
import { createTestDatabase } from '../support/database.js';
import { IngressServer } from './ingress-server.js';

const limits = { depth: 100, ageSeconds: 1_000, lagMs: 500 };
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe('too much to do', () => {
  const none = new Set<Overload>();

  it.each([
    [{ depth: 100, oldestSeconds: 1_000, lagMs: 500 }, []],
    [{ depth: 101, oldestSeconds: 0, lagMs: 0 }, ['deep']],
    [{ depth: 0, oldestSeconds: 1_001, lagMs: 0 }, ['old']],
    [{ depth: 0, oldestSeconds: 0, lagMs: 501 }, ['slow']],
    [{ depth: 101, oldestSeconds: 1_001, lagMs: 501 }, ['deep', 'old', 'slow']],
    [{}, []],
  ])('is %j', (figures, expected) => {
    expect([...overloads(none, figures, limits)]).toEqual(expected);
  });

  it.each([
    ['deep', { depth: 81 }, { depth: 80 }],
    ['old', { oldestSeconds: 801 }, { oldestSeconds: 800 }],
    ['slow', { lagMs: 401 }, { lagMs: 400 }],
  ] as const)('and %s once, until it is a fifth better', (why, still, better) => {
    const before = new Set<Overload>([why]);
    expect([...overloads(before, still, limits)]).toEqual([why]);
    expect([...overloads(before, better, limits)]).toEqual([]);
  });

  it('is nothing when the limits are 0', () => {
    const figures = { depth: 1e9, oldestSeconds: 1e9, lagMs: 1e9 };
    expect([...overloads(none, figures, { depth: 0, ageSeconds: 0, lagMs: 0 })]).toEqual([]);
  });
});

describe('the watch', () => {
  function watch(asked: () => Promise<InboxLoad>): { watch: LoadWatch; lines: string[] } {
    const lines: string[] = [];
    const made = watchLoad({
      ask: asked,
      limits,
      log: pino(
        { base: null },
        { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
      ),
      metrics: createMetrics(),
      askEveryMs: 5,
      tickMs: 10,
    });
    closing.push(() => made.close());
    return { watch: made, lines };
  }

  it('says once that it refuses and once that it accepts again', async () => {
    const load = { depth: 5, oldestSeconds: 1 };
    const { watch: made, lines } = watch(async () => ({ ...load }));
    await eventually(() => made.describe().includes('5 to do'));
    expect(made.refusal()).toBeUndefined();
    load.depth = 101;
    await eventually(() => made.refusal() === 'deep');
    expect(made.describe()).toContain('refuses deliveries (deep): more than 100 to do');
    load.depth = 90;
    await eventually(() => made.describe().includes('90 to do'));
    expect(made.refusal()).toBe('deep');
    load.depth = 80;
    await eventually(() => made.refusal() === undefined);
    expect(lines).toEqual(['new deliveries are refused with 503', 'new deliveries are accepted again']);
  });

  it('refuses nothing for figures that cannot be had', async () => {
    const database = { down: false };
    const { watch: made } = watch(async () => {
      if (database.down) throw new Error('the database is down');
      return { depth: 101, oldestSeconds: 1 };
    });
    await eventually(() => made.refusal() === 'deep');
    database.down = true;
    await eventually(() => made.refusal() === undefined);
    expect(made.describe()).toContain('not known');
  });

  it('sees an event loop that is late again and again, and not one long pause', async () => {
    const { watch: made } = watch(async () => ({ depth: 0, oldestSeconds: 0 }));
    const block = (ms: number) => {
      const end = performance.now() + ms;
      while (performance.now() < end);
    };
    block(700);
    await new Promise((resolve) => setTimeout(resolve, 15));
    expect(made.refusal()).toBeUndefined();
    for (let tick = 0; tick < 4; tick += 1) {
      block(560);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    expect(made.refusal()).toBe('slow');
    await eventually(() => made.refusal() === undefined);
  });
});

describe('the ingress', () => {
  const head = 'POST /api/webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

  it('answers 503 with Retry-After before it reads or looks anything up, and 202 when it is better', async () => {
    const state: { why?: Overload } = { why: 'deep' };
    const metrics = createMetrics();
    const server = await IngressServer.start({ metrics, overload: () => state.why });
    closing.push(() => server.stop());
    // Not a byte of the body is sent, and no signature: what is refused costs nothing.
    const answer = await server.raw([`${head}Content-Length: 1000\r\n\r\n`]);
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toMatch(/\r\nRetry-After: ([5-9]|[12]\d|30)\r\n/);
    expect(await metrics.registry.getSingleMetricAsString('forgeway_ingress_refusals_total')).toContain(
      'forgeway_ingress_refusals_total{reason="deep"} 1',
    );
    state.why = undefined;
    expect((await server.send('/api/webhooks/github', '{}', server.signed('{}'))).status).toBe(202);
    expect(await server.rows()).toHaveLength(1);
  });

  it('has only as many connections of one address as it may, and takes new ones when those are over', async () => {
    const metrics = createMetrics();
    const server = await IngressServer.start({ metrics });
    closing.push(() => server.stop());
    limitConnections(server.server, { perAddress: 4, log: pino({ level: 'silent' }), metrics, isNear: () => false });
    const dial = () =>
      new Promise<{ end(): void; closed: boolean }>((resolve) => {
        const socket = connect(server.port, '127.0.0.1');
        const state = { end: () => void socket.destroy(), closed: false };
        socket.on('error', () => undefined).on('close', () => (state.closed = true));
        socket.on('connect', () => resolve(state));
      });
    const first = [];
    for (let index = 0; index < 4; index += 1) first.push(await dial());
    const more = await Promise.all([dial(), dial()]);
    await eventually(() => more.every(({ closed }) => closed));
    expect(first.map(({ closed }) => closed)).toEqual([false, false, false, false]);
    for (const one of first) one.end();
    await eventually(async () => {
      const answer = await server.send('/api/webhooks/github', '{}', server.signed('{}')).catch(() => undefined);
      return answer?.status === 202;
    });
    expect(await metrics.registry.getSingleMetricAsString('forgeway_ingress_refusals_total')).toMatch(
      /reason="connections"\} [2-9]/,
    );
  });

  it.each([
    ['127.0.0.1', true],
    ['::1', true],
    ['10.1.2.3', true],
    ['172.31.0.1', true],
    ['172.32.0.1', false],
    ['fd00::1', true],
    ['140.82.112.3', false],
    ['2606:50c0::1', false],
  ])('knows that %s is near: %s', (address, expected) => {
    expect(isNearAddress(address)).toBe(expected);
  });
});

describe('what the ingress is told of the inbox', () => {
  it('is how much could run now and how old the oldest is; parked, dead and done do not count', async () => {
    const database = await createTestDatabase();
    closing.push(() => database.drop());
    const ingress = database.store('ingress').pool;
    expect(await askLoad(ingress, 1_000)).toEqual({ depth: 0, oldestSeconds: 0 });
    await database.store('worker').pool.query(
      `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, status, received_at)
         SELECT 'h', 'f', 'x', status || n, status, now() - interval '90 seconds'
         FROM unnest(ARRAY['received', 'assigned', 'done', 'dead', 'ignored']) AS status, generate_series(1, 3) AS n`,
    );
    await database.store('worker').pool.query(
      `INSERT INTO dispatch (delivery_id, event_name, app, lane, shard, status, event_index, created_at)
         SELECT (SELECT min(id) FROM webhook_delivery), 'e', status, 'lane', 1, status, n, now() - interval '1 hour' * n
         FROM unnest(ARRAY['pending', 'parked', 'done', 'dead', 'ignored']) AS status, generate_series(1, 4) AS n`,
    );
    // One that waited out an outage and is tried again now.
    await database
      .store('worker')
      .pool.query(
        `UPDATE dispatch SET attempts = 9, created_at = now() - interval '2 days' WHERE status = 'pending' AND event_index = 1`,
      );
    const load = await askLoad(ingress, 1_000);
    expect(load.depth).toBe(7);
    expect(Math.round(load.oldestSeconds / 60)).toBe(240);
    expect((await askLoad(ingress, 2)).depth).toBe(4);
    // A number is all that it is told.
    await expect(ingress.query('SELECT * FROM dispatch')).rejects.toThrow('permission denied');
    await expect(ingress.query('SELECT body FROM webhook_delivery')).rejects.toThrow('permission denied');
    await expect(database.store('api').pool.query('SELECT * FROM inbox_load(1)')).rejects.toThrow('permission denied');
  });
});
