/** Merging by itself when the pipeline has succeeded. GitLab tells that it will, and by whom; with which words, we keep. */
import { z } from 'zod';
import type { RouteContext } from '../../kit/route.js';
import type { AutoMergeInput } from '../../kit/shapes/inputs.js';
import { isOpen, type NativeMergeRequest } from '../convert/merge-request.js';
import { read } from '../convert/read.js';
import { accountOrNull } from '../convert/user.js';

/** Record: key is the merge request's id on the instance. */
const AUTO_MERGE = 'auto_merge';

const kept = z.looseObject({
  method: z.enum(['merge', 'squash', 'rebase']),
  title: z.string().nullable(),
  message: z.string().nullable(),
});
type AutoMergeWish = z.output<typeof kept>;

export async function keepAutoMerge(context: RouteContext, mr: NativeMergeRequest, wish: AutoMergeWish): Promise<void> {
  await context.records.put(AUTO_MERGE, String(mr.id), { ...wish });
}

export const forgetAutoMerge = (context: RouteContext, mr: NativeMergeRequest): Promise<void> =>
  context.records.delete(AUTO_MERGE, String(mr.id));

/** False when it waits for somebody to merge it. What was set on GitLab's own page has no words of ours. */
export async function autoMergeOf(context: RouteContext, mr: NativeMergeRequest): Promise<AutoMergeInput | false> {
  if (mr.merge_when_pipeline_succeeds !== true || !isOpen(mr)) return false;
  const record = await context.records.get(AUTO_MERGE, String(mr.id));
  const wish = record && read(kept, record.data, 'auto-merge record');
  return {
    enabledBy: accountOrNull(mr.merge_user),
    method: wish?.method ?? (mr.squash === true ? 'squash' : 'merge'),
    commitTitle: wish?.title ?? null,
    commitMessage: wish?.message ?? null,
  };
}
