/** A bridge on a real database, with one App on github.com and the rows that its deliveries belong to. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Logger, pino } from 'pino';
import { createMetrics } from '../../src/lib/metrics.js';
import { type App, type Bridge, createBridge, type DeliveredEvent } from '../../src/translate/bridge.js';
import type { Circuits } from '../../src/translate/circuits.js';
import type { DefaultApp } from '../../src/translate/connections.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

export const privateKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString();

export const dotcom: DefaultApp = {
  appId: 12345,
  privateKey,
  apiUrl: 'https://api.github.com',
  webUrl: 'https://github.com',
  host: 'github.com',
};

/** For tests of what comes after many failures in a row, and not of the circuit itself. */
export const alwaysClosed: Circuits = {
  enter: () => ({ succeeded: () => undefined, failed: () => 0, abandoned: () => undefined }),
};

export interface Rig {
  database: TestDatabase;
  /** Lines that were logged, as text. */
  lines: string[];
  log: Logger;
  bridge(apps: readonly App[], github?: DefaultApp | null): Promise<Bridge>;
  /** Adds a hook and returns its id. */
  hook(fields: { scope: 'app' | 'repository'; host?: string; appId?: string | null }): Promise<string>;
  /** Adds a mirrored repository, under an installation when one is named; returns our id of it. */
  repository(fields: { remoteId: number; name: string; installation?: InstallationFields }): Promise<string>;
  delivery(fields: Partial<DeliveredEvent> & { name: string; payload?: unknown }): DeliveredEvent;
}

export interface InstallationFields {
  id: number;
  appId?: string;
  host?: string;
  status?: string;
  virtualId?: number;
}

export function fixture(name: string): Record<string, unknown> {
  const file = new URL(`../../src/forges/github/fixtures/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
}

export async function createRig(): Promise<Rig> {
  const database = await createTestDatabase();
  const { organizationId } = database;
  const store = database.store('worker');
  const lines: string[] = [];
  const log = pino({ level: 'trace', base: null }, { write: (line: string) => void lines.push(line) });

  const insertInstallation = async (fields: InstallationFields): Promise<string> =>
    store.tenant(organizationId, async (tx) => {
      const made = await tx.query<{ id: string }>(
        `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, status)
         VALUES ($1, 'github', $2, $3, $4, $5, $6)
         ON CONFLICT (forge, host, app_id, installation_id) DO UPDATE SET status = excluded.status RETURNING id`,
        [
          organizationId,
          fields.host ?? 'github.com',
          fields.appId ?? '12345',
          fields.id,
          fields.virtualId ?? fields.id,
          fields.status ?? 'active',
        ],
      );
      return made.rows[0]?.id ?? '';
    });

  return {
    database,
    lines,
    log,
    bridge: (apps, github = dotcom) =>
      createBridge({
        // What nock answers for.
        fetch: (url, init) => fetch(url, init),
        apps,
        store,
        log,
        metrics: createMetrics(),
        ...(github && { github }),
        circuits: alwaysClosed,
        requestTimeoutMs: 5_000,
        settleMs: 0,
      }),

    async hook({ scope, host = 'github.com', appId = '12345' }) {
      const id = `hook-${randomUUID()}`;
      await store.tenant(organizationId, (tx) =>
        tx.query(
          `INSERT INTO hook (id, organization_id, forge, host, scope, app_id) VALUES ($1, $2, 'github', $3, $4, $5)`,
          [id, organizationId, host, scope, appId],
        ),
      );
      return id;
    },

    async repository({ remoteId, name, installation }) {
      const installationId = installation === undefined ? null : await insertInstallation(installation);
      return store.tenant(organizationId, async (tx) => {
        const made = await tx.query<{ id: string }>(
          `INSERT INTO repository
             (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch, installation_id)
           VALUES ($1, 'github', $2, $3, 'https://github.com/acme/web', 'acme', $4, 'main', $5) RETURNING id`,
          [organizationId, installation?.host ?? 'github.com', remoteId, name, installationId],
        );
        return made.rows[0]?.id ?? '';
      });
    },

    delivery({ name, payload, ...fields }) {
      const body = payload ?? fixture(name);
      return {
        deliveryId: 1n,
        deliveryKey: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
        hookId: 'github',
        forge: 'github',
        host: 'github.com',
        organizationId,
        eventType: name.split('.', 1)[0] ?? '',
        eventName: name.split('.', 1)[0] ?? '',
        eventIndex: 0,
        action: null,
        source: 'webhook',
        change: null,
        app: 'greeter',
        contentType: 'application/json',
        receivedAt: new Date(),
        body: Buffer.from(JSON.stringify(body)),
        ...fields,
      };
    },
  };
}
