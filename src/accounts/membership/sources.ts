/** Organizations of forges whose people belong to organizations of ours: linked, due, read. */
import type pg from 'pg';
import type { ForgeOrganization } from '../../forges/roles.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Store } from '../../store/database.js';

export interface Source {
  id: string;
  organizationId: string;
  forge: string;
  host: string;
  remoteId: bigint;
  login: string;
  name: string;
  url: string;
  /** The number under which its installation is spoken for; null when it has gone. */
  virtualId: bigint | null;
  state: 'new' | 'ok' | 'failing' | 'gone';
  reason: string | null;
  etags: Readonly<Record<string, string>>;
  askedVersion: bigint;
  failures: number;
  toldDeleted: boolean;
  dueAt: Date;
  readAt: Date | null;
  /** Since when every answer was that it is not there. */
  missingSince: Date | null;
}

/** Installations are a routing table: the worker reads them without a tenant, and so does whoever asks for one here. */
const COLUMNS = `s.id, s.organization_id AS "organizationId", s.forge, s.host, s.remote_id AS "remoteId", s.login, s.name,
  s.url, s.state, s.reason, s.etags, s.asked_version AS "askedVersion", s.failures, s.told_deleted AS "toldDeleted",
  s.due_at AS "dueAt", s.read_at AS "readAt", s.missing_since AS "missingSince",
  (SELECT i.virtual_id FROM installation i WHERE i.id = s.installation_id AND i.status <> 'deleted') AS "virtualId"`;

/** @param store as the worker role */
export async function listSources(store: Store, organizationId: string): Promise<Source[]> {
  const { rows } = await store.pool.query<Source>(
    `SELECT ${COLUMNS} FROM organization_source s WHERE s.organization_id = $1 ORDER BY s.created_at, s.id`,
    [organizationId],
  );
  return rows;
}

/** Of every organization, what is due first. @param store as the worker role */
export async function dueSources(store: Store, now: Date, most: number): Promise<Source[]> {
  const { rows } = await store.pool.query<Source>(
    `SELECT ${COLUMNS} FROM organization_source s
     WHERE s.due_at <= $1 AND (s.reading_until IS NULL OR s.reading_until <= $1) ORDER BY s.due_at LIMIT $2`,
    [now, most],
  );
  return rows;
}

/** Those of one instance, whoever's they are. @param store as the worker role */
export async function sourcesOfHost(store: Store, forge: string, host: string): Promise<Source[]> {
  const { rows } = await store.pool.query<Source>(
    `SELECT ${COLUMNS} FROM organization_source s WHERE s.forge = $1 AND s.host = $2`,
    [forge, host],
  );
  return rows;
}

export interface NewSource {
  organizationId: string;
  forge: string;
  host: string;
  organization: ForgeOrganization;
  installationId: string;
  linkedBy: string;
}

/**
 * The claim was verified by whoever calls. Linking what is linked already to the same organization gives it the new
 * installation. @throws ForgewayError FORGEWAY_SOURCE_TAKEN when another organization has it
 */
export async function insertSource(
  tx: pg.PoolClient,
  source: NewSource,
  now: Date,
): Promise<{ id: string; isNew: boolean }> {
  const { organizationId, forge, host, organization, installationId, linkedBy } = source;
  const { id: remoteId, login, name, url } = organization;
  const made = await tx.query<{ id: string }>(
    `INSERT INTO organization_source
       (organization_id, forge, host, remote_id, login, name, url, installation_id, linked_by, due_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (forge, host, remote_id) DO NOTHING RETURNING id`,
    [organizationId, forge, host, remoteId, login, name, url, installationId, linkedBy, now],
  );
  const id = made.rows[0]?.id;
  if (id !== undefined) return { id, isNew: true };
  const renewed = await tx.query<{ id: string }>(
    `UPDATE organization_source SET installation_id = $5, asked_version = asked_version + 1, due_at = $6, updated_at = now()
     WHERE forge = $1 AND host = $2 AND remote_id = $3 AND organization_id = $4 RETURNING id`,
    [forge, host, remoteId, organizationId, installationId, now],
  );
  const known = renewed.rows[0]?.id;
  if (known === undefined)
    throw new ForgewayError(
      'FORGEWAY_SOURCE_TAKEN',
      `${login} on ${host} is linked to another organization of this Forgeway already.`,
    );
  return { id: known, isNew: false };
}

/**
 * Says that sources are to be read as soon as possible. What a webhook says beyond that is a hint and not believed.
 * `remoteId` is the number of the organization or of a team in it. Many at once lead to one reading, and a forge that failed
 * or asked us to wait is not asked earlier for it. Answers how many sources there are.
 */
export async function markDue(
  tx: pg.PoolClient,
  place: { organizationId: string; forge: string; host: string },
  remoteId: bigint,
  o: { now: Date; deleted?: boolean },
): Promise<number> {
  const { rowCount } = await tx.query(
    `UPDATE organization_source s SET asked_version = asked_version + 1, 
       due_at = CASE WHEN failures > 0 THEN due_at
         ELSE least(due_at, greatest($5::timestamptz, read_at + interval '5 seconds')) END,
       told_deleted = told_deleted OR ($6::boolean AND remote_id = $4), updated_at = now()
     WHERE organization_id = $1 AND forge = $2 AND host = $3
       AND (remote_id = $4 OR EXISTS (SELECT FROM team t WHERE t.source_id = s.id AND t.vcs_team_id = $4))`,
    [place.organizationId, place.forge, place.host, remoteId, o.now, o.deleted ?? false],
  );
  return rowCount ?? 0;
}

/** Takes the reading for this process; undefined while another has it. A reading that takes longer may be overtaken. */
export async function beginReading(
  store: Store,
  source: Source,
  o: { now: Date; leaseMs: number },
): Promise<{ reading: bigint; askedVersion: bigint; etags: Readonly<Record<string, string>> } | undefined> {
  return store.tenant(source.organizationId, async (tx) => {
    const { rows } = await tx.query<{
      reading: bigint;
      askedVersion: bigint;
      etags: Readonly<Record<string, string>>;
    }>(
      `UPDATE organization_source SET reading = reading + 1, reading_until = $3
       WHERE id = $1 AND (reading_until IS NULL OR reading_until <= $2)
       RETURNING reading, asked_version AS "askedVersion", etags`,
      [source.id, o.now, new Date(o.now.getTime() + o.leaseMs)],
    );
    return rows[0];
  });
}
