/** The mirror of members on one world, with a clock that stands still and people who sign in. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import type { Role } from '../../src/accounts/access/roles.js';
import { linkOrganization } from '../../src/accounts/membership/link.js';
import type { MembershipPorts } from '../../src/accounts/membership/ports.js';
import { type Reconciled, reconcileMembership } from '../../src/accounts/membership/reconcile.js';
import { onSignIn } from '../../src/accounts/membership/sign-in.js';
import { dueSources, listSources, markDue, type Source } from '../../src/accounts/membership/sources.js';
import type { NativeClient } from '../../src/forges/kit/native-client.js';
import { forges } from '../../src/forges/registry.js';
import type { TestDatabase } from '../support/database.js';
import type { World } from './worlds.js';

let virtual = 5_000n;

export interface Rig {
  ports: MembershipPorts;
  organizationId: string;
  userOf(login: string): string;
  /** Moves the clock. */
  pass(ms: number): void;
  /** Instead of the world's own client, for whatever asks in the name of the installation. */
  answerWith(native: (() => Promise<{ native: NativeClient }>) | undefined): void;
  source(): Promise<Source>;
  link(): Promise<string>;
  /** What is due by this clock; not what is another rig's. */
  read(): Promise<Reconciled[]>;
  /** Five seconds after what was before. */
  webhook(deleted?: boolean): Promise<number>;
  /** Somebody new on the forge who has an account here too, and signs in with their own token unless told otherwise. */
  signIn(login: string, o?: { withToken?: boolean }): ReturnType<typeof onSignIn>;
  roleOf(login: string): Promise<Role | undefined>;
  tell<T>(sql: string, values?: unknown[]): Promise<T[]>;
}

/** An organization of its own, so that the worlds of one test file do not meet. */
export async function createRig(db: TestDatabase, world: World, o: { appAccount?: bigint } = {}): Promise<Rig> {
  const store = db.store('worker');
  const organizationId = randomUUID();
  const users = new Map<string, string>();
  const ids = new Map<string, bigint>();
  let now = new Date('2026-03-01T10:00:00Z');
  let instead: (() => Promise<{ native: NativeClient }>) | undefined;
  const ports: MembershipPorts = {
    store,
    forges,
    clock: { now: () => now },
    log: pino({ level: 'silent' }),
    access: async () => (instead === undefined ? { native: world.native('bot') } : instead()),
  };
  const tell: Rig['tell'] = async <T>(sql: string, values?: unknown[]) =>
    (await store.tenant(organizationId, (tx) => tx.query(sql, values))).rows as T[];
  await tell('INSERT INTO organization (id, slug, name) VALUES ($1, $2, $2)', [organizationId, `t-${organizationId}`]);
  virtual += 1n;
  const isApp = world.forge === 'github';
  const connectionId = randomUUID();
  if (!isApp)
    await tell(
      `INSERT INTO connection (id, organization_id, name, kind, forge, host, provider_account_id, account_login)
       VALUES ($1, $2, 'bot', 'pat', $3, $4, $5, 'bot')`,
      [connectionId, organizationId, world.forge, world.host, String(await botId(world))],
    );
  await tell(
    `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, connection_id, account_id,
       account_login, account_type) VALUES ($1, $2, $3, '1', $4, $4, $5, $6, 'acme', 'Organization')`,
    [
      organizationId,
      world.forge,
      world.host,
      virtual,
      isApp ? null : connectionId,
      isApp ? (o.appAccount ?? world.organization.id) : null,
    ],
  );

  const source = async () => {
    const [first] = await listSources(store, organizationId);
    if (first === undefined) throw new Error('nothing is linked');
    return first;
  };
  return {
    ports,
    organizationId,
    userOf: (login) => users.get(login) ?? `nobody called ${login}`,
    pass(ms) {
      now = new Date(now.getTime() + ms);
    },
    answerWith(native) {
      instead = native;
    },
    source,
    async link() {
      return (await linkOrganization(ports, { organizationId, login: 'acme', linkedBy: 'test' })).id;
    },
    async read() {
      const results: Reconciled[] = [];
      for (const one of await dueSources(store, now, 1_000))
        if (one.organizationId === organizationId) results.push(await reconcileMembership(ports, one));
      return results;
    },
    webhook(deleted = false) {
      now = new Date(now.getTime() + 5_000);
      return store.tenant(organizationId, (tx) =>
        markDue(tx, { organizationId, forge: world.forge, host: world.host }, world.organization.id, { now, deleted }),
      );
    },
    async signIn(login, { withToken = true } = {}) {
      const userId = users.get(login) ?? `user-${randomUUID()}`;
      if (!users.has(login)) {
        users.set(login, userId);
        const remoteId = ids.get(login) ?? (await idOf(world, login));
        ids.set(login, remoteId);
        await db.addUser(userId);
        await db.store('api').pool.query(
          `INSERT INTO identity (id, user_id, provider_id, account_id, forge, host, login)
             VALUES ($1, $2, $3, $4, $5, $6, $7)`,
          [randomUUID(), userId, `p-${organizationId}`, String(remoteId), world.forge, world.host, login],
        );
      }
      const { forge, host } = world;
      const identity = { forge, host, remoteId: ids.get(login) ?? 0n, login };
      return onSignIn(ports, { userId, identity, native: withToken ? world.native(login) : undefined });
    },
    async roleOf(login) {
      const rows = await tell<{ role: Role }>('SELECT role FROM member WHERE user_id = $1', [users.get(login) ?? '']);
      return rows[0]?.role;
    },
    tell,
  };
}

async function idOf(world: World, login: string): Promise<bigint> {
  if (world.forge === 'github') {
    const people = (world as World & { github: { people: { id: number; login: string }[] } }).github.people;
    return BigInt(people.find((one) => one.login === login)?.id ?? 0);
  }
  const found = (await world.native(login).get('/user')) as { id: number };
  return BigInt(found.id);
}

const botId = (world: World) => idOf(world, 'bot');
