import type { AccountInput, Association, RepositoryInput } from '../../kit/shapes/inputs.js';

/** The one association that objects tell by themselves; undefined leaves the question open. */
export function associationOf(
  author: AccountInput | null | undefined,
  repository: RepositoryInput | null | undefined,
): Association | undefined {
  return author && repository && String(author.id) === String(repository.owner.id) ? 'OWNER' : undefined;
}
