import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { FakePerson } from '../../src/forges/kit/fake/forge-fake.js';
import { type BodyCoding, unpackBody } from '../../src/inbox/packed-body.js';
import { fakedForges } from '../support/connected-forge.js';
import { type PollRig, startPollRig } from './poll-rig.js';

let rig: PollRig;
afterEach(() => rig.close());

// Two that share one API need not both.
const forges = fakedForges
  .filter(({ poll }, at, all) => poll !== undefined && all.findIndex((other) => other.poll === poll) === at)
  .map((forge) => [forge.label, forge] as const);

interface Made {
  pull: number;
  issue: number;
}

async function begin(alice: FakePerson, bob: FakePerson): Promise<Made> {
  await alice.push({ branch: 'change', files: { 'a.txt': 'a\n' }, message: 'Change' });
  const pull = await alice.openPullRequest({ head: 'change', title: 'A change' });
  const issue = await bob.openIssue({ title: 'Broken', body: 'It is.' });
  return { pull, issue };
}

async function goOn(alice: FakePerson, bob: FakePerson, { pull, issue }: Made): Promise<void> {
  await alice.push({ branch: 'change', files: { 'a.txt': 'b\n' }, message: 'More' });
  await alice.editPullRequest(pull, { title: 'A better change' });
  await alice.label(pull, ['bug', 'later']);
  await alice.assign(pull, ['bob']);
  await bob.review(pull, { verdict: 'approve', body: 'Good' });
  await bob.comment(pull, 'Nice');
  await alice.comment(issue, 'Indeed');
  await alice.label(issue, ['bug']);
  await bob.close(issue);
  await alice.mergePullRequest(pull);
  await alice.deleteBranch('change');
}

const wentOn = ({ pull, issue }: Made) => [
  `pull_request.synchronize ${pull}`,
  `pull_request.edited ${pull}`,
  `pull_request.labeled ${pull} bug`,
  `pull_request.labeled ${pull} later`,
  `pull_request.assigned ${pull}`,
  `pull_request.closed ${pull}`,
  `issue_comment.created ${pull}`,
  `pull_request_review.submitted ${pull}`,
  `issues.labeled ${issue} bug`,
  `issues.closed ${issue}`,
  `issue_comment.created ${issue}`,
  'push refs/heads/main',
  'delete change',
  'push refs/heads/change',
];

const released = (tag: string) => [
  `create ${tag}`,
  `push refs/tags/${tag}`,
  ...['created', 'published', 'released'].map((action) => `release.${action}`),
];

describe.each(forges)('tags and releases of %s', (_label, forge) => {
  it('are told when their webhooks were lost, once, and never twice', async () => {
    rig = await startPollRig(forge, { mode: 'both', turns: ['tags', 'releases'] });
    await rig.pollUntilCalm();
    const alice = rig.as('alice');
    await alice.push({ branch: 'main', files: { 'a.txt': 'a\n' }, message: 'Begin' });
    await alice.release({ tag: 'v1', title: 'One' });
    await rig.quiet();
    expect(rig.heard).toEqual(expect.arrayContaining(['push refs/tags/v1', 'release.published']));
    expect(await rig.pollUntilCalm()).toEqual([]);

    const lost = rig.hold();
    await alice.release({ tag: 'v2', title: 'Two' });
    await rig.fake.settled();
    lost.drop();
    expect((await rig.pollUntilCalm()).sort()).toEqual(released('v2').sort());

    const late = rig.hold();
    await alice.release({ tag: 'v3', title: 'Three' });
    await rig.fake.settled();
    expect((await rig.pollUntilCalm()).sort()).toEqual(released('v3').sort());
    const before = rig.heard.length;
    expect(late.count).toBeGreaterThan(0);
    await late.release();
    expect(rig.heard.slice(before)).toEqual([]);
    expect(await rig.pollUntilCalm()).toEqual([]);
  });
});

describe.each(forges)('comments on lines of %s', (_label, forge) => {
  it('are told once each, by the webhook of their review or by the poller', async () => {
    rig = await startPollRig(forge, { mode: 'both' });
    const [alice, bob] = [rig.as('alice'), rig.as('bob')];
    const { pull } = await begin(alice, bob);
    await rig.quiet();
    await rig.pollUntilCalm();
    const review = (...bodies: string[]) =>
      bob.review(pull, {
        verdict: 'comment',
        body: bodies.join(' '),
        lines: bodies.map((body) => ({ path: 'a.txt', line: 1, body })),
      });
    const told = () => rig.heard.filter((heard) => heard.startsWith('pull_request_review_comment.')).length;
    await review('Why?', 'And how?');
    await rig.quiet();
    expect(told()).toBe(2);
    expect(await rig.pollUntilCalm()).toEqual([]);

    const late = rig.hold();
    await review('Still.');
    await rig.fake.settled();
    expect(await rig.pollUntilCalm()).toContain(`pull_request_review_comment.created ${pull}`);
    await late.release();
    expect(told()).toBe(3);
    expect(await rig.pollUntilCalm()).toEqual([]);
    expect(rig.fake.violations()).toEqual([]);
  });
});

