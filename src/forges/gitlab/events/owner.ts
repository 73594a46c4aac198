/** Who owns a repository, where the hook gave the name of the namespace only. */
import type { JsonObject, TranslatePorts } from '../../forge.js';
import { organization, user } from '../../kit/shapes/account.js';
import { knownAccount } from './account.js';
import { askObject, object } from './ask.js';

const KIND = 'owner';

/**
 * The payload with the owner that GitLab tells, asked once for each repository and remembered. As it is without a token, and
 * where no more is known of the namespace than its name.
 * @throws whatever says that the forge cannot be reached, so that the delivery is tried again
 */
export async function withOwner(payload: JsonObject, ports: TranslatePorts): Promise<JsonObject> {
  const repository = object(payload.repository);
  const owner = object(repository?.owner);
  if (repository === undefined || owner?.id !== 0 || typeof owner.login !== 'string') return payload;
  const { login } = owner;
  const key = String(repository.id);
  const kept = await ports.records?.get(KIND, key);
  // A project that moved has another owner.
  const isKept = kept?.data.login === login;
  const known = isKept
    ? kept?.data
    : object((await askObject(ports, 'GET /repos/{owner}/{repo}', { owner: login, repo: repository.name }))?.owner);
  const account = knownAccount(known);
  if (account?.login !== login) return payload;
  if (!isKept) await ports.records?.put(KIND, key, { id: account.id, login, type: account.type });
  const { organization: _, ...rest } = payload;
  return {
    ...rest,
    repository: { ...repository, owner: user(ports.base, account) },
    ...(account.type === 'Organization' && { organization: organization(ports.base, account) }),
  };
}
