/**
 * What people have said to stop (ADR 59). It is written down when it is heard, which may be ahead of its turn: what was asked for before it
 * in the same conversation, and comes later, such as a command that waits for a forge that is down, does not begin.
 */
import { createHash } from 'node:crypto';
import type { PoolClient } from 'pg';
import { BRIEFLY } from './session-record.js';

/** When something was asked for on a forge. */
export interface AskedWhen {
  /** By our clock. */
  at: Date;
  /** By the forge's; null where that is not told. */
  toldAt: Date | null;
  /** What told us of it, which orders what a forge's clock does not; absent where it was found some time later. */
  deliveryId?: bigint;
}

/** An issue or pull request, as the forge numbers it. */
export interface WorkItemPlace {
  organizationId: string;
  forge: string;
  host: string;
  remoteRepositoryId: bigint;
  number: number;
}

export interface StopSaid extends WorkItemPlace {
  /** Identity of what said so. The same again is the same stop. */
  key: string;
  by: { id: bigint; login: string };
  whose: 'own' | 'any';
  asked: AskedWhen;
}

/** Of one work item one after the other: of two commands at the same moment each must see what the other does. */
export async function lockWorkItem(tx: PoolClient, place: WorkItemPlace): Promise<void> {
  const { organizationId, forge, host, remoteRepositoryId, number } = place;
  const name = ['agent', organizationId, forge, host, remoteRepositoryId, number].join(':');
  const key = createHash('sha256').update(name).digest().readBigInt64BE(0);
  await tx.query(`SELECT ${BRIEFLY}, pg_advisory_xact_lock($1::bigint)`, [key.toString()]);
}

/** Writes a stop down, under the lock of its work item. Who may stop what anybody has may so from then on. */
export async function noteStop(tx: PoolClient, said: StopSaid): Promise<void> {
  const { deliveryId } = said.asked;
  if (deliveryId === undefined) return;
  await lockWorkItem(tx, said);
  await tx.query(
    `INSERT INTO agent_stop AS s (organization_id, command_key, forge, host, remote_repository_id, number, by_id, by_login, whose,
       delivery_id, asked_at, told_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (organization_id, command_key) DO UPDATE SET whose = excluded.whose
       WHERE s.whose = 'own' AND excluded.whose = 'any'`,
    [
      ...[said.organizationId, said.key, said.forge, said.host, said.remoteRepositoryId, said.number, said.by.id],
      ...[said.by.login, said.whose, deliveryId, said.asked.at, said.asked.toldAt],
    ],
  );
}

/** It has stopped something, so that nothing is left to be done or said when its turn comes. */
export async function noteStopped(tx: PoolClient, organizationId: string, key: string): Promise<void> {
  await tx.query(
    'UPDATE agent_stop SET stopped = true WHERE organization_id = $1 AND command_key = $2 AND NOT stopped',
    [organizationId, key],
  );
}

/** Whether that stop was heard before, and whether it has stopped something then. */
export async function stopHeard(
  tx: PoolClient,
  organizationId: string,
  key: string,
): Promise<'no' | 'heard' | 'stopped'> {
  const { rows } = await tx.query<{ stopped: boolean }>(
    'SELECT stopped FROM agent_stop WHERE organization_id = $1 AND command_key = $2',
    [organizationId, key],
  );
  if (rows[0] === undefined) return 'no';
  return rows[0].stopped ? 'stopped' : 'heard';
}

/**
 * The first stop that was meant for what is asked for only now: said later than that, and by somebody who may. Of the same second by the
 * forge's clock, what came first was said first. Called under the lock of the work item.
 */
export async function stopMeantFor(
  tx: PoolClient,
  place: WorkItemPlace,
  { asked, requesterId }: { asked: AskedWhen | undefined; requesterId: bigint | null },
): Promise<{ key: string; by: string } | undefined> {
  if (asked?.deliveryId === undefined) return undefined;
  const { rows } = await tx.query<{ key: string; by: string }>(
    `SELECT command_key AS key, by_login AS by FROM agent_stop
     WHERE organization_id = $1 AND forge = $2 AND host = $3 AND remote_repository_id = $4 AND number = $5
       AND (whose = 'any' OR by_id = $6)
       AND CASE WHEN told_at IS NOT NULL AND $8::timestamptz IS NOT NULL THEN (told_at, delivery_id) > ($8::timestamptz, $9::bigint)
             ELSE (asked_at, delivery_id) > ($7::timestamptz, $9::bigint) END
     ORDER BY delivery_id LIMIT 1`,
    [
      ...[place.organizationId, place.forge, place.host, place.remoteRepositoryId, place.number, requesterId],
      ...[asked.at, asked.toldAt, asked.deliveryId],
    ],
  );
  return rows[0];
}
