/**
 * Merging by itself when the checks have succeeded. The forge tells nothing of it in a pull request, only in the timeline,
 * so what was asked for is kept here.
 */
import type { JsonObject } from '../../forge.js';
import type { RouteContext, RouteRequest } from '../../kit/route.js';
import type { AutoMergeInput } from '../../kit/shapes/inputs.js';
import { idOf, numberParam, objectOf, objectsOf, repoPath, textIn, textOf } from './native.js';
import { everything } from './pages.js';

/** Record: key is the pull request's id on the server, data `{ method, title, message, by }`; see {@link AutoMergeWish}. */
const AUTO_MERGE = 'auto_merge';
const SCHEDULED = 'pull_scheduled_merge';
const CANCELLED = 'pull_cancel_scheduled_merge';

interface AutoMergeWish {
  method: AutoMergeInput['method'];
  title: string | undefined;
  message: string | undefined;
}

export async function keepAutoMerge(context: RouteContext, pull: JsonObject, wish: AutoMergeWish): Promise<void> {
  const { id, login } = context.account;
  await context.records.put(AUTO_MERGE, String(idOf(pull)), { ...wish, by: { id: String(id), login } });
}

export const forgetAutoMerge = (context: RouteContext, pull: JsonObject): Promise<void> =>
  context.records.delete(AUTO_MERGE, String(idOf(pull)));

/** Whether somebody cancelled on the page what we scheduled. */
async function isCancelled(request: RouteRequest, context: RouteContext): Promise<boolean> {
  const path = `${repoPath(request)}/issues/${numberParam(request, 'pull_number')}/timeline`;
  const types = objectsOf(await everything(context, path)).map((entry) => textOf(entry, 'type'));
  return types.findLast((type) => type === SCHEDULED || type === CANCELLED) === CANCELLED;
}

/** False when nothing was scheduled through us. The timeline is asked only about what was. */
export async function autoMergeOf(
  request: RouteRequest,
  context: RouteContext,
  pull: JsonObject,
): Promise<AutoMergeInput | false> {
  if (pull.state !== 'open') return false;
  const record = await context.records.get(AUTO_MERGE, String(idOf(pull)));
  if (record === undefined) return false;
  if (await isCancelled(request, context)) {
    await forgetAutoMerge(context, pull);
    return false;
  }
  const by = objectOf(record.data.by);
  const method = textOf(record.data, 'method');
  return {
    enabledBy: { id: textOf(by, 'id'), login: textOf(by, 'login'), type: 'User' },
    method: method === 'squash' || method === 'rebase' ? method : 'merge',
    commitTitle: textIn(record.data, 'title') ?? null,
    commitMessage: textIn(record.data, 'message') ?? null,
  };
}
