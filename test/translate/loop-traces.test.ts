import { describe, expect, it } from '@jest/globals';
import { tracesOfEvent, tracesOfWrite } from '../../src/translate/loop-traces.js';

const repository = { name: 'Web', owner: { login: 'Acme' } };
const at = { owner: 'ACME', repo: 'web' };
const sha = 'a'.repeat(40);
const REPO = '/repos/{owner}/{repo}';

type Write = Parameters<typeof tracesOfWrite>;
type Event = Parameters<typeof tracesOfEvent>;

/** A write, and the event that a forge tells because of it. */
const pairs: readonly (readonly [string, Write, Event])[] = [
  [
    'a comment',
    [`POST ${REPO}/issues/{issue_number}/comments`, { ...at, issue_number: '3' }, { body: 'Hi' }, { id: 77 }],
    ['issue_comment', { repository, issue: { number: 3 }, comment: { id: 77 } }],
  ],
  [
    'a comment that is edited',
    [`PATCH ${REPO}/issues/comments/{comment_id}`, { ...at, comment_id: '77' }, { body: 'Ho' }, {}],
    ['issue_comment', { repository, action: 'edited', issue: { number: 3 }, comment: { id: 77 } }],
  ],
  [
    'labels',
    [`POST ${REPO}/issues/{issue_number}/labels`, { ...at, issue_number: '3' }, {}, [{ name: 'bug' }, { name: 'x y' }]],
    ['pull_request', { repository, action: 'labeled', pull_request: { number: 3 }, label: { name: 'x y' } }],
  ],
  [
    'a label that is taken away',
    [`DELETE ${REPO}/issues/{issue_number}/labels/{name}`, { ...at, issue_number: '3', name: 'bug' }, {}, []],
    ['issues', { repository, action: 'unlabeled', issue: { number: 3 }, label: { name: 'bug' } }],
  ],
  [
    'a review',
    [`POST ${REPO}/pulls/{pull_number}/reviews`, { ...at, pull_number: '3' }, {}, { id: 5 }],
    ['pull_request_review', { repository, pull_request: { number: 3 }, review: { id: 5 } }],
  ],
  [
    'a status',
    [`POST ${REPO}/statuses/{sha}`, { ...at, sha }, { state: 'success' }, { id: 9 }],
    ['status', { repository, sha, context: 'default' }],
  ],
  [
    'a check run',
    [`PATCH ${REPO}/check-runs/{check_run_id}`, { ...at, check_run_id: '4' }, {}, { id: 4 }],
    ['check_run', { repository, check_run: { id: 4 } }],
  ],
  [
    'a deployment',
    [`POST ${REPO}/deployments`, at, { ref: 'main' }, { id: 6 }],
    ['deployment', { repository, action: 'created', deployment: { id: 6 } }],
  ],
  [
    'a state of a deployment',
    [`POST ${REPO}/deployments/{deployment_id}/statuses`, { ...at, deployment_id: '6' }, {}, { id: 9 }],
    ['deployment_status', { repository, action: 'created', deployment: { id: 6 }, deployment_status: { id: 8 } }],
  ],
  [
    'a file',
    [`PUT ${REPO}/contents/{path}`, { ...at, path: 'a' }, {}, { commit: { sha } }],
    ['push', { repository, after: sha }],
  ],
  [
    'a ref',
    [`PATCH ${REPO}/git/refs/{ref}`, { ...at, ref: 'heads/x' }, { sha }, {}],
    ['pull_request', { repository, action: 'synchronize', pull_request: { number: 3, head: { sha } } }],
  ],
  [
    'a merge',
    [`PUT ${REPO}/pulls/{pull_number}/merge`, { ...at, pull_number: '3' }, {}, { sha }],
    ['pull_request', { repository, action: 'closed', pull_request: { number: 3 } }],
  ],
  [
    'a new issue',
    [`POST ${REPO}/issues`, at, { title: 'x' }, { number: 8 }],
    ['issues', { repository, action: 'opened', issue: { number: 8 } }],
  ],
  [
    'an issue that is closed',
    [`PATCH ${REPO}/issues/{issue_number}`, { ...at, issue_number: '3' }, {}, { state: 'closed' }],
    ['issues', { repository, action: 'closed', issue: { number: 3 } }],
  ],
  [
    'a milestone',
    [`PATCH ${REPO}/issues/{issue_number}`, { ...at, issue_number: '3' }, { milestone: 1 }, { state: 'open' }],
    ['issues', { repository, action: 'milestoned', issue: { number: 3 } }],
  ],
  [
    'people who are asked',
    [`POST ${REPO}/pulls/{pull_number}/requested_reviewers`, { ...at, pull_number: '3' }, {}, {}],
    ['pull_request', { repository, action: 'review_requested', pull_request: { number: 3 } }],
  ],
];

describe('a write and the event that it causes', () => {
  it.each(pairs)('know each other: %s', (_what, write, event) => {
    const left = new Set(tracesOfWrite(...write));
    expect(tracesOfEvent(...event).filter((trace) => left.has(trace))).toHaveLength(1);
  });

  it.each(pairs)('do not in another repository: %s', (_what, write, [name, payload]) => {
    const left = new Set(tracesOfWrite(...write));
    const elsewhere = { ...payload, repository: { ...repository, name: 'api' } };
    expect(tracesOfEvent(name, elsewhere).filter((trace) => left.has(trace))).toEqual([]);
  });

  it('of one pull request are not those of another', () => {
    const left = tracesOfWrite(
      `PATCH ${REPO}/pulls/{pull_number}`,
      { ...at, pull_number: '3' },
      {},
      { state: 'closed' },
    );
    expect(left).not.toContain(
      tracesOfEvent('pull_request', { repository, action: 'closed', pull_request: { number: 4 } })[0],
    );
  });
});

it.each([
  [
    'a comment that is deleted',
    [`DELETE ${REPO}/issues/comments/{comment_id}`, { ...at, comment_id: '7' }, {}, undefined],
  ],
  ['an answer without what is looked for', [`POST ${REPO}/issues/{issue_number}/comments`, at, {}, {}]],
  ['an answer that is nothing', [`PUT ${REPO}/contents/{path}`, at, {}, null]],
  [
    'a list that holds nothing',
    [`POST ${REPO}/issues/{issue_number}/labels`, { ...at, issue_number: '3' }, {}, [null, 1]],
  ],
  ['something else', [`PUT ${REPO}/topics`, at, {}, {}]],
] as [string, Write][])('%s leaves no trace', (_what, write) => {
  expect(tracesOfWrite(...write)).toEqual([]);
});

it.each([{}, { repository: null }, { action: 7, issue: 'x' }, { comment: null }, { label: 1, issue: { number: {} } }])(
  'a payload like %j has none that could be mistaken',
  (payload) => {
    expect(tracesOfEvent('issues', payload)).toEqual([]);
  },
);
