/**
 * Every verb of a forge's fake, acted and read back: the same test for all forges, with what differs handed in. What its
 * webhooks say is put through the forge's own translation, so that a story tells apps what they wait for.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import type { FakePlace, FakeRepositoryState, ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { commitFiles, git } from './git-repository.js';

const SECRET = 'story secret';
const place: FakePlace = { owner: 'acme', name: 'shop' };

/** GitHub's events that all forges tell of this story; a forge names those that it does not give. */
const EVENTS = [
  'create',
  'delete',
  'issue_comment.created',
  'issues.assigned',
  'issues.closed',
  'issues.edited',
  'issues.labeled',
  'issues.opened',
  'issues.reopened',
  'issues.unlabeled',
  'pull_request.closed',
  'pull_request.converted_to_draft',
  'pull_request.edited',
  'pull_request.labeled',
  'pull_request.opened',
  'pull_request.ready_for_review',
  'pull_request.reopened',
  'pull_request.review_requested',
  'pull_request.synchronize',
  'pull_request_review.submitted',
  'push',
  'release.published',
];

export interface StoryDifferences {
  /** Of {@link EVENTS}, those that the forge does not tell. */
  untold?: readonly string[];
  /** Texts of reviews, where they stand among the comments. */
  reviewComments?: FakeRepositoryState['pullRequests'][number]['comments'];
  /** Number of the one issue. */
  issue: number;
  /** Number of the one pull request. */
  pullRequest: number;
}

/** What its webhooks mean in GitHub's language, as `name` or `name.action`. */
function told(descriptor: ForgeDescriptor) {
  const events: string[] = [];
  const states = new Map<string, Readonly<Record<string, unknown>>>();
  async function receive(_url: string, init: RequestInit): Promise<Response> {
    const headers = Object.fromEntries(new Headers(init.headers));
    const body = Buffer.from(String(init.body));
    const check = descriptor.signatureCheck(headers, [SECRET]);
    check?.update(body);
    if (check?.valid() !== true) return new Response('bad signature', { status: 401 });
    const parsed = descriptor.parse(headers['content-type'] ?? '', body);
    if ('invalid' in parsed) return new Response(parsed.invalid, { status: 415 });
    const type = descriptor.eventType(headers);
    const snapshot = descriptor.snapshot?.(type, parsed.payload);
    const key = snapshot && `${snapshot.kind} ${snapshot.number}`;
    const found = descriptor.classify(type, parsed.payload, { previous: key ? states.get(key) : undefined });
    if (snapshot && key) states.set(key, snapshot.state);
    if (found.kind === 'events')
      for (const { name, action } of found.events) events.push(action === undefined ? name : `${name}.${action}`);
    return new Response('', { status: 202 });
  }
  return { events, receive };
}

export function describeStory(descriptor: ForgeDescriptor, differences: StoryDifferences): void {
  describe(`a story on a fake ${descriptor.label}`, () => {
    const hook = told(descriptor);
    let folder: string;
    let fake: ForgeFake;
    let state: FakeRepositoryState;
    let heads: { first: string; second: string };

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'forgeway-story-'));
      if (descriptor.startFake === undefined) throw new Error(`${descriptor.label} has no fake.`);
      fake = await descriptor.startFake({ folder, sendWebhook: hook.receive });
      heads = await act(fake);
      state = await fake.state(place);
    });
    afterAll(async () => {
      await fake?.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('asks nothing that the forge would not understand', () => {
      expect(fake.violations()).toEqual([]);
    });

    it('keeps an issue', () => {
      expect(state.issues).toEqual([
        {
          number: differences.issue,
          title: 'Prices are wrong',
          body: 'All of them.',
          author: 'carol',
          labels: ['bug'],
          assignees: ['bob'],
          locked: false,
          comments: [{ author: 'carol', body: 'Still.' }],
          state: 'open',
        },
      ]);
    });

    it('keeps a pull request', () => {
      expect(state.pullRequests).toEqual([
        {
          number: differences.pullRequest,
          title: 'Fix prices',
          body: 'By hand.',
          author: 'alice',
          labels: ['bug', 'urgent'],
          assignees: ['alice', 'bob'],
          locked: false,
          comments: [{ author: 'bob', body: 'Nice.' }, ...(differences.reviewComments ?? [])],
          state: 'merged',
          draft: false,
          head: 'fix/prices',
          headSha: heads.second,
          base: 'main',
          reviewers: ['dave'],
          reviews: expect.arrayContaining([
            { author: 'carol', state: 'changes_requested', body: expect.any(String) },
            { author: 'bob', state: 'approved', body: expect.any(String) },
          ]),
          lineComments: [{ author: 'bob', path: 'prices.txt', line: 2, body: 'Why?' }],
          statuses: [
            { context: 'build', state: 'success', description: 'Done.' },
            { context: 'lint', state: 'failure', description: '' },
          ],
        },
      ]);
    });

    it('keeps branches, tags, labels and releases', async () => {
      expect(state).toMatchObject({
        defaultBranch: 'main',
        branches: [{ name: 'fix/prices' }, { name: 'main' }],
        tags: ['v1'],
        labels: ['bug', 'urgent', 'wrong'],
        releases: [{ tag: 'v1', name: 'First', body: 'It works.', draft: false }],
      });
      expect(await fake.readFile(place, 'main', 'prices.txt')).toBe('apples 1\npears 3\n');
      expect(await fake.readFile(place, 'main', 'gone.txt')).toBeUndefined();
      expect(await fake.readFile(place, 'no-such-branch', 'prices.txt')).toBeUndefined();
    });

    it('tells apps of all of it', () => {
      expect(EVENTS.filter((event) => !hook.events.includes(event)).sort()).toEqual(
        [...(differences.untold ?? [])].sort(),
      );
    });

    it('takes a push of git over HTTP, and tells who pushed', async () => {
      const before = hook.events.filter((event) => event === 'push').length;
      const local = join(folder, 'local.git');
      await git(['init', '--quiet', '--bare', local]);
      const sha = await commitFiles(local, {
        ref: 'refs/heads/by-git',
        message: 'By git',
        files: { 'git.txt': 'a\n' },
      });
      const push = (password: string) => {
        const url = Object.assign(new URL(`${fake.url}/${place.owner}/${place.name}.git`), {
          username: descriptor.gitUsername,
          password,
        });
        return git(['--git-dir', local, 'push', '--quiet', String(url), 'refs/heads/by-git']);
      };
      await push(fake.token);
      await fake.settled();
      expect((await fake.state(place)).branches).toContainEqual({ name: 'by-git', sha });
      expect(hook.events.filter((event) => event === 'push').length).toBeGreaterThan(before);
      await expect(push('wrong')).rejects.toThrow();
    });

    it('refuses what the forge would refuse', async () => {
      const carol = fake.as('carol', place);
      await expect(carol.push({ branch: 'main', files: { 'a.txt': 'a' }, message: 'Not mine' })).rejects.toThrow(
        /may not push/,
      );
      await expect(carol.openPullRequest({ head: 'no-such-branch', title: 'Nothing' })).rejects.toThrow();
      await expect(fake.as('bob', place).mergePullRequest(differences.pullRequest)).rejects.toThrow();
      expect(() => fake.as('mallory', place)).toThrow('mallory');
    });
  });
}

