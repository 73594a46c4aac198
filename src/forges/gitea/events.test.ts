import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { asGolden, type NativeHook, translatedBy } from '../../../test/support/golden.js';
import { createMemoryRecords } from '../../../test/support/route-rig.js';
import { githubEventErrors } from '../../../test/support/webhook-schema.js';
import { ForgewayError } from '../../lib/errors.js';
import { eachOf, type JsonObject, type TranslatePorts } from '../forge.js';
import { RouteFailure } from '../kit/route.js';
import { forgejo, gitea } from './forge.js';

const folder = new URL('./fixtures/', import.meta.url);
const json = (file: string) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as unknown;
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.github.json'))
  .map((file) => file.slice(0, -'.github.json'.length));
const native = (name: string) => json(`${name}.json`) as NativeHook;

const base = { api: 'https://code.example.org/api/v3', web: 'https://code.example.org' };
const portsOf = ({ answers }: Pick<NativeHook, 'answers'>, wanted: readonly string[] = []): TranslatePorts => ({
  base,
  wanted: new Set(wanted),
  ...(answers !== undefined && { github: async (route) => answers[route] }),
});

const translated = (delivery: NativeHook, ports = portsOf(delivery)) => translatedBy(gitea, delivery, ports);

const only = async (delivery: NativeHook, ports?: TranslatePorts) => {
  const [event] = (await translated(delivery, ports)).events ?? [];
  if (event === undefined) throw new Error('There is no event.');
  return event.payload as Record<string, Record<string, unknown>> & { [key: string]: unknown };
};

it('ignores a number that JSON cannot tell exactly, and says so', async () => {
  const delivery = native('issues.opened');
  const issue = { ...(delivery.payload.issue as JsonObject), number: 2 ** 53 };
  const told = await translated({ ...delivery, payload: { ...delivery.payload, issue } });
  expect(told.ignored).toBe('issues: issue.number is missing or is not an exact number.');
});

describe('golden pairs', () => {
  it('are many', () => expect(names.length).toBeGreaterThanOrEqual(45));

  it.each(names)('%s', async (name) => {
    expect(asGolden(await translated(native(name)), gitea)).toEqual(json(`${name}.github.json`));
  });

  it.each(names)('%s has what GitHub’s schema asks for', async (name) => {
    for (const { name: event, payload } of (await translated(native(name))).events ?? [])
      expect(githubEventErrors(event, payload)).toEqual([]);
  });

  it('are the same for both flavours', () => {
    for (const name of names) {
      const { eventType, payload, previous } = native(name);
      expect(forgejo.classify(eventType, payload, { previous })).toEqual(
        gitea.classify(eventType, payload, { previous }),
      );
    }
  });

  it('are of events that are said to be given', async () => {
    const given = gitea.eventSupport ?? {};
    const seen = new Set<string>();
    for (const name of names)
      for (const event of (await translated(native(name))).events ?? []) {
        const row = event.name in given ? event.name : `${event.name}.${event.action}`;
        expect(given).toHaveProperty([row]);
        seen.add(row);
      }
    for (const [row, { support, note }] of Object.entries(given))
      if (support === 'partial') expect([row, note]).not.toContain(undefined);
    expect(seen.size).toBeGreaterThan(35);
    expect(forgejo.eventSupport).not.toHaveProperty('status');
  });

  it('hold only addresses of the server itself, absolute ones', async () => {
    let count = 0;
    for (const name of names) {
      const elsewhere = /^(?:target_url|ssh_url|git_url|mirror_url|previous_attempt_url)$/;
      const visit = (value: unknown, key: string, path: string): void => {
        if (typeof value === 'object' && value !== null)
          for (const [inner, child] of Object.entries(value)) visit(child, inner, `${path}.${inner}`);
        else if (typeof value === 'string' && /(?:^|_)url$|^href$/.test(key) && !elsewhere.test(key)) {
          count += 1;
          const address = value.replace(/\{[^}]*\}/g, '');
          if (!URL.canParse(address) || !`${address}/`.startsWith(`${base.web}/`)) throw new Error(`${path}: ${value}`);
        }
      };
      visit(await translated(native(name)), '', name);
    }
    expect(count).toBeGreaterThan(5_000);
  });

  it('name the API by the virtual base and pages by the server’s', async () => {
    const { pull_request, repository } = await only(native('pull_request.opened'));
    expect(pull_request).toMatchObject({
      url: `${base.api}/repos/acme/web/pulls/6`,
      html_url: `${base.web}/acme/web/pulls/6`,
      head: { repo: { url: `${base.api}/repos/bob/web` } },
    });
    expect(repository).toMatchObject({ url: `${base.api}/repos/acme/web`, html_url: `${base.web}/acme/web` });
  });
});