describe.each(forges)('polling %s beside webhooks', (_label, forge) => {
  it('finds nothing that they told, tells what they lost, and ignores what they tell too late', async () => {
    rig = await startPollRig(forge, { mode: 'both' });
    const [alice, bob] = [rig.as('alice'), rig.as('bob')];
    expect((await rig.poll()).heard).toEqual([]);
    const made = await begin(alice, bob);
    await rig.quiet();
    expect(rig.heard).toEqual(expect.arrayContaining(['create change', `issues.opened ${made.issue}`]));
    expect(await rig.pollUntilCalm()).toEqual([]);

    // A head that the poller reported is over with the next webhook of another one, but for webhooks of before that.
    const first = rig.hold();
    await alice.push({ branch: 'change', files: { 'b.txt': 'b\n' }, message: 'Beside' });
    expect(await rig.pollUntilCalm()).toContain(`pull_request.synchronize ${made.pull}`);
    const reports = () =>
      rig.rows<{ over: boolean }>(`SELECT before IS NOT NULL AS over FROM poll_report WHERE piece = 'head commit'`);
    expect(await reports()).toEqual([{ over: false }]);
    await first.release();
    // Versions are whole seconds.
    await sleep(1_000);
    await alice.push({ branch: 'change', files: { 'b.txt': 'c\n' }, message: 'Beside' });
    await rig.quiet();
    expect(await reports()).toEqual([{ over: true }]);
    expect(rig.heard.filter((heard) => heard.startsWith('pull_request.synchronize'))).toHaveLength(2);
    expect(await rig.pollUntilCalm()).toEqual([]);

    const held = rig.hold();
    await goOn(alice, bob, made);
    const polled = await rig.pollUntilCalm();
    expect(new Set(polled)).toEqual(new Set(wentOn(made)));
    // Of one object in the order in which GitHub tells them.
    const ofPull = polled.filter((heard) => heard.startsWith('pull_request.'));
    expect(ofPull).toEqual(wentOn(made).slice(0, ofPull.length));

    // The forge's list of what happened says who did what the object does not say.
    const told = await rig.rows<{ event_type: string; body_coding: BodyCoding; body: Buffer }>(
      `SELECT event_type, body_coding, body FROM webhook_delivery WHERE source = 'poll' AND event_type IN ('issues', 'pull_request')`,
    );
    const doers = told.map(({ event_type: name, body_coding: coding, body }) => {
      const text = unpackBody({ coding, bytes: body }).toString();
      const { action, sender } = JSON.parse(text) as { action: string; sender: { login: string } };
      return `${name}.${action} by ${sender.login}`;
    });
    expect(doers).toEqual(
      expect.arrayContaining([
        'pull_request.labeled by alice',
        'pull_request.closed by alice',
        'issues.labeled by alice',
        'issues.closed by bob',
      ]),
    );

    expect(held.count).toBeGreaterThan(8);
    const before = rig.heard.length;
    await held.release('reversed');
    expect(rig.heard.slice(before)).toEqual([]);
    const ignored = await rig.rows<{ n: number }>(
      `SELECT count(*)::int AS n FROM webhook_delivery WHERE reason = 'the poller reported it before'`,
    );
    expect(ignored[0]?.n).toBeGreaterThan(8);
    expect(await rig.pollUntilCalm()).toEqual([]);
    expect(rig.fake.violations()).toEqual([]);
  });
});