async function act(fake: ForgeFake): Promise<{ first: string; second: string }> {
  for (const login of ['alice', 'bob', 'carol', 'dave']) await fake.addPerson(login);
  await fake.addRepository({
    ...place,
    files: { 'README.md': '# shop\n', 'prices.txt': 'apples 1\n' },
    people: { alice: 'write', bob: 'admin', carol: 'read', dave: 'read' },
  });
  await fake.addHook(place, { url: 'http://127.0.0.1:9/hook', secret: SECRET });
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((login) => fake.as(login, place));
  if (!alice || !bob || !carol) throw new Error('Nobody is there.');

  const issue = await carol.openIssue({ title: 'Prices', body: 'Wrong.' });
  await carol.editIssue(issue, { title: 'Prices are wrong', body: 'All of them.' });
  await bob.label(issue, ['bug', 'wrong']);
  await bob.unlabel(issue, ['wrong']);
  await bob.assign(issue, ['bob']);
  await bob.close(issue);
  await bob.reopen(issue);
  await carol.comment(issue, 'Still.');

  const first = await alice.push({
    branch: 'fix/prices',
    files: { 'prices.txt': 'apples 1\npears 2\n' },
    message: 'Add pears',
  });
  const number = await alice.openPullRequest({ head: 'fix/prices', title: 'Fix', draft: true });
  await alice.editPullRequest(number, { title: 'Fix prices', body: 'By hand.' });
  await alice.editPullRequest(number, { draft: false });
  await alice.editPullRequest(number, { draft: true });
  await alice.editPullRequest(number, { draft: false });
  const second = await alice.push({
    branch: 'fix/prices',
    files: { 'prices.txt': 'apples 1\npears 3\n' },
    message: 'Correct pears',
  });
  await bob.label(number, ['bug', 'urgent']);
  await bob.assign(number, ['bob']);
  await bob.assign(number, ['alice']);
  await alice.close(number);
  await alice.reopen(number);
  await alice.requestReview(number, ['bob', 'carol', 'dave']);
  await bob.comment(number, 'Nice.');
  await bob.review(number, {
    verdict: 'comment',
    body: 'One question.',
    lines: [{ path: 'prices.txt', line: 2, body: 'Why?' }],
  });
  await carol.review(number, { verdict: 'request_changes', body: 'Not yet.' });
  await bob.review(number, { verdict: 'approve', body: 'Good.' });
  await bob.setStatus(second, { context: 'build', state: 'pending', description: 'At work.' });
  await bob.setStatus(second, { context: 'build', state: 'success', description: 'Done.' });
  await bob.setStatus(second, { context: 'lint', state: 'failure' });
  await bob.mergePullRequest(number);

  await alice.push({ branch: 'scrap', files: { 'scrap.txt': 'x', 'README.md': null }, message: 'Try' });
  await alice.deleteBranch('scrap');
  await bob.release({ tag: 'v1', title: 'First', body: 'It works.' });
  await fake.settled();
  return { first, second };
}
