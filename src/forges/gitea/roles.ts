/** The forge's words for what somebody may do in a repository, and GitHub's. */

/** GitHub's words, weakest first. */
type Permission = 'none' | 'read' | 'write' | 'admin';

const PERMISSIONS: Readonly<Record<string, Permission>> = {
  none: 'none',
  read: 'read',
  write: 'write',
  admin: 'admin',
  // An owner of the organization, or the repository's own account.
  owner: 'admin',
};

/**
 * GitHub's word for the `permission` in `GET /repos/{owner}/{repo}/collaborators/{user}/permission` and in teams. A word we
 * do not know is no permission: whoever asks decides by it who may run what.
 */
export function permissionOf(native: unknown): Permission {
  return typeof native === 'string' && Object.hasOwn(PERMISSIONS, native) ? (PERMISSIONS[native] ?? 'none') : 'none';
}
