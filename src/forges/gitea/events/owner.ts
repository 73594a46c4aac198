/** Whether a repository is a person's or an organization's, which most hooks do not tell. */
import type { JsonObject, TranslatePorts } from '../../forge.js';
import { hasNoAnswer } from '../../kit/no-answer.js';
import { RouteFailure } from '../../kit/route.js';
import type { AccountInput, Id } from '../../kit/shapes/inputs.js';
import { isObject } from './fields.js';

const KIND = 'owner';
/** A private organization is nobody to a token until it is let in. */
const ASKED_AGAIN_MS = 24 * 60 * 60_000;

type OwnerType = 'User' | 'Organization';

const isType = (value: unknown): value is OwnerType => value === 'User' || value === 'Organization';

/** Undefined when the forge will not say. @throws what the port throws while the forge cannot be reached */
async function asked(
  github: NonNullable<TranslatePorts['github']>,
  owner: AccountInput,
): Promise<OwnerType | undefined> {
  try {
    const answer = await github('GET /orgs/{org}', { org: owner.login });
    // Its name may have gone to somebody else meanwhile.
    return isObject(answer) && String(answer.id) === String(owner.id) ? 'Organization' : undefined;
  } catch (error) {
    if (hasNoAnswer(error)) return undefined;
    if (!(error instanceof RouteFailure)) throw error;
    if (error.status === 404) return 'User';
    if ((error.status >= 500 && error.status !== 501) || error.status === 408 || error.status === 429) throw error;
    return undefined;
  }
}

/**
 * Asks the forge once for each repository and remembers it; again when the repository has another owner. Undefined without a
 * token, or when the forge will not say.
 * @throws what the port throws while the forge cannot be reached, so that the delivery is tried again
 */
export async function ownerType(
  { github, records }: Pick<TranslatePorts, 'github' | 'records'>,
  repository: { id: Id; owner: AccountInput },
  received: Date,
): Promise<OwnerType | undefined> {
  if (github === undefined) return undefined;
  const key = String(repository.id);
  const owner = String(repository.owner.id);
  const known = await records?.get(KIND, key);
  const isFresh =
    known?.data.type === 'Organization' ||
    (known !== undefined && received.getTime() - known.updatedAt.getTime() < ASKED_AGAIN_MS);
  if (known !== undefined && isFresh && known.data.owner === owner && isType(known.data.type)) return known.data.type;
  const type = await asked(github, repository.owner);
  if (type !== undefined) await records?.put(KIND, key, { owner, type } satisfies JsonObject);
  return type;
}