describe.each(forges)('pushes to %s whose webhooks come late and in any order', (_label, forge) => {
  it('are told once each, by the poller', async () => {
    rig = await startPollRig(forge, { mode: 'both', turns: ['branches'] });
    await rig.pollUntilCalm();
    const alice = rig.as('alice');
    const push = (text: string) => alice.push({ branch: 'side', files: { 'a.txt': text }, message: `Now ${text}` });
    const held = rig.hold();
    await push('a');
    await rig.fake.settled();
    expect(await rig.pollUntilCalm()).toEqual(['create side', 'push refs/heads/side']);
    // Two at once, which one report tells of.
    for (const texts of [['b', 'c'], ['d']]) {
      for (const text of texts) await push(text);
      await rig.fake.settled();
      expect(await rig.pollUntilCalm()).toEqual(['push refs/heads/side']);
    }
    const before = rig.heard.length;
    await held.release('reversed');
    expect(rig.heard.slice(before)).toEqual([]);
    expect(await rig.pollUntilCalm()).toEqual([]);

    // What goes on from there is told at once, and what it leads away from is not told again by its late webhook.
    await push('e');
    await rig.quiet();
    const ofBranches = (from: number) => rig.heard.slice(from).filter((heard) => heard.endsWith('side'));
    expect(ofBranches(before)).toEqual(['push refs/heads/side']);
    expect(await rig.pollUntilCalm()).toEqual([]);
    const again = rig.heard.length;
    await alice.deleteBranch('side');
    await push('f');
    await rig.quiet();
    const pushes = ['push refs/heads/side', 'push refs/heads/side'];
    expect(ofBranches(again).sort()).toEqual(['create side', 'delete side', ...pushes]);
    expect(await rig.pollUntilCalm()).toEqual([]);
    await alice.deleteBranch('side');
    await rig.quiet();
    expect(await rig.pollUntilCalm()).toEqual([]);
  });
});

describe.each(forges)('branches of %s that are called like what every object has', (_label, forge) => {
  it('are told like any other', async () => {
    rig = await startPollRig(forge, { mode: 'both', turns: ['branches'] });
    await rig.pollUntilCalm();
    const lost = rig.hold();
    const names = ['constructor', '__proto__'];
    for (const branch of names) await rig.as('alice').push({ branch, files: { 'a.txt': branch }, message: branch });
    await rig.fake.settled();
    lost.drop();
    const told = names.flatMap((branch) => [`create ${branch}`, `push refs/heads/${branch}`]);
    expect(new Set(await rig.pollUntilCalm())).toEqual(new Set(told));
    expect(await rig.pollUntilCalm()).toEqual([]);
    for (const branch of names) await rig.as('alice').deleteBranch(branch);
    await rig.quiet();
    expect(await rig.pollUntilCalm()).toEqual([]);
  });
});

/** Others tell of both in one webhook. */
const toldTwice = forges.filter(([, { id }]) => id !== 'gitlab');

describe.each(toldTwice)('a branch on %s whose beginning two webhooks tell', (_label, forge) => {
  const begin = async () => {
    rig = await startPollRig(forge, { mode: 'both', turns: ['branches'] });
    await rig.pollUntilCalm();
    const alice = rig.as('alice');
    return (text: string) => alice.push({ branch: 'side', files: { 'a.txt': text }, message: `Now ${text}` });
  };

  it('is told once when one of them is lost, whichever it is', async () => {
    const push = await begin();
    const both = ['create side', 'push refs/heads/side'];
    const ofSide = (from: number) =>
      rig.heard
        .slice(from)
        .filter((heard) => heard.endsWith('side'))
        .sort();
    for (const lost of ['push', 'create']) {
      const from = rig.heard.length;
      const held = rig.hold();
      await push(lost);
      await rig.fake.settled();
      await held.lose(lost);
      expect(ofSide(from)).toHaveLength(1);
      await rig.pollUntilCalm();
      expect(ofSide(from)).toEqual(both);
      // Now both come, in any order.
      await rig.as('alice').deleteBranch('side');
      await rig.quiet();
      expect(await rig.pollUntilCalm()).toEqual([]);
      const again = rig.heard.length;
      const late = rig.hold();
      await push(`${lost} again`);
      await rig.fake.settled();
      await late.release('reversed');
      expect(await rig.pollUntilCalm()).toEqual([]);
      expect(ofSide(again)).toEqual(both);
      await rig.as('alice').deleteBranch('side');
      await rig.quiet();
    }
  });

  it('is told to have come when both are lost and its next push is not, and not once more by the late ones', async () => {
    const push = await begin();
    const early = rig.hold();
    await push('a');
    await rig.fake.settled();
    const late = early.keep();
    await push('b');
    await rig.quiet();
    expect(rig.heard).toEqual(['push refs/heads/side', 'check_suite.requested']);
    expect(await rig.pollUntilCalm()).toEqual(['create side']);
    await late();
    expect(rig.heard.filter((heard) => heard === 'create side')).toHaveLength(1);
    expect(await rig.pollUntilCalm()).toEqual([]);
  });
});

