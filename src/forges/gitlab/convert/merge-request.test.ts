import { expect, it } from '@jest/globals';
import { mergeability } from './merge-request.js';

it.each([
  ['success', 'clean'],
  ['skipped', 'clean'],
  [undefined, 'clean'],
  ['running', 'unstable'],
  ['failed', 'unstable'],
  ['canceled', 'unstable'],
])('whose pipeline is %s is, where GitLab waits for none, %s', (status, state) => {
  const pipeline = status === undefined ? null : { status };
  expect(mergeability({ detailed_merge_status: 'mergeable', head_pipeline: pipeline })).toEqual({
    mergeable: true,
    mergeableState: state,
  });
});

it('that GitLab itself holds back is what it says', () => {
  const head_pipeline = { status: 'failed' };
  const states = ['need_rebase', 'not_approved', 'conflict'].map(
    (word) => mergeability({ detailed_merge_status: word, head_pipeline }).mergeableState,
  );
  expect(states).toEqual(['behind', 'blocked', 'dirty']);
});
