import { expect, it } from '@jest/globals';
import { tracesOfEvent, tracesOfWrite } from '../../src/translate/loop-traces.js';

const PULL = '/repos/{owner}/{repo}/pulls/{pull_number}';
const at = { owner: 'acme', repo: 'shop', pull_number: '3' };
const sha = 'a'.repeat(40);
const event = (action: string) =>
  tracesOfEvent('pull_request', {
    action,
    pull_request: { number: 3 },
    repository: { name: 'shop', owner: { login: 'acme' } },
  });

it.each(['converted_to_draft', 'ready_for_review', 'edited'])('a draft that we set is known by %s', (action) => {
  const [trace] = event(action);
  expect(tracesOfWrite(`PUT ${PULL}/draft`, at, { draft: true }, {})).toContain(trace);
});

it('an auto-merge that merged at once is known by the close, and one that waits by nothing', () => {
  const merged = { state: 'closed', merge_commit_sha: sha };
  expect(tracesOfWrite(`PUT ${PULL}/auto-merge`, at, {}, merged)).toEqual([
    `acme/shop push ${sha}`,
    ...event('closed'),
  ]);
  expect(tracesOfWrite(`PUT ${PULL}/auto-merge`, at, {}, { state: 'open' })).toEqual([]);
});
