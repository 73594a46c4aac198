import type { PoolClient } from 'pg';
import { audit } from '../../accounts/audit.js';
import { drive } from '../../jobs/agent/drive.js';
import { createDraftPr, rememberPullRequest } from '../../jobs/pull-request/service.js';
import { ForgewayError } from '../../lib/errors.js';
import { repositoryById } from '../../store/mirror/repository.js';
import { pullRequest as pullRequestShape } from '../../store/mirror/shape.js';
import { notFound } from '../authorize.js';
import { refusalOf } from './forge-write.js';
import type { Services } from './services.js';

interface Wanted {
  repositoryId: string;
  sessionId?: string | undefined;
  headBranch: string;
  baseBranch?: string | undefined;
  title: string;
  body: string;
}

const LIMIT_MS = 30_000;

/** @throws ForgewayError FORGEWAY_CONFLICT where it is another session's, whose comment and preview speak of it */
async function belongTo(tx: PoolClient, pullRequestId: string, sessionId: string): Promise<void> {
  const { rowCount } = await tx.query(
    'UPDATE pull_request SET session_id = $2 WHERE id = $1 AND (session_id IS NULL OR session_id = $2)',
    [pullRequestId, sessionId],
  );
  if (rowCount === 1) return;
  throw new ForgewayError('FORGEWAY_CONFLICT', 'A pull request of this branch is open already, of another session.');
}

/** Opens a draft and puts it into the mirror. @throws ForgewayError FORGEWAY_NOT_FOUND, or FORGEWAY_CONFLICT when the forge refuses */
export async function createDraft(
  { services, organizationId, by }: { services: Services; organizationId: string; by: string },
  { repositoryId, sessionId, headBranch, baseBranch, title, body }: Wanted,
): Promise<{ id: string | null; number: number | null; url: string | null }> {
  const repository = await services.store.tenant(organizationId, async (tx) => {
    const found = await repositoryById(tx, repositoryId);
    const session =
      sessionId === undefined
        ? undefined
        : await tx.query('SELECT FROM agent_session WHERE id = $1 AND repository_id = $2', [sessionId, repositoryId]);
    return session?.rowCount === 0 ? undefined : found;
  });
  if (repository === undefined) throw notFound();
  if (repository.status === 'removed')
    throw new ForgewayError('FORGEWAY_CONFLICT', 'Its repository is not connected any more.');
  const requests = await services.requestsOf(organizationId, repositoryId);
  const octokit = {
    request: async (route: string, parameters?: Record<string, unknown>) => ({
      headers: {},
      ...(await requests.request(route, parameters)),
    }),
  };
  const place = { owner: repository.owner, repo: repository.name };
  const wanted = { head: headBranch, base: baseBranch ?? repository.defaultBranch, title, body };
  let data: unknown;
  let created: boolean;
  try {
    ({ data, created } = await createDraftPr(octokit, place, wanted, AbortSignal.timeout(LIMIT_MS)));
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
  const { success, data: pull } = pullRequestShape.safeParse(data);
  // A forge that answers less tells the rest with its webhook.
  if (!success) return { id: null, number: null, url: null };
  const { id, driven } = await services.store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ url: string | null }>(
      'SELECT remote_instance_url AS url FROM repository WHERE id = $1',
      [repositoryId],
    );
    const { forge, host } = repository;
    const origin = { organizationId, forge, host, instanceUrl: rows[0]?.url ?? null };
    const written = await rememberPullRequest(tx, origin, repository, data, null);
    if (sessionId !== undefined) await belongTo(tx, written.id, sessionId);
    if (created) await audit(tx, organizationId, 'pull-request.created', written.id, {}, by);
    const { url, number, title: named } = written;
    const event = { kind: 'pr.created', pullRequestId: written.id, url, number, title: named } as const;
    // Its session says so, where its work is not under way again.
    const driven = sessionId === undefined ? undefined : await drive(tx, sessionId, [event], { wakes: false });
    return { id: written.id, driven };
  });
  if (driven?.changed) await services.sessionSoon({ session: driven.session, agents: [], reports: driven.reports });
  return { id, number: pull.number, url: pull.url };
}