describe('pull requests', () => {
  const sync = native('pull_request.synchronized');

  it('tell where the branch began when the head before is not known', async () => {
    const { before, after } = await only({ ...sync, previous: undefined });
    expect({ before, after }).toEqual({ before: 'b'.repeat(40), after: 'a'.repeat(40) });
  });

  it('ask for what the app reads and the server did not send, once, and only then', async () => {
    const asked: unknown[] = [];
    const ports = (wanted: string[]): TranslatePorts => ({
      ...portsOf({}, wanted),
      github: async (route, parameters) => {
        if (route !== 'GET /orgs/{org}') asked.push([route, parameters]);
        return { commits: 7, additions: 99 };
      },
    });
    expect((await only(sync, ports(['pull_request.additions']))).pull_request).toMatchObject({
      commits: 0,
      additions: 12,
    });
    expect(asked).toEqual([]);
    expect((await only(sync, ports(['pull_request.commits']))).pull_request).toMatchObject({
      commits: 7,
      additions: 12,
    });
    expect(asked).toEqual([
      ['GET /repos/{owner}/{repo}/pulls/{pull_number}', { owner: 'acme', repo: 'web', pull_number: 6 }],
    ]);
  });

  it('are drafts by their title where the server does not say, and by its word where it does', () => {
    const edited = native('pull_request.edited.draft');
    const pull = edited.payload.pull_request as JsonObject;
    const actions = (title: string, from: string, draft?: boolean, wasDraft?: boolean) => {
      const payload = { ...edited.payload, changes: { title: { from } }, pull_request: { ...pull, title, draft } };
      const classified = gitea.classify(
        'pull_request',
        payload,
        wasDraft === undefined ? {} : { previous: { draft: wasDraft } },
      );
      return classified.kind === 'events' ? classified.events.map(({ action }) => action) : [];
    };
    expect(actions('WIP: a', 'a')).toEqual(['edited', 'converted_to_draft']);
    expect(actions('a', '[wip] a')).toEqual(['edited', 'ready_for_review']);
    expect(actions('WIP: b', 'WIP: a')).toEqual(['edited']);
    // An administrator chose "Draft:".
    expect(actions('Draft: a', 'a', true, false)).toEqual(['edited', 'converted_to_draft']);
    expect(actions('a', 'Draft: a', false, true)).toEqual(['edited', 'ready_for_review']);
    expect(actions('Draft: b', 'Draft: a', true, true)).toEqual(['edited']);
  });

  it('replace a milestone in two steps, between which there is none', async () => {
    const { events = [] } = await translated(native('issues.milestoned'));
    expect(events.map(({ action, payload }) => [action, (payload.issue as JsonObject).milestone === null])).toEqual([
      ['demilestoned', true],
      ['milestoned', false],
    ]);
  });
});

