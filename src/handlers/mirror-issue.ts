/**
 * How an issue enters the mirror. Forges count seconds, and an automation that labels and closes does both within one; what comes
 * in another order than it happened then looks like the newest. Where that may be, the issue is read again (I5).
 */
import { isRateLimited } from '../jobs/sync/denied.js';
import { systemClock } from '../lib/clock.js';
import { type ErrorCode, ForgewayError } from '../lib/errors.js';
import { type IssueData, isInDoubt, upsertIssues } from '../store/mirror/issue.js';
import type { StoredRepository } from '../store/mirror/repository.js';
import { issue as issueShape, readShape } from '../store/mirror/shape.js';
import type { Tie } from '../store/mirror/versioned-upsert.js';
import { type DeliveryWork, type HandlerOptions, inDelivery } from './delivery-work.js';
import { isLive } from './mirror-event.js';

export interface IssueReader {
  /** How an installation's forge is asked in GitHub's language, by the number apps know, without what is confidential there. */
  askAs?(
    installationId: bigint,
  ): Promise<(route: string, parameters: Readonly<Record<string, unknown>>) => Promise<unknown>>;
}

/** An issue that is to be read again. */
export interface Doubt {
  repository: StoredRepository;
  number: number;
  installationId: bigint;
}

/** Writes an issue, and answers where what is written may not be the last word. */
export async function mirrorIssue(
  work: DeliveryWork,
  repository: StoredRepository,
  { issue, tie, installation }: { issue: IssueData; tie: Tie; installation: { id: bigint } | null | undefined },
): Promise<Doubt | undefined> {
  // It is opened before all else.
  const isInOrder = tie === 'loses' || issue.deletedAt !== null;
  const doubtful = !isInOrder && isLive(repository) && (await isInDoubt(work.tx, work.origin, repository, issue));
  await upsertIssues(work.tx, work.origin, repository, [issue], tie);
  return doubtful && installation ? { repository, number: issue.number, installationId: installation.id } : undefined;
}

/** The forge refuses, and asking again is refused as well: what was told stands. */
const REFUSALS: ReadonlySet<unknown> = new Set([403, 404, 410, 451, 501]);
const UNREACHABLE: ReadonlySet<ErrorCode> = new Set(['FORGEWAY_INSTALLATION_UNKNOWN', 'FORGEWAY_CONNECTION_UNUSABLE']);

function isRefused(error: unknown): boolean {
  if (error instanceof ForgewayError) return UNREACHABLE.has(error.code);
  if (isRateLimited(error, systemClock.now())) return false;
  return typeof error === 'object' && error !== null && REFUSALS.has(Reflect.get(error, 'status'));
}

/** Reads what is in doubt and writes what the forge says now. @throws what asking the forge throws, which may be tried again */
export async function settleIssue(o: HandlerOptions & IssueReader, doubt: Doubt | undefined): Promise<void> {
  if (doubt === undefined || o.askAs === undefined) return;
  const { repository, number, installationId } = doubt;
  const place = { owner: repository.owner, repo: repository.name, issue_number: number };
  let told: unknown;
  try {
    told = await (await o.askAs(installationId))('GET /repos/{owner}/{repo}/issues/{issue_number}', place);
  } catch (error) {
    if (!isRefused(error)) throw error;
    o.log.info({ repository: `${place.owner}/${place.repo}`, number }, 'an issue stands as it was told last');
    return;
  }
  const { isPullRequest, ...issue } = readShape(issueShape, told, 'issue');
  if (isPullRequest) return;
  await inDelivery(o, async ({ tx, origin }) => {
    await upsertIssues(tx, origin, repository, [issue], 'wins');
  });
}
