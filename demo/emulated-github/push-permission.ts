/** Who may write to the repository: pushes and commit statuses ask before anything is changed. */
import type { Emulator } from './emulator.js';
import { ApiProblem } from './exchange.js';
import { isObject } from './json.js';
import { assertInstallationMay, type Holder } from './tokens.js';

const writers: readonly unknown[] = ['admin', 'maintain', 'push'];

/** For an installation its `permission` counts, for a person their role. @throws ApiProblem 403 otherwise. */
export async function assertMayPush(
  holder: Holder,
  permission: 'contents' | 'statuses',
  emulator: Emulator,
  fullName: string,
): Promise<void> {
  if (holder.kind !== 'person') {
    assertInstallationMay(holder, permission, 'write');
    return;
  }
  const path = `/repos/${fullName}/collaborators/${holder.login}/permission`;
  const answer = await emulator.call(path, { token: emulator.administratorToken });
  const shown: unknown = answer.status === 200 ? JSON.parse(answer.body.toString('utf8')) : {};
  if (!isObject(shown) || !writers.includes(shown.permission))
    throw new ApiProblem(403, 'Must have push access to the repository.');
}
