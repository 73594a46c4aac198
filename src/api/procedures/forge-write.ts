/** What people do to pull requests and issues here is done on the forge; the mirror hears of it as of everything there. */
import { ForgewayError } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import { notFound } from '../authorize.js';
import type { RepositoryRequests, Services } from './services.js';

interface Place {
  repository_id: string | null;
  remote_owner: string;
  remote_name: string;
  number: number;
}

const TABLES = { pullRequest: 'pull_request', issue: 'issue' } as const;

/** Of an Octokit's error; anything else that is thrown is a fault of ours, or says itself what it is. */
export function refusalOf(error: unknown): ForgewayError | undefined {
  if (!(error instanceof Error) || error.name !== 'HttpError') return undefined;
  const status: unknown = Reflect.get(error, 'status');
  if (typeof status !== 'number' || status < 400) return undefined;
  if (status >= 500 && status !== 501)
    return new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', `The forge answered ${status}.`, { cause: error });
  return new ForgewayError('FORGEWAY_CONFLICT', `The forge refused it: ${redactText(error.message).slice(0, 300)}`, {
    cause: error,
  });
}

export interface ForgeTarget {
  /** Asks with owner and repo filled in. @throws ForgewayError FORGEWAY_CONFLICT when the forge refuses */
  ask(route: string, parameters?: Record<string, unknown>): Promise<unknown>;
  /** As apps see it. */
  number: number;
}

/** The thing on its forge. @throws ForgewayError FORGEWAY_NOT_FOUND, FORGEWAY_CONFLICT when its repository is not served any more */
export async function onForge(
  services: Services,
  organizationId: string,
  kind: keyof typeof TABLES,
  id: string,
): Promise<ForgeTarget> {
  const place = await services.store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<Place>(
      `SELECT r.id AS repository_id, r.remote_owner, r.remote_name, x.number FROM ${TABLES[kind]} x
       LEFT JOIN repository r ON r.id = x.repository_id AND r.status <> 'removed' WHERE x.id = $1`,
      [id],
    );
    return rows[0];
  });
  if (place === undefined) throw notFound();
  const { repository_id: repositoryId, remote_owner: owner, remote_name: repo, number } = place;
  if (repositoryId === null) throw new ForgewayError('FORGEWAY_CONFLICT', 'Its repository is not connected any more.');
  const requests: RepositoryRequests = await services.requestsOf(organizationId, repositoryId);
  return {
    number,
    async ask(route, parameters) {
      try {
        return (await requests.request(route, { owner, repo, ...parameters })).data;
      } catch (error) {
        throw refusalOf(error) ?? error;
      }
    },
  };
}