describe.each(forges)('a webhook of %s after others that were lost', (_label, forge) => {
  it('tells nothing again that the poller reported instead of them', async () => {
    rig = await startPollRig(forge, { mode: 'both' });
    const [alice, bob] = [rig.as('alice'), rig.as('bob')];
    await rig.poll();
    const { pull, issue } = await begin(alice, bob);
    await rig.quiet();
    expect(await rig.pollUntilCalm()).toEqual([]);
    // Versions are whole seconds.
    await sleep(1_100);
    const lost = rig.hold();
    for (const number of [pull, issue]) {
      await alice.label(number, ['lost']);
      await alice.assign(number, ['bob']);
    }
    await alice.editPullRequest(pull, { draft: true });
    await rig.fake.settled();
    lost.drop();
    expect(await rig.pollUntilCalm()).toEqual(
      expect.arrayContaining([
        `pull_request.labeled ${pull} lost`,
        `pull_request.assigned ${pull}`,
        `pull_request.converted_to_draft ${pull}`,
        `issues.labeled ${issue} lost`,
        `issues.assigned ${issue}`,
      ]),
    );
    await sleep(1_100);
    const before = rig.heard.length;
    for (const number of [pull, issue]) await alice.label(number, ['heard']);
    await rig.quiet();
    // In the second of the webhook that told of both labels, this might be one that it overtook.
    await sleep(1_100);
    await alice.unlabel(issue, ['lost']);
    for (const number of [pull, issue]) await alice.close(number);
    await rig.quiet();
    expect(rig.heard.slice(before).sort()).toEqual(
      [
        `pull_request.labeled ${pull} heard`,
        `pull_request.closed ${pull}`,
        `issues.labeled ${issue} heard`,
        `issues.unlabeled ${issue} lost`,
        `issues.closed ${issue}`,
      ].sort(),
    );
    expect(await rig.pollUntilCalm()).toEqual([]);

    const told = rig.heard.length;
    const opening = rig.hold();
    const unheard = await bob.openIssue({ title: 'Soon over' });
    const unheardClosed = await bob.openIssue({ title: 'Soon over as well' });
    await rig.fake.settled();
    opening.drop();
    await bob.close(unheard);
    await rig.quiet();
    const closing = rig.hold();
    await bob.close(unheardClosed);
    await rig.fake.settled();
    closing.drop();
    await alice.label(unheardClosed, ['late']);
    await rig.quiet();
    await rig.pollUntilCalm();
    expect(rig.heard.slice(told).sort()).toEqual(
      [
        ...[unheard, unheardClosed].flatMap((number) => [`issues.opened ${number}`, `issues.closed ${number}`]),
        // By the webhook where it names the label, and otherwise after the opening.
        `issues.labeled ${unheardClosed} late`,
      ].sort(),
    );
  });
});

describe.each(forges)('two pushes to %s within one second', (_label, forge) => {
  it('are told once each where the webhook of the first comes last', async () => {
    const now = { at: Date.now() };
    rig = await startPollRig(forge, { mode: 'both', clock: () => new Date(now.at) });
    const [alice, bob] = [rig.as('alice'), rig.as('bob')];
    await rig.poll();
    const { pull } = await begin(alice, bob);
    await rig.quiet();
    now.at += 10_000;
    const held = rig.hold();
    for (const text of ['b', 'c'])
      await alice.push({ branch: 'change', files: { 'a.txt': text }, message: `Now ${text}` });
    await rig.fake.settled();
    const before = rig.heard.length;
    await held.release('reversed');
    const news = [...rig.heard.slice(before), ...(await rig.pollUntilCalm())];
    expect(news.filter((heard) => heard === `pull_request.synchronize ${pull}`)).toHaveLength(2);
  });
});

describe.each(forges)('a first look at %s whose process died when it had begun', (_label, forge) => {
  it('tells nothing again that webhooks had told before, and still what they lost', async () => {
    rig = await startPollRig(forge, { mode: 'both' });
    const [alice, bob] = [rig.as('alice'), rig.as('bob')];
    const { pull, issue } = await begin(alice, bob);
    const closed = await bob.openIssue({ title: 'Soon over' });
    await rig.quiet();
    await rig.rows(
      `INSERT INTO sync_cursor (repository_id, organization_id, watermark_at, since, begun_at)
       SELECT id, organization_id, now() - interval '1 hour', now() - interval '1 hour', now() FROM repository`,
    );
    await alice.label(pull, ['bug']);
    await alice.label(issue, ['bug']);
    await bob.close(closed);
    await rig.quiet();
    const lost = rig.hold();
    const unheard = await bob.openIssue({ title: 'Unheard of' });
    await alice.editPullRequest(pull, { title: 'A better change' });
    await rig.fake.settled();
    lost.drop();
    const { heard } = await rig.poll();
    heard.push(...(await rig.pollUntilCalm()));
    expect(heard.sort()).toEqual([`issues.opened ${unheard}`, `pull_request.edited ${pull}`]);
  });
});
