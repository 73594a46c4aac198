/**
 * Whole lives of pull requests and issues of which a third of the webhooks is lost, while the poller looks at any moment: nothing is
 * told more often than it happened, and in the end the mirror says what the forge says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { type PollRig, startPollRig } from './poll-rig.js';

let rig: PollRig;
afterEach(() => rig.close());

const forges = fakedForges
  .filter(({ poll }, at, all) => poll !== undefined && all.findIndex((other) => other.poll === poll) === at)
  .map((forge) => [forge.label, forge] as const);

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const LOST = 0.35;
const LOOKED = 0.3;
const LIVES = 4;
const SEED = 338;

type Step = () => Promise<readonly string[]>;

/** What happens to one pull request and one issue, in its order; each step answers what it is to be told as, at most. */
function life(n: number): Step[] {
  const [alice, bob] = [rig.as('alice'), rig.as('bob')];
  const branch = `change-${n}`;
  const push = (text: string) => alice.push({ branch, files: { [`${branch}.txt`]: text }, message: text });
  let pull = 0;
  let issue = 0;
  const ofPull = (...actions: string[]) => actions.map((action) => `pull_request.${action}`);
  const told = (number: number, ...heard: string[]) => heard.map((one) => one.replace(/^(\S+)/, `$1 ${number}`));
  return [
    async () => {
      await push('one');
      return [`create ${branch}`, `push refs/heads/${branch}`];
    },
    async () => {
      pull = await alice.openPullRequest({ head: branch, title: `Change ${n}` });
      return told(pull, ...ofPull('opened'));
    },
    async () => {
      await alice.label(pull, ['bug', 'ui']);
      return told(pull, ...ofPull('labeled bug', 'labeled ui'));
    },
    async () => {
      await alice.editPullRequest(pull, { title: `Better ${n}` });
      return told(pull, ...ofPull('edited'));
    },
    async () => {
      await bob.comment(pull, 'Hello');
      return told(pull, 'issue_comment.created');
    },
    async () => {
      await alice.editPullRequest(pull, { draft: true });
      return told(pull, ...ofPull('converted_to_draft', 'edited'));
    },
    async () => {
      await push('two');
      return [...told(pull, ...ofPull('synchronize')), `push refs/heads/${branch}`];
    },
    async () => {
      await alice.unlabel(pull, ['ui']);
      return told(pull, ...ofPull('unlabeled ui'));
    },
    async () => {
      await alice.assign(pull, ['bob']);
      return told(pull, ...ofPull('assigned'));
    },
    async () => {
      await alice.close(pull);
      return told(pull, ...ofPull('closed'));
    },
    async () => {
      issue = await bob.openIssue({ title: `Broken ${n}` });
      return told(issue, 'issues.opened');
    },
    async () => {
      await alice.reopen(pull);
      return told(pull, ...ofPull('reopened'));
    },
    async () => {
      await alice.label(issue, ['bug']);
      return told(issue, 'issues.labeled bug');
    },
    async () => {
      await bob.review(pull, { verdict: 'approve', body: 'Good' });
      return told(pull, 'pull_request_review.submitted', 'issue_comment.created');
    },
    async () => {
      await alice.editPullRequest(pull, { draft: false, title: `Best ${n}` });
      return told(pull, ...ofPull('ready_for_review', 'edited'));
    },
    async () => {
      await alice.close(issue);
      return told(issue, 'issues.closed');
    },
    async () => {
      await alice.mergePullRequest(pull);
      return [...told(pull, ...ofPull('closed')), 'push refs/heads/main'];
    },
    async () => {
      await alice.deleteBranch(branch);
      return [`delete ${branch}`, `push refs/heads/${branch}`];
    },
    async () => {
      await alice.editIssue(issue, { title: `Mended ${n}` });
      return told(issue, 'issues.edited');
    },
    async () => {
      await alice.reopen(issue);
      return told(issue, 'issues.reopened');
    },
  ];
}

function countsOf(heard: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const one of heard) counts.set(one, (counts.get(one) ?? 0) + 1);
  return counts;
}

describe.each(forges)('lives on %s of which a third of the webhooks is lost', (_label, forge) => {
  it('are told once, and end as the forge has them', async () => {
    const random = randomOf(SEED);
    rig = await startPollRig(forge, { mode: 'both' });
    await rig.pollUntilCalm();
    const lives = Array.from({ length: LIVES }, (_, n) => life(n));
    const happened: string[] = [];
    for (let tick = 0; lives.some((steps) => steps.length > 0); tick += 1) {
      const lost = random() < LOST ? rig.hold() : undefined;
      // One after the other, so that what is lost is another part of each.
      const steps = lives.flatMap((life, n) => (n <= tick ? (life.shift() ?? []) : []));
      for (const told of await Promise.all(steps.map((step) => step()))) happened.push(...told);
      await rig.fake.settled();
      lost?.drop();
      await rig.quiet();
      if (random() < LOOKED) await rig.poll();
      // Versions are whole seconds.
      await sleep(1_000);
    }
    await rig.pollUntilCalm();

    const most = countsOf(happened);
    const tooOften = [...countsOf(rig.heard)].filter(([what, count]) => count > (most.get(what) ?? count));
    expect(tooOften).toEqual([]);
    const heard = new Set(rig.heard);
    // Of what nothing undid, and no opening told.
    const missed = [...most.keys()].filter(
      (what) => /\.opened|_comment\.|review\.submitted|pull_request\.assigned/.test(what) && !heard.has(what),
    );
    expect(missed).toEqual([]);

    const { pullRequests, issues } = await rig.fake.state({ owner: 'acme', name: 'web' });
    const mirrored = await rig.rows<{ number: number; title: string; state: string; labels: string[] }>(
      `SELECT number, title, state, ARRAY(SELECT l->>'name' FROM jsonb_array_elements(labels) l ORDER BY 1) AS labels
       FROM (SELECT number, title, state, labels FROM issue UNION ALL
         SELECT number, title, CASE WHEN merged_at IS NULL THEN state ELSE 'merged' END, labels FROM pull_request) o
       ORDER BY number`,
    );
    const expected = [...pullRequests, ...issues]
      .map(({ number, title, state, labels }) => ({ number, title, state, labels }))
      .sort((left, right) => left.number - right.number);
    expect(mirrored).toEqual(expected);
    expect(rig.fake.violations()).toEqual([]);
  }, 240_000);
});