describe('reviews', () => {
  const approved = native('pull_request_review.approved');

  it.each([
    ...[401, 403, 404, 501].map((status) => [`the API answers ${status}`, new RouteFailure(status, 'no')] as const),
    ['the API is sent on to another origin', new ForgewayError('FORGEWAY_ORIGIN_REFUSED', 'login.test')] as const,
  ])('are told without their id when %s', async (_why, failure) => {
    const github = async () => {
      throw failure;
    };
    const { review } = await only(approved, { ...portsOf({}), github });
    expect(review).toMatchObject({ id: 0, state: 'approved', body: 'Nice.', commit_id: 'a'.repeat(40) });
  });

  it('wait for a forge that cannot be reached', async () => {
    const github = async () => {
      throw new RouteFailure(502, 'down');
    };
    await expect(only(approved, { ...portsOf({}), github })).rejects.toThrow('down');
  });

  it('are looked for on every page', async () => {
    const mine = { id: 3, user: { login: 'carol' }, state: 'APPROVED', body: 'Nice.', commit_id: 'c'.repeat(40) };
    const other = { ...mine, id: 1, user: { login: 'bob' } };
    const github = async (_route: string, { page }: JsonObject) =>
      page === 1 ? Array.from({ length: 100 }, () => other) : [mine];
    expect((await only(approved, { ...portsOf({}), github })).review).toMatchObject({
      id: 3,
      commit_id: 'c'.repeat(40),
    });
  });
});

describe('what is at a commit, for whoever reads it', () => {
  const sha = 'a'.repeat(40);

  it('the branches of a status', async () => {
    const answers = { 'GET /repos/{owner}/{repo}/commits/{commit_sha}/branches-where-head': [{ name: 'greet' }] };
    const delivery = { ...native('status'), answers };
    expect(await only(delivery)).toMatchObject({ branches: [] });
    expect(await only(delivery, portsOf(delivery, ['branches']))).toMatchObject({
      branches: [{ name: 'greet', commit: { sha } }],
    });
  });

  it.each([
    ['push', 'check_suite'],
    ['workflow_run.completed', 'workflow_run'],
  ])('the open pull requests of a %s', async (name, key) => {
    const hook = native(name);
    const run = hook.payload.workflow_run as JsonObject | undefined;
    const at = String(run?.head_sha ?? hook.payload.after);
    const pull = { id: 1, number: 6, state: 'open', head: { ref: 'greet', sha: at }, base: { ref: 'main', sha } };
    const all = [pull, { ...pull, number: 7, state: 'closed' }];
    const delivery = { ...hook, answers: { 'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls': all } };
    const told = async (ports = portsOf(delivery)) =>
      (await translated(delivery, ports)).events?.find((event) => event.name === key)?.payload[key];
    expect(await told()).toMatchObject({ pull_requests: [] });
    const named = [{ number: 6, head: { ref: 'greet', sha: at } }];
    expect(await told(portsOf(delivery, [`${key}.pull_requests`]))).toMatchObject({ pull_requests: named });
  });
});

describe('pushes', () => {
  it('are forced when the old head had commits that the new one has not; asked only for whoever reads it', async () => {
    const compare = 'GET /repos/{owner}/{repo}/compare/{basehead}';
    const delivery = { ...native('push'), answers: { [compare]: { ahead_by: 2 } } };
    expect((await only(delivery)).forced).toBe(false);
    expect((await only(delivery, portsOf(delivery, ['forced']))).forced).toBe(true);
    const forward = { ...delivery, answers: { [compare]: { ahead_by: 0 } } };
    expect((await only(forward, portsOf(forward, ['forced']))).forced).toBe(false);
  });

  it('list their commits as GitHub does, the oldest first', async () => {
    expect(await only(native('push'))).toMatchObject({
      commits: [{ message: 'Prepare' }, { message: 'Greet visitors' }],
      head_commit: { message: 'Greet visitors' },
    });
  });

  it('know no commit by zeros, of SHA-256 repositories too', async () => {
    const delivery = native('push');
    const { created, deleted } = await only({ ...delivery, payload: { ...delivery.payload, before: '0'.repeat(64) } });
    expect({ created, deleted }).toEqual({ created: true, deleted: false });
  });
});

