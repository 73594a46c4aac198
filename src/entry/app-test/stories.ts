/** What people do, step by step; the same on every forge. After each step the apps have run. */
import type { Stage } from './stage.js';

export interface Story {
  name: string;
  play(stage: Stage): Promise<void>;
}

/** One step after another, each over before the next begins. */
async function inTurn({ settled }: Stage, ...steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const step of steps) {
    await step();
    await settled();
  }
}

async function openTopic({ alice, settled }: Stage, title: string, draft = false): Promise<number> {
  await alice.push({ branch: 'topic', files: { 'src/prices.txt': 'one\n' }, message: 'Add prices' });
  await settled();
  const number = await alice.openPullRequest({ head: 'topic', title, body: 'Prices, at last.', draft });
  await settled();
  return number;
}

export const stories: readonly Story[] = [
  {
    name: 'a pull request is opened, edited, pushed to, labelled, reviewed and merged',
    async play(stage) {
      const { alice, bob } = stage;
      const number = await openTopic(stage, 'Add prices');
      await inTurn(
        stage,
        () => alice.editPullRequest(number, { title: 'feat: add prices' }),
        () => alice.push({ branch: 'topic', files: { 'src/prices.txt': 'one\ntwo\n' }, message: 'fix: more prices' }),
        () => alice.label(number, ['bug']),
        () => alice.unlabel(number, ['bug']),
        () => alice.requestReview(number, ['bob']),
        () => bob.comment(number, 'What of the third?'),
        () => bob.review(number, { verdict: 'approve', body: 'Well done.' }),
        () => bob.mergePullRequest(number),
      );
    },
  },
  {
    name: 'a draft becomes ready, is closed and opened again',
    async play(stage) {
      const { alice } = stage;
      const number = await openTopic(stage, 'Prices', true);
      await inTurn(
        stage,
        () => alice.editPullRequest(number, { draft: false }),
        () => alice.close(number),
        () => alice.reopen(number),
      );
    },
  },
  {
    name: 'changes are requested, a status fails',
    async play(stage) {
      const { alice, bob, settled } = stage;
      const number = await openTopic(stage, 'Prices');
      const lines = [{ path: 'src/prices.txt', line: 1, body: 'Too dear.' }];
      await bob.review(number, { verdict: 'request_changes', body: 'Not yet.', lines });
      await settled();
      const sha = await alice.push({ branch: 'topic', files: { 'src/prices.txt': 'less\n' }, message: 'Less' });
      await inTurn(
        stage,
        () => bob.setStatus(sha, { context: 'ci/test', state: 'pending' }),
        () => bob.setStatus(sha, { context: 'ci/test', state: 'failure', description: 'One test failed' }),
      );
    },
  },
  {
    name: 'an issue is opened, edited, labelled, assigned, commented on and closed',
    async play(stage) {
      const { alice, bob, settled } = stage;
      const number = await alice.openIssue({ title: 'It is slow', body: 'Since Monday.' });
      await settled();
      await inTurn(
        stage,
        () => alice.editIssue(number, { title: 'The prices are slow' }),
        () => alice.label(number, ['bug', 'help wanted']),
        () => alice.assign(number, ['bob']),
        () => bob.comment(number, '/help please'),
        () => bob.close(number),
        () => alice.reopen(number),
      );
    },
  },
  {
    name: 'the default branch is pushed to, and a release is published',
    async play(stage) {
      const { alice, defaultBranch } = stage;
      await inTurn(
        stage,
        () => alice.push({ branch: defaultBranch, files: { 'docs/index.md': '# Prices\n' }, message: 'docs: prices' }),
        () => alice.release({ tag: 'v1.0.0', title: 'One', body: 'The first.' }),
        () => alice.push({ branch: 'old', files: { 'a.txt': 'a\n' }, message: 'Old' }),
        () => alice.deleteBranch('old'),
      );
    },
  },
];
