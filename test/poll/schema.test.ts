/** What the poller tells is held to GitHub's schemas as what webhooks tell is: apps read both alike. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { githubEventErrors } from '../support/webhook-schema.js';
import { type PollRig, startPollRig } from './poll-rig.js';

let rig: PollRig;
afterEach(() => rig.close());

const forges = fakedForges.filter(({ poll }) => poll !== undefined).map((forge) => [forge.label, forge] as const);

/** All that a poller can tell of; what one forge has no event for is not asked of it. */
const WANTED = [
  'create',
  'delete',
  'push',
  'issue_comment.created',
  'issues.assigned',
  'issues.closed',
  'issues.labeled',
  'issues.opened',
  'issues.reopened',
  'issues.unlabeled',
  'pull_request.assigned',
  'pull_request.closed',
  'pull_request.edited',
  'pull_request.labeled',
  'pull_request.opened',
  'pull_request.synchronize',
  'pull_request.unlabeled',
  'pull_request_review.submitted',
  'pull_request_review_comment.created',
  'release.created',
  'release.published',
  'release.released',
];

describe.each(forges)('what the poller tells of %s', (_label, forge) => {
  it('is of the form that GitHub’s schemas say, every event of it', async () => {
    const wrong = new Set<string>();
    const told = new Set<string>();
    rig = await startPollRig(forge, {
      mode: 'poll',
      turns: ['objects', 'branches', 'tags', 'releases'],
      app: (app) => {
        app.onAny(async ({ name, payload }) => {
          const { action } = payload as { action?: string };
          const what = action === undefined ? name : `${name}.${action}`;
          told.add(what);
          for (const error of githubEventErrors(name, payload)) wrong.add(`${what}: ${error}`);
        });
      },
    });
    const [alice, bob] = [rig.as('alice'), rig.as('bob')];
    await rig.pollUntilCalm();
    await alice.push({ branch: 'change', files: { 'a.txt': 'a\n' }, message: 'Change' });
    const pull = await alice.openPullRequest({ head: 'change', title: 'A change' });
    const issue = await bob.openIssue({ title: 'Broken', body: 'It is.' });
    await bob.comment(issue, 'Really');
    await rig.pollUntilCalm();
    await alice.push({ branch: 'change', files: { 'a.txt': 'b\n' }, message: 'More' });
    await alice.editPullRequest(pull, { title: 'A better change' });
    await alice.label(pull, ['bug']);
    await alice.assign(pull, ['bob']);
    await bob.review(pull, { verdict: 'approve', body: 'Good', lines: [{ path: 'a.txt', line: 1, body: 'Why?' }] });
    await alice.label(issue, ['bug']);
    await alice.assign(issue, ['bob']);
    await bob.close(issue);
    await rig.pollUntilCalm();
    await alice.unlabel(pull, ['bug']);
    await alice.unlabel(issue, ['bug']);
    await bob.reopen(issue);
    await alice.mergePullRequest(pull);
    await alice.deleteBranch('change');
    await alice.release({ tag: 'v1', title: 'One' });
    await rig.pollUntilCalm();
    expect([...wrong]).toEqual([]);
    expect(WANTED.filter((what) => !told.has(what))).toEqual([]);
  });
});