describe('classify', () => {
  const opened = native('pull_request.opened');
  /** The payload of a fixture with something else in the place of one of its objects' fields. */
  const spoilt = (name: string, key: string, over: JsonObject): JsonObject => {
    const { payload } = native(name);
    return { ...payload, [key]: { ...(payload[key] as JsonObject), ...over } };
  };

  it('routes by both names, since one of them means two things', () => {
    const review = native('pull_request_review.comment').payload;
    const comment = native('pull_request_comment.edited').payload;
    const names = (eventType: string, payload: JsonObject) => {
      const classified = gitea.classify(eventType, payload);
      return classified.kind === 'events'
        ? classified.events.map(({ name, action }) => `${name}.${action}`)
        : classified;
    };
    expect(names('pull_request_comment/pull_request_review_comment', review)).toEqual([
      'pull_request_review.submitted',
      'pull_request_review_comment.created',
    ]);
    expect(names('issue_comment/pull_request_comment', comment)).toEqual(['issue_comment.edited']);
    expect(names('pull_request_comment', review)).toEqual([
      'pull_request_review.submitted',
      'pull_request_review_comment.created',
    ]);
    expect(names('pull_request_comment', comment)).toEqual(['issue_comment.edited']);
  });

  it.each<[string, string, JsonObject]>([
    ['no header', '', opened.payload],
    ['an event that GitHub has not', 'schedule', opened.payload],
    ['a name of Object’s', 'constructor', opened.payload],
    ['a custom body', 'pull_request', { text: 'hello' }],
    ['no repository', 'push', { ref: 'x' }],
    ['a repository whose id was rounded', 'push', { ...native('push').payload, repository: { id: 2 ** 53 } }],
    ['no number', 'pull_request', { ...opened.payload, pull_request: {} }],
    ['a number of zero', 'issues', { ...native('issues.opened').payload, issue: { number: 0 } }],
    ['an action that GitHub has not', 'pull_request', { ...opened.payload, action: 'deleted' }],
    ['no action', 'issues', { ...native('issues.opened').payload, action: undefined }],
    ['labels that did not change', 'issues/issue_label', native('issues.label_updated.unknown').payload],
    ['a package of no repository', 'package', { ...native('package.created').payload, repository: null }],
    [
      'a package of a kind that GitHub has not',
      'package',
      { ...native('package.created').payload, package: { id: 5, type: 'pypi', version: '1.0.0' } },
    ],
    ['a package of no kind', 'package', { ...native('package.created').payload, package: { id: 5, version: '1.0.0' } }],
    ['a push without commits named', 'push', { repository: { id: 1 }, ref: 'refs/heads/main' }],
    ['a review of no known type', 'pull_request', { ...opened.payload, action: 'reviewed', review: { type: 'shrug' } }],
    ['a comment whose id is no whole number', 'issue_comment', spoilt('issue_comment.created', 'comment', { id: 1.5 })],
    ['a comment without words', 'issue_comment', spoilt('issue_comment.created', 'comment', { body: null })],
    ['a comment on nothing with a title', 'issue_comment', spoilt('issue_comment.created', 'issue', { title: 7 })],
    [
      'a pull request that comes from nowhere',
      'pull_request',
      spoilt('pull_request.opened', 'pull_request', { head: {} }),
    ],
    [
      'a review of no pull request',
      'pull_request',
      spoilt('pull_request_review.approved', 'pull_request', { id: null }),
    ],
    ['a repository of nobody', 'push', spoilt('push', 'repository', { owner: null })],
    ['an owner without an id', 'push', spoilt('push', 'repository', { owner: { login: 'acme' } })],
    ['a fork of no name', 'fork', spoilt('fork', 'repository', { name: '' })],
    ['a release without a tag', 'release', spoilt('release.published', 'release', { tag_name: null })],
    ['a branch that is a number', 'create', { ...native('create.branch').payload, ref: 7 }],
    ['a status of no commit', 'status', { ...native('status').payload, sha: 7 }],
    ['a job of no run', 'workflow_job', spoilt('workflow_job.in_progress', 'workflow_job', { run_id: '' })],
    ['a run whose id was rounded', 'action_run_failure', spoilt('action_run.failure', 'run', { id: 2 ** 53 })],
  ])('ignores %s and says so', (_what, eventType, payload) => {
    expect(gitea.classify(eventType, payload)).toEqual({
      kind: 'ignored',
      reason: expect.stringMatching(/^.{10,}\.$/),
    });
  });

  it('names the field that is not as it must be', () => {
    const told = gitea.classify('issue_comment', spoilt('issue_comment.created', 'comment', { id: 1.5 }));
    expect(told).toMatchObject({ reason: 'comment: comment.id is missing or of the wrong type.' });
  });

  it('keeps ids above 2^53 exact', async () => {
    const repository = { ...(opened.payload.repository as JsonObject), id: '9007199254740993' };
    const delivery = { ...opened, payload: { ...opened.payload, repository } };
    expect(gitea.classify('pull_request', delivery.payload)).toMatchObject({ repositoryId: 9007199254740993n });
    expect((await only(delivery)).repository).toMatchObject({ id: '9007199254740993' });
  });

  it('keeps nothing that PostgreSQL refuses, and translates it', async () => {
    const delivery = native('issues.label_updated');
    const issue = delivery.payload.issue as JsonObject;
    const bad = { ...issue, title: 'a\u0000b\ud800', labels: [{ id: 1, name: 'x\u0000\udc00', color: 'ffffff' }] };
    const payload = { ...delivery.payload, issue: bad };
    const { events = [] } = await translated({ ...delivery, payload });
    expect(events).not.toHaveLength(0);
    const kept = JSON.stringify([events, gitea.snapshot?.(delivery.eventType, payload)?.state]);
    expect(kept).not.toMatch(/\\u0000|\\ud[89a-f]/i);
  });
});

