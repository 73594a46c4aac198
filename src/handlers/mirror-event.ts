/** How an event enters the mirror: its repository first, then its object. Shared by all handlers. */
import {
  type RepositoryData,
  type RepositoryOptions,
  type StoredRepository,
  upsertRepository,
} from '../store/mirror/repository.js';
import type { Tie } from '../store/mirror/versioned-upsert.js';
import type { DeliveryWork } from './delivery-work.js';

/**
 * How far before its first delivery a repository's watermark lies when no installation event told its beginning:
 * events come minutes late and clocks differ, but what is older than this is history.
 */
const LATENESS_MS = 3_600_000;

/** The watermark of a repository first heard of in this delivery. Forges' times are whole seconds, so is this. */
export function watermark(receivedAt: Date, since?: Date | null): Date {
  const at = since?.getTime() ?? receivedAt.getTime() - LATENESS_MS;
  return new Date(Math.floor(at / 1_000) * 1_000);
}

/** Mirrors the repository that every event of a repository carries, and returns it as it stands now. */
export function mirrorRepository(
  work: DeliveryWork,
  payload: { repository: RepositoryData; installation?: { id: bigint } | null },
): Promise<StoredRepository> {
  const options: RepositoryOptions = {
    watermarkAt: watermark(work.scope.receivedAt),
    virtualInstallationId: payload.installation?.id,
  };
  return upsertRepository(work.tx, work.origin, payload.repository, options);
}

/** The nature of an action decides when two changes carry the same second; see {@link Tie}. */
export function tieOf(action: string): Tie {
  if (action === 'opened' || action === 'created' || action === 'submitted') return 'loses';
  if (action === 'closed' || action === 'reopened') return 'wins';
  return 'keeps-closed';
}

/** Whether events of this repository may start anything: calls to the forge, previews, comments. */
export function isLive(repository: StoredRepository): boolean {
  return repository.status === 'active';
}

/** Decision 12: an object older than its repository's watermark fills the mirror and starts nothing. */
export function isHistory(repository: StoredRepository, objectUpdatedAt: Date): boolean {
  return objectUpdatedAt < repository.watermarkAt;
}
