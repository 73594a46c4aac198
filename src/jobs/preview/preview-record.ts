/** A preview's row with what belongs to it, and the statements that change it. */
import type { PoolClient } from 'pg';
import { z } from 'zod';
import type { Store } from '../../store/database.js';
import { isUniqueViolation } from '../../store/unique.js';
import type { JobKey } from '../queue/queue.js';
import type { DriverName, Place } from './driver.js';
import { nameCandidates, type PreviewIdentity, type PreviewSubject } from './name.js';
import { storedPreviewConfig } from './preview-config.js';
import type { Phase } from './state.js';

export interface Places {
  serving: Place | null;
  candidate: Place | null;
  retired: Place[];
}

export interface PreviewRecord extends Places {
  id: string;
  organizationId: string;
  repositoryId: string;
  /** Null: of a branch. */
  pullRequestId: string | null;
  subject: PreviewSubject;
  name: string;
  desiredState: 'running' | 'asleep' | 'absent';
  desiredSha: string;
  desiredVersion: bigint;
  /** What was made for an earlier wish than this is made anew. */
  rebuildVersion: bigint;
  /** Somebody asked for it in words, so it is there whatever labels and paths say. */
  byHand: boolean;
  /** Why it is to go, where the pull request is still open. */
  endedReason: string | null;
  actor: { id: bigint; login: string } | null;
  trustedSha: string | null;
  /** What its places are run by, and where; of none yet: what was chosen when it was asked for. */
  driver: DriverName;
  cluster: string | null;
  /** See {@link PreviewFacts.watched}. */
  watched: boolean;
  phase: Phase | 'pending';
  /** Who pushed which commit, as the forge said. */
  pushers: Readonly<Record<string, { id: bigint; login: string }>>;
  repository: {
    forge: string;
    host: string;
    remoteId: bigint;
    owner: string;
    name: string;
    private: boolean;
    status: string;
  };
}

const placeSchema = z.looseObject({
  id: z.string(),
  sha: z.string(),
  version: z.string(),
  config: storedPreviewConfig,
  trusted: z.boolean().default(true),
  madeFor: z.string().default('0'),
  built: z.boolean(),
  answered: z.boolean(),
  restarts: z.number(),
  tries: z.number().default(0),
  failure: z
    .object({ cause: z.string(), log: z.string(), passing: z.boolean().optional(), at: z.string().optional() })
    .nullable(),
  port: z.number().nullable(),
  door: z
    .string()
    .nullish()
    .transform((door) => door ?? null),
  service: z
    .object({ cluster: z.string(), namespace: z.string(), name: z.string() })
    .nullish()
    .transform((service) => service ?? null),
  handle: z.unknown(),
});

const stateSchema = z.object({
  serving: placeSchema.nullish().transform((place) => place ?? null),
  candidate: placeSchema.nullish().transform((place) => place ?? null),
  retired: z.array(placeSchema).default([]),
  pushers: z.record(z.string(), z.object({ id: z.string().transform(BigInt), login: z.string() })).default({}),
});

interface Row {
  repository_id: string;
  pull_request_id: string | null;
  branch: string | null;
  rebuild_version: bigint | string;
  by_hand: boolean;
  ended_reason: string | null;
  name: string;
  desired_state: PreviewRecord['desiredState'];
  desired_sha: string | null;
  desired_version: bigint | string;
  actor_id: bigint | string | null;
  actor_login: string | null;
  trusted_sha: string | null;
  driver: DriverName;
  cluster: string | null;
  watched: boolean;
  phase: PreviewRecord['phase'];
  driver_state: unknown;
  number: number | null;
  forge: string;
  host: string;
  remote_id: bigint | string;
  remote_owner: string;
  remote_name: string;
  private: boolean;
  status: string;
}

/** What a `driver_state` column says of places. @throws when it is not ours */
export function placesOf(driverState: unknown): Places {
  return stateSchema.parse(driverState);
}