describe('comments on lines', () => {
  const delivery = native('pull_request_review.comment.lines');
  const REVIEWS = 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews';
  const COMMENTS = `${REVIEWS}/{review_id}/comments`;
  const answered = (route: string) => delivery.answers?.[route] as JsonObject[];
  const [carol] = answered(REVIEWS).map(({ user }) => user as JsonObject);
  const review = (id: number, at: string) => ({ id, user: carol, state: 'COMMENTED', body: '', submitted_at: at });
  const bodies = async (hook: NativeHook, received: string, ports: TranslatePorts) => {
    const { eventType, payload } = hook;
    const event = { name: 'pull_request_review_comment', action: 'created' };
    const told = await gitea.payload({ eventType, payload, receivedAt: new Date(received) }, event, ports);
    return eachOf(told).map(({ comment }) => (comment as JsonObject).body);
  };

  it('of one moment are told once each, whichever delivery is translated first and however often', async () => {
    const hook = native('pull_request_review.comment');
    const [comment] = answered(COMMENTS);
    const reviews = [review(1, '2026-03-02T10:00:00Z'), review(2, '2026-03-02T10:00:00Z')];
    const ports = {
      ...portsOf({ answers: {} }),
      records: createMemoryRecords(),
      github: async (route: string, { review_id: id }: JsonObject) =>
        route === REVIEWS
          ? reviews
          : [{ ...comment, user: carol, body: `of ${id}`, created_at: reviews[0]?.submitted_at }],
    };
    const first = await bodies(hook, '2026-03-02T10:00:01.000Z', ports);
    const second = await bodies(hook, '2026-03-02T10:00:01.500Z', ports);
    expect([...first, ...second].sort()).toEqual(['of 1', 'of 2']);
    expect(await bodies(hook, '2026-03-02T10:00:01.000Z', ports)).toEqual(first);
    expect(await bodies(hook, '2026-03-02T11:00:00.000Z', ports)).toEqual([]);
  });

  it('are none without a token, and for a comment of the conversation', async () => {
    const answer = native('pull_request_comment.created.on-line');
    expect(await bodies(delivery, '2026-03-02T10:00:05Z', portsOf({}))).toEqual([]);
    expect(await bodies(answer, '2026-03-02T10:00:05Z', portsOf({}))).toEqual([]);
    const spoken = { ...answer.answers, 'GET /repos/{owner}/{repo}/issues/comments/{comment_id}': { id: 1100 } };
    expect(await bodies(answer, '2026-03-02T10:00:05Z', portsOf({ answers: spoken }))).toEqual([]);
    const events = (await translated({ ...answer, answers: spoken })).events ?? [];
    expect(events.map(({ name }) => name)).toEqual(['issue_comment']);
  });

  it('are told when they go, where they were seen before', async () => {
    const gone = native('pull_request_comment.deleted');
    const records = createMemoryRecords();
    await records.put('review_comment', '1100', { number: 6, review: '301' });
    const { events = [] } = await translated(gone, { ...portsOf({}), records });
    expect(events.map(({ name, payload }) => [name, (payload.comment as JsonObject).body])).toEqual([
      ['pull_request_review_comment', 'Because.'],
    ]);
  });
});

