/** Who is let in: forty attacks on every way of signing, over HTTP, and nothing is done before it is known who sent it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { forges } from '../../src/forges/registry.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { IngressServer } from './ingress-server.js';
import { type Attack, attacksOn, BODY, type Scheme, schemes, signed } from './signature-attacks.js';

let ingress: IngressServer;
const metrics = createMetrics();
/** Every statement that was run, and 'connect' for each connection that was taken to write with. */
const done: string[] = [];

/** The pool, and every use of it noted. */
const spied = (pool: pg.Pool): pg.Pool =>
  new Proxy(pool, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const [statement] = args as [{ text?: string } | string | undefined];
        if (key === 'query') done.push(typeof statement === 'string' ? statement : (statement?.text ?? ''));
        if (key === 'connect') done.push('connect');
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });

const hookOf = ({ name }: Scheme): string => `of-${name.toLowerCase().replaceAll(' ', '-')}`;

beforeAll(async () => {
  ingress = await IngressServer.start({ metrics }, spied);
  const { organizationId } = ingress.test;
  for (const scheme of schemes) {
    for (const id of [hookOf(scheme), `${hookOf(scheme)}-disabled`, `${hookOf(scheme)}-empty`])
      await ingress.test.store('worker').tenant(organizationId, (tx) =>
        tx.query(
          `INSERT INTO hook (id, organization_id, forge, host, scope, secret_source, enabled)
             VALUES ($1, $2, $3, 'forge.example', 'repository', 'sealed', $4)`,
          [id, organizationId, scheme.forge, !id.endsWith('-disabled')],
        ),
      );
    ingress.secrets.set(hookOf(scheme), [scheme.secret]);
    ingress.secrets.set(`${hookOf(scheme)}-disabled`, [scheme.secret]);
    ingress.secrets.set(`${hookOf(scheme)}-empty`, ['']);
  }
});
afterAll(() => ingress.stop());

const refusals = async (forge: string): Promise<number> => {
  const { values } = await metrics.deliveries.get();
  return values.find(({ labels }) => labels.forge === forge && labels.answer === '401')?.value ?? 0;
};

/** Written byte by byte: an HTTP client refuses to send, or re-encodes, what only an attacker writes. */
function send(path: string, { headers, body, query }: Attack): Promise<string> {
  const bytes = Buffer.from(body);
  const lines = [...headers, ['host', 'forgeway.test'], ['content-length', `${bytes.length}`], ['connection', 'close']];
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return ingress.raw([Buffer.from(`POST ${path}${query} HTTP/1.1\r\n${head}\r\n`, 'latin1'), bytes]);
}

async function mustBeRefused(path: string, forge: string, attack: Attack): Promise<void> {
  const before = await refusals(forge);
  done.length = 0;
  const answer = await send(path, attack);
  expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  expect(answer).toMatch(/\r\n\r\n\{"error":"unauthorized"\}$/);
  expect(await refusals(forge)).toBe(before + 1);
  // A hook may have been looked up. Nothing was written: that takes a connection of its own.
  for (const statement of done) expect(statement).toMatch(/^SELECT \* FROM hook /);
}

describe.each(schemes.map((scheme) => [scheme.name, scheme] as const))(
  'a signature as %s writes it',
  (_name, scheme) => {
    const path = `/api/webhooks/${scheme.forge}/${hookOf(scheme)}`;
    const attacks = Object.entries(attacksOn(scheme));
    const plain = (headers: Record<string, string>): Attack => ({
      headers: Object.entries(headers),
      body: BODY,
      query: '',
    });

    it('is attacked in forty ways at least', () => expect(attacks.length).toBeGreaterThanOrEqual(40));

    it.each(attacks)('%s is refused with the same words, is counted, and nothing is done', (_what, attack) =>
      mustBeRefused(path, scheme.forge, attack),
    );

    it.each([
      ['of a hook that does not exist', `/api/webhooks/${scheme.forge}/nobody`],
      ['of a name that cannot be a hook', `/api/webhooks/${scheme.forge}/..%2f${hookOf(scheme)}`],
      ['of a hook in other letters', `/api/webhooks/${scheme.forge}/${hookOf(scheme).toUpperCase()}`],
      ['of a hook that is switched off', `${path}-disabled`],
      ['of the hook of the environment, which has no such secret', `/api/webhooks/${scheme.forge}`],
    ])('that is right is refused at the place %s', (_what, place) =>
      mustBeRefused(place, scheme.forge, plain(signed(scheme))),
    );

    it('under no secret is refused by a hook that has none', () =>
      mustBeRefused(`${path}-empty`, scheme.forge, plain(signed(scheme, {}, ''))));

    it('that is right is refused at the same name under another forge', async () => {
      for (const forge of forges.keys())
        if (forge !== scheme.forge)
          await mustBeRefused(`/api/webhooks/${forge}/${hookOf(scheme)}`, forge, plain(signed(scheme)));
    });

    it('has stored nothing by now, and is taken when it is right', async () => {
      expect(await ingress.rows()).toEqual([]);
      expect(ingress.log.join('')).not.toContain('hello');
      expect(await send(path, plain(signed(scheme)))).toMatch(/^HTTP\/1\.1 202 /);
      expect(done).toContain('connect');
      expect(await ingress.rows()).toHaveLength(1);
      await ingress.test.store('worker').pool.query('DELETE FROM webhook_delivery');
    });
  },
);
