/**
 * What a webhook means for workspaces: their repository is looked at at once. What is run is what the forge shows then, so one
 * that is lost, late or there twice changes nothing but when.
 */
import { lookAgain } from '../jobs/run/watch-rows.js';
import type { DeliveryWork } from './delivery-work.js';

/** Of a pull request: those that bring another head, or another branch to be merged into, or end it. */
const CONCERNS: ReadonlySet<string> = new Set(['opened', 'reopened', 'synchronize', 'closed', 'edited']);

/** @param pullRequestAction absent: something else of the repository has changed, such as a branch or its name */
export async function lookForWorkspaces(
  work: DeliveryWork,
  remoteId: bigint,
  pullRequestAction?: string,
): Promise<void> {
  if (pullRequestAction !== undefined && !CONCERNS.has(pullRequestAction)) return;
  const { forge, host } = work.origin;
  for (const wanted of await lookAgain(work.tx, { forge, host, remoteId })) work.poke('watch', wanted);
}