describe('semantic key', () => {
  const key = (eventType: string, payload: JsonObject, previous?: JsonObject) => {
    const classified = gitea.classify(eventType, payload, { previous });
    return classified.kind === 'events' ? classified.semanticKey : undefined;
  };

  it('is the same for two hooks that report the same, whatever was known before', () => {
    const { eventType, payload, previous } = native('pull_request.synchronized');
    const again = Object.fromEntries(Object.entries(payload).reverse());
    expect(key(eventType, payload, previous)).toMatch(/^pull_request\.synchronized:7001:[0-9a-f]{32}$/);
    expect(key(eventType, again)).toBe(key(eventType, payload, previous));
  });

  it('differs between all fixtures', () => {
    const keys = names.map((name) => key(native(name).eventType, native(name).payload, native(name).previous));
    const told = keys.filter((one) => one !== undefined);
    expect(new Set(told).size).toBe(told.length);
  });

  it('is absent for a test delivery: every hook has its own', () => {
    const { eventType, payload } = native('push.test-delivery');
    expect(key(eventType, payload)).toBeUndefined();
  });
});

describe('snapshot', () => {
  it('keeps what the next delivery is compared with, in a few hundred bytes', () => {
    const { eventType, payload } = native('pull_request.review_requested');
    const kept = gitea.snapshot?.(eventType, payload);
    expect(kept).toEqual({
      repositoryId: 7001n,
      kind: 'pull_request',
      number: 6,
      updatedAt: '2026-03-02T10:00:00Z',
      state: {
        labels: [],
        assignees: [],
        milestone: null,
        reviewers: [
          { id: '12', login: 'bob' },
          { id: '13', login: 'carol' },
        ],
        teams: [],
        draft: false,
        head: 'a'.repeat(40),
        baseSha: 'b'.repeat(40),
      },
    });
  });

  it('is taken of labels that could not be compared, so that the next ones can', () => {
    const { eventType, payload } = native('issues.label_updated.unknown');
    const kept = gitea.snapshot?.(eventType, payload);
    const next = native('issues.label_updated');
    expect(gitea.classify(next.eventType, next.payload, { previous: kept?.state })).toMatchObject({
      events: [{ action: 'labeled', change: { label: { name: 'documentation' } } }],
    });
  });

  it('is not taken of the issue half of a pull request, which knows no head, nor of what is no conversation', () => {
    const { eventType, payload } = native('pull_request_comment.edited');
    expect(gitea.snapshot?.(eventType, payload)).toMatchObject({ kind: 'pull_request', number: 6 });
    expect(gitea.snapshot?.(eventType, { ...payload, pull_request: undefined })).toBeUndefined();
    expect(gitea.snapshot?.('push', native('push').payload)).toBeUndefined();
  });
});

const corpus = new URL('../../../../shared/fixtures/webhooks/', import.meta.url);
const rows = existsSync(corpus)
  ? readFileSync(new URL('manifest.tsv', corpus), 'utf8')
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([, forge]) => forge === gitea.id || forge === forgejo.id)
  : [];

describe('recorded payloads', () => {
  // They are no part of the project: where they are not at hand, there is nothing to run.
  for (const [file = '', , event = ''] of rows)
    it(`${file} is translated or ignored with a reason`, async () => {
      const payload = JSON.parse(readFileSync(new URL(file, corpus), 'utf8')) as JsonObject;
      // The manifest writes `repository/organization` and `pull_request(its precise type)`.
      const [, eventType = ''] = /^([a-z_]+)/.exec(event) ?? [];
      const { ignored, events = [] } = await translated({ eventType, payload });
      if (ignored === undefined) expect(events).not.toHaveLength(0);
      else expect(ignored).toMatch(/nothing is known of before/);
      for (const { name, payload: out } of events) expect(githubEventErrors(name, out)).toEqual([]);
    });
  it('are all there, or none', () => expect([0, 45]).toContain(rows.length));
});
