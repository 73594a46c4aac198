/** For which repositories apps are switched off. On is the absence of a row, or a row that says so. */
import type pg from 'pg';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import { audit } from './audit.js';

/** As a person names it. */
export interface RepositoryName {
  owner: string;
  name: string;
  forge?: string;
  host?: string;
}

export interface NamedRepository {
  id: string;
  owner: string;
  name: string;
  forge: string;
  host: string;
  /** The forge's own id. */
  remoteId: bigint;
}

/**
 * The repository that a person means, in a transaction of its organization.
 * @throws ForgewayError FORGEWAY_REPOSITORY_UNKNOWN when there is none, or several
 */
export async function repositoryNamed(tx: pg.PoolClient, repository: RepositoryName): Promise<NamedRepository> {
  const { rows } = await tx.query<NamedRepository>(
    `SELECT id, remote_owner AS owner, remote_name AS name, forge, host, remote_id AS "remoteId" FROM repository
     WHERE lower(remote_owner) = lower($1) AND lower(remote_name) = lower($2)
       AND ($3::text IS NULL OR forge = $3) AND ($4::text IS NULL OR host = $4)
     ORDER BY status = 'active' DESC, created_at LIMIT 10`,
    [repository.owner, repository.name, repository.forge ?? null, repository.host ?? null],
  );
  const asked = `${repository.owner}/${repository.name}`;
  const [found, ...others] = rows;
  if (found === undefined)
    throw new ForgewayError('FORGEWAY_REPOSITORY_UNKNOWN', `No repository ${asked} is known here.`);
  if (others.length > 0)
    throw new ForgewayError(
      'FORGEWAY_REPOSITORY_UNKNOWN',
      `There are several repositories ${asked}: on ${rows.map(({ host, forge }) => `${host} (${forge})`).join(', ')}.`,
    );
  return found;
}

/**
 * Answers the repository that was meant. Takes effect with the next event that an app gets.
 * @throws ForgewayError FORGEWAY_REPOSITORY_UNKNOWN when there is none, or several
 */
export async function switchApp(
  store: Store,
  organizationId: string,
  app: string,
  repository: RepositoryName,
  enabled: boolean,
): Promise<NamedRepository> {
  return store.tenant(organizationId, async (tx) => {
    const found = await repositoryNamed(tx, repository);
    await tx.query(
      `INSERT INTO app_repository (organization_id, app, repository_id, enabled) VALUES ($1, $2, $3, $4)
       ON CONFLICT (app, repository_id) DO UPDATE SET enabled = excluded.enabled, updated_at = now()`,
      [organizationId, app, found.id, enabled],
    );
    await audit(tx, organizationId, enabled ? 'app.enabled' : 'app.disabled', app, { repository: found.id });
    return found;
  });
}

export interface AppSummary {
  app: string;
  /** Runs whose rows are still kept. */
  runs: number;
  dead: number;
  lastRun: Date | null;
  /** Repositories it is switched off in, as `owner/name`. */
  offIn: readonly string[];
}

/** Every app that ran for the organization or was switched, by name. */
export async function appSummaries(store: Store, organizationId: string): Promise<AppSummary[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<AppSummary & { runs: bigint; dead: bigint }>(
      `WITH ran AS (
         SELECT app, count(*) AS runs, count(*) FILTER (WHERE status = 'dead') AS dead, max(finished_at) AS last
         FROM dispatch WHERE organization_id = $1 AND writes <> 'rehearsal' GROUP BY app
       ), off AS (
         SELECT a.app, array_agg(r.remote_owner || '/' || r.remote_name ORDER BY r.remote_owner, r.remote_name)
             FILTER (WHERE NOT a.enabled) AS off_in
         FROM app_repository a JOIN repository r ON r.id = a.repository_id GROUP BY a.app
       )
       SELECT app, coalesce(ran.runs, 0) AS runs, coalesce(ran.dead, 0) AS dead, ran.last AS "lastRun",
         coalesce(off.off_in, '{}') AS "offIn"
       FROM ran FULL JOIN off USING (app) ORDER BY app`,
      [organizationId],
    );
    return rows.map((row) => ({ ...row, runs: Number(row.runs), dead: Number(row.dead) }));
  });
}