/** Undefined when the row is gone. */
export async function readPreview(store: Store, key: JobKey): Promise<PreviewRecord | undefined> {
  const { rows } = await store.tenant(key.organizationId, (tx) =>
    tx.query<Row>(
      `SELECT p.repository_id, p.pull_request_id, p.branch, p.rebuild_version, p.by_hand, p.ended_reason, p.name, p.desired_state, p.desired_sha, p.desired_version, p.actor_id,
         p.actor_login, p.trusted_sha, p.driver, p.cluster, p.watched_since IS NOT NULL AS watched, p.phase, p.driver_state, q.number, r.forge, r.host, r.remote_id, r.remote_owner,
         r.remote_name, r.private, r.status
       FROM preview p LEFT JOIN pull_request q ON q.id = p.pull_request_id JOIN repository r ON r.id = p.repository_id
       WHERE p.id = $1`,
      [key.id],
    ),
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  return {
    id: key.id,
    organizationId: key.organizationId,
    repositoryId: row.repository_id,
    pullRequestId: row.pull_request_id,
    subject:
      row.branch === null ? { kind: 'pull-request', number: row.number ?? 0 } : { kind: 'branch', branch: row.branch },
    rebuildVersion: BigInt(row.rebuild_version),
    byHand: row.by_hand,
    endedReason: row.ended_reason,
    name: row.name,
    desiredState: row.desired_state,
    desiredSha: row.desired_sha ?? '',
    desiredVersion: BigInt(row.desired_version),
    actor:
      row.actor_id === null || row.actor_login === null ? null : { id: BigInt(row.actor_id), login: row.actor_login },
    trustedSha: row.trusted_sha,
    driver: row.driver,
    cluster: row.cluster,
    watched: row.watched,
    phase: row.phase,
    ...stateSchema.parse(row.driver_state),
    repository: {
      forge: row.forge,
      host: row.host,
      remoteId: BigInt(row.remote_id),
      owner: row.remote_owner,
      name: row.remote_name,
      private: row.private,
      status: row.status,
    },
  };
}

/** Writes the places down. Pushers, which handlers write, stay as they are. */
export async function writePlaces(tx: PoolClient, id: string, places: Places): Promise<void> {
  const { serving, candidate, retired } = places;
  await tx.query('UPDATE preview SET driver_state = driver_state || $2::jsonb, updated_at = now() WHERE id = $1', [
    id,
    JSON.stringify({ serving, candidate, retired }),
  ]);
}

/** The forge says the pull request is closed, or its head is another commit: what is wanted changes with it. */
export async function followForge(
  tx: PoolClient,
  record: PreviewRecord,
  change: { closed: true } | { closed: false; sha: string },
): Promise<void> {
  const actor = change.closed ? record.actor : (record.pushers[change.sha] ?? null);
  await tx.query(
    `UPDATE preview SET desired_state = $2, desired_sha = $3, actor_id = $4, actor_login = $5,
       desired_version = desired_version + 1, attempts = 0, next_attempt_at = NULL, updated_at = now()
     WHERE id = $1 AND desired_version = $6`,
    [
      record.id,
      change.closed ? 'absent' : 'running',
      change.closed ? record.desiredSha : change.sha,
      actor?.id ?? null,
      actor?.login ?? null,
      record.desiredVersion,
    ],
  );
}

/** Nothing of it is where it was; from now on it is made here. */
export async function moveHome(
  store: Store,
  record: PreviewRecord,
  home: { driver: DriverName; cluster: string | null },
): Promise<PreviewRecord> {
  const places: Places = { serving: null, candidate: null, retired: [] };
  await store.tenant(record.organizationId, async (tx) => {
    await tx.query('UPDATE preview SET driver = $2, cluster = $3 WHERE id = $1', [
      record.id,
      home.driver,
      home.cluster,
    ]);
    await writePlaces(tx, record.id, places);
  });
  return { ...record, ...home, ...places };
}

/** Whose it is, whatever it is called. `tag`: two letters for the forge. */
export function identityOf(record: PreviewRecord, tag: string): PreviewIdentity {
  const { forge, host, remoteId, owner, name } = record.repository;
  return {
    ...{ organizationId: record.organizationId, forge, host, repositoryRemoteId: remoteId },
    subject: record.subject,
    ...{ owner, repository: name, tag },
  };
}

/** True: they are not what they were. Names of the default branch's file, as it was read now. */
export async function writeBranches(
  tx: PoolClient,
  repositoryId: string,
  patterns: readonly string[],
): Promise<boolean> {
  const { rowCount } = await tx.query(
    'UPDATE repository SET preview_branches = $2::jsonb WHERE id = $1 AND preview_branches IS DISTINCT FROM $2::jsonb',
    [repositoryId, JSON.stringify(patterns)],
  );
  return rowCount === 1;
}

/** What a row is called until something is made of it. */
export const UNNAMED = 'unnamed-';

/** Gives the preview its name when it has none yet: the plain one unless somebody else, of any tenant, has it. */
export async function allocateName(store: Store, record: PreviewRecord, tag: string): Promise<string> {
  if (!record.name.startsWith(UNNAMED)) return record.name;
  const names = nameCandidates(identityOf(record, tag));
  for (const candidate of names) {
    try {
      await store.tenant(record.organizationId, (tx) =>
        tx.query('UPDATE preview SET name = $2, updated_at = now() WHERE id = $1', [record.id, candidate]),
      );
      return candidate;
    } catch (error) {
      // Taken. Another tenant's row cannot be seen, so the constraint is the only one who can tell.
      if (!isUniqueViolation(error)) throw error;
    }
  }
  throw new Error(`every name of preview ${record.id} is taken`);
}
