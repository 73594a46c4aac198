import { describe, expect, it } from '@jest/globals';
import {
  actions,
  attributesOf,
  base,
  json,
  type NativeHook,
  names,
  native,
  only,
  portsOf,
  receivedAt,
  schemaErrors,
  strayAddresses,
  translated,
  withAttributes,
} from '../../../test/support/gitlab-hooks.js';
import { asGolden } from '../../../test/support/golden.js';
import type { ForgeEvent, JsonObject, TranslatePorts } from '../forge.js';
import type { ForgeRecord, Records } from '../kit/records.js';
import { RouteFailure } from '../kit/route.js';
import { gitlab } from './forge.js';

describe('golden pairs', () => {
  it('are many', () => expect(names.length).toBeGreaterThanOrEqual(85));

  it.each(names)('%s', async (name) => {
    expect(asGolden(await translated(native(name)), gitlab)).toEqual(json(`${name}.github.json`));
  });

  it.each(names)('%s has what GitHub’s schema asks for, with a token and without', async (name) => {
    for (const delivery of [native(name), { ...native(name), answers: undefined }])
      for (const { name: event, payload } of (await translated(delivery)).events ?? [])
        if (!event.startsWith('gitlab.')) expect(schemaErrors(event, payload)).toEqual([]);
  });

  it('hold only addresses of the server itself, absolute ones', async () => {
    const all = await Promise.all(
      names.map(async (name) => {
        const { events = [] } = await translated(native(name));
        return events.map(({ payload }) => strayAddresses(payload, base, {}));
      }),
    );
    const elsewhere = /shop\.example\.com|downloads\.example\.com/;
    expect(all.flat().flatMap(({ stray }) => stray.filter((one) => !elsewhere.test(one)))).toEqual([]);
    expect(all.flat().reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(8_000);
  });

  it('name the API by the virtual base and pages by the server’s', async () => {
    const { pull_request, repository } = await only(native('merge_request.open.fork'));
    expect(pull_request).toMatchObject({
      url: `${base.api}/repos/acme~shop/web/pulls/6`,
      html_url: `${base.web}/acme/shop/web/-/merge_requests/6`,
      head: { label: 'bob:fix/prices', repo: { url: `${base.api}/repos/bob/web`, fork: true } },
    });
    expect(repository).toMatchObject({
      url: `${base.api}/repos/acme~shop/web`,
      html_url: `${base.web}/acme/shop/web`,
      owner: { html_url: `${base.web}/acme/shop` },
    });
  });

  it('leave a server below a path what it is called', async () => {
    const delivery = native('build.success.old');
    const repository = { ...(delivery.payload.repository as JsonObject), homepage: 'https://x.example/git/acme/web' };
    const below = { ...portsOf({}), base: { api: 'https://x.example/git/api/v3', web: 'https://x.example/git' } };
    const payload = await only({ ...delivery, payload: { ...delivery.payload, repository } }, below);
    expect(payload.repository).toMatchObject({ full_name: 'acme/web', html_url: 'https://x.example/git/acme/web' });
  });
});

describe('the table of events', () => {
  it('has exactly what the fixtures show, and a reason for what is partial', () => {
    const given = gitlab.eventSupport ?? {};
    const shown = new Set(
      names.flatMap((name) => {
        const { events = [] } = json(`${name}.github.json`) as { events?: ForgeEvent[] };
        return events.map(({ name: event, action }) => (action === undefined ? event : `${event}.${action}`));
      }),
    );
    const ofGitHub = [...shown].filter((event) => !event.startsWith('gitlab.'));
    expect(ofGitHub.filter((event) => !Object.hasOwn(given, event))).toEqual([]);
    expect(Object.keys(given).filter((row) => !shown.has(row))).toEqual([]);
    for (const [row, { support, note }] of Object.entries(given))
      if (support === 'partial') expect([row, note]).not.toContain(undefined);
  });
});

describe('merge requests', () => {
  const open = native('merge_request.open');
  const update = native('merge_request.update.ready');

  it('are asked for once, for their author and where they branched off', async () => {
    const asked: unknown[] = [];
    const ports: TranslatePorts = {
      ...portsOf({}),
      github: async (route, parameters) => {
        asked.push([route, parameters]);
        return { user: { id: 12, login: 'bob' }, base: { ref: 'main', sha: 'f'.repeat(40) } };
      },
    };
    const { pull_request } = await only(withAttributes(open, { author_id: 99 }), ports);
    expect(pull_request).toMatchObject({ user: { login: 'bob' }, base: { sha: 'f'.repeat(40) } });
    expect(asked).toEqual([
      ['GET /repos/{owner}/{repo}/pulls/{pull_number}', { owner: 'acme~shop', repo: 'web', pull_number: 6, counts: 0 }],
      // This answer names no owner, unlike a real forge's.
      ['GET /repos/{owner}/{repo}', { owner: 'acme~shop', repo: 'web' }],
    ]);
  });

  it('say what the hook said where the forge meanwhile says something else', async () => {
    const known = {
      title: 'Later',
      draft: true,
      head: { sha: 'f'.repeat(40) },
      base: { ref: 'later', sha: 'e'.repeat(40) },
    };
    const answers = { 'GET /repos/{owner}/{repo}/pulls/{pull_number}': known };
    const { pull_request } = await only({ ...open, answers });
    expect(pull_request).toMatchObject({
      title: 'Fix prices on Mondays',
      draft: false,
      head: { sha: 'a1'.repeat(20) },
      // Of another branch: it says nothing of this one.
      base: { ref: 'main', sha: '0'.repeat(40) },
    });
  });

  it.each([401, 403, 404, 501])('are told without what the API answers %i to', async (status) => {
    const github = async () => {
      throw new RouteFailure(status, 'no');
    };
    const { pull_request } = await only(withAttributes(open, { author_id: 99 }), { ...portsOf({}), github });
    expect(pull_request).toMatchObject({ user: { login: 'ghost' }, base: { sha: '0'.repeat(40) } });
  });

  it('wait for a forge that cannot be reached', async () => {
    const github = async () => {
      throw new RouteFailure(502, 'down');
    };
    await expect(only(open, { ...portsOf({}), github })).rejects.toThrow('down');
  });

  it('are drafts by their title where the server does not say', () => {
    const of = (previous: string, current: string) => {
      const changes = { title: { previous, current } };
      const { draft: _draft, work_in_progress: _wip, ...rest } = attributesOf(update);
      return actions({
        ...update,
        payload: { ...update.payload, changes, object_attributes: { ...rest, title: current } },
      });
    };
    expect(of('a', 'Draft: a')).toEqual(['pull_request.edited', 'pull_request.converted_to_draft']);
    expect(of('[WIP] a', 'a')).toEqual(['pull_request.edited', 'pull_request.ready_for_review']);
    expect(of('(Draft) a', 'WIP: a')).toEqual(['pull_request.edited']);
    expect(of('a', 'Drafting')).toEqual(['pull_request.edited']);
  });

  it('are open while they are being merged', async () => {
    expect((await only(withAttributes(update, { state: 'locked' }))).pull_request).toMatchObject({ state: 'open' });
  });

  it('were merged by whoever acted, into what the hook or the head says', async () => {
    const { pull_request } = await only(native('merge_request.merge'));
    const fast = await only(native('merge_request.merge.fast-forward'));
    expect(pull_request).toMatchObject({
      merged: true,
      merged_by: { login: 'alice' },
      merge_commit_sha: 'c3'.repeat(20),
    });
    expect(fast.pull_request).toMatchObject({ merged: true, merge_commit_sha: 'a1'.repeat(20) });
  });

  it.each([
    ['closed', { state: 'merged' }, 'pull_request.closed'],
    ['reopened', { state: 'opened' }, 'pull_request.reopened'],
  ])('without an action are %s by what was kept', (_what, over, expected) => {
    const delivery = withAttributes(native('merge_request.system-hook'), over);
    const previous = { state: over.state === 'opened' ? 'closed' : 'opened' };
    expect(actions({ ...delivery, previous })).toEqual([expected]);
    expect(actions({ ...delivery, previous: undefined })).toMatch(/no action/);
  });

  it('tell a bot by its name', async () => {
    const user = { id: 14, username: 'project_7001_bot_5f1c', name: 'helper' };
    const { sender } = await only({ ...open, payload: { ...open.payload, user } });
    expect(sender).toMatchObject({ id: 14, login: 'project_7001_bot_5f1c', type: 'Bot' });
  });

  it('belong to a person whose name the owner has', async () => {
    const project = { ...(open.payload.project as JsonObject), path_with_namespace: 'bob/web' };
    const payload = await only({ ...open, answers: undefined, payload: { ...open.payload, project } });
    expect(payload.repository).toMatchObject({ full_name: 'bob/web', owner: { login: 'bob', id: 12, type: 'User' } });
    expect(payload.organization).toBeUndefined();
  });
});

describe('reviews', () => {
  it('have the number that routes give them, the newest of the same kind', async () => {
    const bob = { id: 12, login: 'bob' };
    const carol = { id: 13, login: 'carol' };
    const answers = {
      'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews': [
        { id: 70, user: carol, state: 'APPROVED' },
        { id: 71, user: carol, state: 'APPROVED' },
        { id: 72, user: bob, state: 'APPROVED' },
        { id: 73, user: carol, state: 'COMMENTED' },
      ],
    };
    expect((await only({ ...native('merge_request.approved'), answers })).review).toMatchObject({ id: 71 });
    expect((await only({ ...native('merge_request.approved'), answers: undefined })).review).toMatchObject({ id: 13 });
  });
});

describe('fields for those who read them', () => {
  const route = 'GET /repos/{owner}/{repo}/collaborators/{username}/permission';

  it.each([
    ['MEMBER', { permission: 'write', role_name: 'write' }],
    ['NONE', { permission: 'read', role_name: 'read' }],
  ])('an association of %s', async (association, answer) => {
    const delivery = { ...native('note.merge_request'), answers: { [route]: answer } };
    expect((await only(delivery)).comment).toMatchObject({ author_association: 'NONE' });
    const { comment } = await only(delivery, portsOf(delivery, ['comment.author_association']));
    expect(comment).toMatchObject({ author_association: association });
  });

  it('the owner of what is theirs, without a question', async () => {
    const delivery = native('note.merge_request');
    const project = { ...(delivery.payload.project as JsonObject), path_with_namespace: 'carol/web' };
    const own = { ...delivery, answers: undefined, payload: { ...delivery.payload, project } };
    const { comment } = await only(own, portsOf(own, ['comment.author_association']));
    expect(comment).toMatchObject({ author_association: 'OWNER' });
  });

  it('the pull request of a check run', async () => {
    const known = { id: 60001, head: { ref: 'fix/prices' }, base: { ref: 'main', sha: 'b'.repeat(40) } };
    const delivery = { ...native('build.failed'), answers: { 'GET /repos/{owner}/{repo}/pulls/{pull_number}': known } };
    expect((await only(delivery)).check_run).toMatchObject({ pull_requests: [] });
    const { check_run } = await only(delivery, portsOf(delivery, ['check_run.pull_requests']));
    expect(check_run).toMatchObject({
      pull_requests: [{ id: 60001, number: 6, head: { ref: 'fix/prices' } }],
      check_suite: { head_branch: 'fix/prices' },
    });
  });

  it.each([
    ['build.created', 'check_run'],
    ['pipeline.manual', 'check_suite'],
    ['pipeline.running', 'workflow_run'],
  ])('the open pull requests whose head a branch’s %s is at', async (name, key) => {
    const sha = 'a1'.repeat(20);
    const pull = {
      id: 60001,
      number: 6,
      state: 'open',
      head: { ref: 'fix/prices', sha },
      base: { ref: 'main', sha: 'b' },
    };
    const answers = {
      'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls': [
        pull,
        { ...pull, number: 7, state: 'closed' },
        { ...pull, number: 8, head: { ref: 'other', sha: 'c' } },
      ],
    };
    const delivery = { ...native(name), answers };
    const told = async (ports = portsOf(delivery)) =>
      (await translated(delivery, ports)).events?.find((event) => event.name === key)?.payload[key];
    expect(await told()).toMatchObject({ pull_requests: [] });
    const named = { number: 6, head: { ref: 'fix/prices', sha }, base: { ref: 'main' } };
    expect(await told(portsOf(delivery, [`${key}.pull_requests`]))).toMatchObject({ pull_requests: [named] });
  });

  it('the head of a branch that begins where another one is', async () => {
    const sha = 'a1'.repeat(20);
    const person = { name: 'Alice', email: 'alice@example.com', date: '2026-03-02T09:58:00Z' };
    const commit = { message: 'Count pears', author: person, committer: person, tree: { sha: 'b'.repeat(40) } };
    const files = [
      { filename: 'a', status: 'added' },
      { filename: 'b', status: 'removed' },
      { filename: 'c', status: 'modified' },
    ];
    const asked = { sha, html_url: 'https://git.example.com/c', commit, files };
    const made = native('push.branch.create');
    const payload = { ...made.payload, commits: [], total_commits_count: 0, checkout_sha: sha };
    const delivery = { ...made, payload, answers: { 'GET /repos/{owner}/{repo}/commits/{ref}': asked } };
    const told = async (ports = portsOf(delivery)) => (await translated(delivery, ports)).events?.at(-1)?.payload;
    expect(await told()).toMatchObject({ commits: [], head_commit: null });
    expect(await told(portsOf(delivery, ['head_commit']))).toMatchObject({
      commits: [],
      head_commit: {
        ...{ id: sha, tree_id: 'b'.repeat(40), message: 'Count pears', author: person },
        ...{ added: ['a'], removed: ['b'], modified: ['c'] },
      },
    });
  });
});

it('no event is made of a list that was not understood', () => {
  const delivery = native('merge_request.update.everything');
  const changes = { labels: { previous: [{ id: 301, title: 'bug', color: '#ffffff' }], current: 'none' } };
  const quiet = withAttributes({ ...delivery, payload: { ...delivery.payload, changes } }, { oldrev: undefined });
  expect(actions(quiet)).toMatch(/Nothing changed/);
});

describe('confidential things', () => {
  it.each(['issue.update.confidential', 'note.issue.confidential', 'note.internal'])('%s', (name) => {
    expect(actions(native(name))).toMatch(/confidential/);
    expect(actions(native(name), { confidential: true })).not.toEqual(expect.stringMatching(/confidential/));
  });

  it('are known by the header alone, by the body alone, and by what a reaction is on', () => {
    const issue = native('issue.open');
    expect(actions({ ...issue, eventType: 'Confidential Issue Hook' })).toMatch(/confidential/);
    expect(actions(withAttributes(issue, { confidential: true }))).toMatch(/confidential/);
    const emoji = native('emoji.award');
    expect(actions(emoji)).toEqual(['gitlab.emoji.award']);
    const hidden = { ...(emoji.payload.issue as JsonObject), confidential: true };
    expect(actions({ ...emoji, payload: { ...emoji.payload, issue: hidden } })).toMatch(/confidential/);
    const among = { ...(emoji.payload.note as JsonObject), internal: true };
    expect(actions({ ...emoji, payload: { ...emoji.payload, note: among } })).toMatch(/confidential/);
  });
});

describe('comments', () => {
  it('are remembered where they stand, once', async () => {
    const kept = new Map<string, JsonObject>();
    const record = (key: string, data: JsonObject): ForgeRecord => ({
      ...{ id: 1, kind: 'comment', key, data, createdAt: receivedAt, updatedAt: receivedAt },
    });
    const records = {
      get: async (kind: string, key: string) => {
        const data = kept.get(`${kind} ${key}`);
        return data && record(key, data);
      },
      put: async (kind: string, key: string, data: JsonObject) => {
        kept.set(`${kind} ${key}`, data);
        return record(key, data);
      },
    } as Records;
    const place = { kind: 'merge_request', iid: 6, discussion: 'f00d'.repeat(10) };
    await only(native('note.diff'), { ...portsOf({}), records });
    expect(kept.get('comment 9001')).toEqual(place);
    kept.set('comment 9001', { ...place, review: 3 });
    await only(native('note.diff'), { ...portsOf({}), records });
    expect(kept.get('comment 9001')).toEqual({ ...place, review: 3 });
    kept.clear();
    await only(native('note.issue'), { ...portsOf({}), records });
    expect(kept.get('comment 9001')).toMatchObject({ kind: 'issue', iid: 5 });
    kept.clear();
    // A comment on a commit stands below its commit; ids of notes are the instance's own, those who ask name a project.
    const { comment, repository } = await only(native('note.commit'), { ...portsOf({}), records });
    const { id, commit_id: sha } = comment as { id: number; commit_id: string };
    expect([...kept]).toEqual([[`commit_comment ${(repository as { id: number }).id}/${id}`, { sha }]]);
  });

  it('say what they answer to whoever reads it', async () => {
    const route = 'GET /repos/{owner}/{repo}/pulls/comments/{comment_id}';
    const delivery = { ...native('note.diff'), answers: { [route]: { in_reply_to_id: 8999 } } };
    expect((await only(delivery)).comment).not.toHaveProperty('in_reply_to_id');
    const { comment } = await only(delivery, portsOf(delivery, ['comment.in_reply_to_id']));
    expect(comment).toMatchObject({ in_reply_to_id: 8999 });
  });
});

describe('pushes', () => {
  it('are forced when the ends have parted; asked only for whoever reads it', async () => {
    const compare = 'GET /repos/{owner}/{repo}/compare/{basehead}';
    const delivery = { ...native('push'), answers: { [compare]: { status: 'diverged' } } };
    expect((await only(delivery)).forced).toBe(false);
    expect((await only(delivery, portsOf(delivery, ['forced']))).forced).toBe(true);
    const forward = { ...delivery, answers: { [compare]: { status: 'ahead' } } };
    expect((await only(forward, portsOf(forward, ['forced']))).forced).toBe(false);
  });

  it('know no commit by zeros, of SHA-256 repositories too', () => {
    const delivery = native('push');
    const zeros = { before: '0'.repeat(64), after: 'a'.repeat(64) };
    expect(actions({ ...delivery, payload: { ...delivery.payload, ...zeros } })).toEqual(['create', 'push']);
    expect(
      actions({ ...delivery, payload: { ...delivery.payload, before: zeros.before, after: zeros.before } }),
    ).toMatch(/neither/);
  });
});

describe('classify', () => {
  const open = native('merge_request.open');
  const without = (delivery: NativeHook, ...keys: string[]): NativeHook => ({
    ...delivery,
    payload: Object.fromEntries(Object.entries(delivery.payload).filter(([key]) => !keys.includes(key))),
  });

  it.each<[string, NativeHook]>([
    ['a custom template', { eventType: 'Push Hook', payload: { text: 'somebody pushed' } }],
    ['a kind that is no word', { eventType: 'Push Hook', payload: { object_kind: 'Push!' } }],
    ['a kind that is no text', { eventType: '', payload: { object_kind: 7, event_name: ['push'] } }],
    ['no attributes', without(open, 'object_attributes')],
    ['no iid', withAttributes(open, { iid: undefined })],
    ['an iid beyond all issues', withAttributes(open, { iid: 1_000_000_000 })],
    ['an id that JSON has rounded', withAttributes(open, { id: 2 ** 53 })],
    ['no project', without(native('push'), 'project', 'project_id')],
    ['an action that GitHub has not', withAttributes(open, { action: 'levitate' })],
    ['a state of a pipeline that is new', withAttributes(native('pipeline.success'), { status: 'pondering' })],
    ['a system note', native('note.system')],
    ['an update that changed nothing', native('merge_request.update.nothing')],
    ['a note without what it stands on', without(native('note.issue'), 'issue')],
  ])('ignores %s and says so', (_what, delivery) => {
    expect(actions(delivery)).toEqual(expect.stringMatching(/^.{10,}\.$/));
  });

  it('never goes by the header', () => {
    expect(actions({ ...open, eventType: 'System Hook' })).toEqual(['pull_request.opened']);
    expect(actions({ ...open, eventType: 'Push Hook' })).toEqual(['pull_request.opened']);
    expect(actions(native('push.system-hook'))).toEqual(['push']);
  });

  it('tells a kind that is not known as it is', () => {
    expect(actions({ eventType: '', payload: { object_kind: 'unheard_of' } })).toEqual(['gitlab.unheard_of']);
    expect(actions({ eventType: '', payload: { event_name: 'unheard_of' } })).toEqual(['gitlab.system.unheard_of']);
  });

  it.each(['constructor', '__proto__', 'toString', 'Issue', 'a b', 'issue.opened', `a${'b'.repeat(36)}`, 'a\u0000'])(
    'tells nobody of a kind %j',
    (kind) => {
      for (const payload of [{ object_kind: kind }, { event_name: kind }])
        expect(actions({ eventType: '', payload })).toMatch(/object_kind is no name that a hook of GitLab’s has/);
    },
  );

  it('keeps ids above 2^53 exact', async () => {
    const project = { ...(open.payload.project as JsonObject), id: '9007199254740993' };
    const delivery = { ...open, payload: { ...open.payload, project } };
    expect(gitlab.classify('', delivery.payload)).toMatchObject({ repositoryId: 9007199254740993n });
    expect((await only(delivery)).repository).toMatchObject({ id: '9007199254740993' });
    const job = native('build.created');
    const large = { ...job, payload: { ...job.payload, build_id: '9007199254740993' } };
    expect((await only(large)).check_run).toMatchObject({ id: '9007199254740993' });
  });

  it('keeps nothing that PostgreSQL refuses, and translates it', async () => {
    const label = { id: 1, title: 'x\u0000\udc00', color: '#ffffff' };
    const user = { ...(open.payload.user as JsonObject), username: 'b\ud800b' };
    const delivery = withAttributes(native('merge_request.update.everything'), { title: 'a\u0000b\ud800' });
    const changes = { title: { previous: '\u0000\ud800', current: 'x' }, labels: { previous: [], current: [label] } };
    const payload = { ...delivery.payload, labels: [label], changes, user };
    const { events = [] } = await translated({ ...delivery, payload });
    expect(events.map(({ action }) => action)).toEqual(['synchronize', 'edited', 'labeled']);
    const kept = JSON.stringify([events, gitlab.snapshot?.('', payload)?.state]);
    expect(kept).not.toMatch(/\\u0000|\\ud[89a-f]/i);
  });
});

describe('semantic key', () => {
  const key = ({ eventType, payload, previous }: NativeHook) => {
    const classified = gitlab.classify(eventType, payload, { previous });
    return classified.kind === 'events' ? classified.semanticKey : undefined;
  };

  it('is the same for the hooks of a project, its group and the instance, whatever was known before', () => {
    const delivery = native('merge_request.update.everything');
    const payload = Object.fromEntries(Object.entries(delivery.payload).reverse());
    expect(key(delivery)).toMatch(/^merge_request:7001:[0-9a-f]{32}$/);
    expect(key({ eventType: 'System Hook', payload, previous: { target: 'main' } })).toBe(key(delivery));
  });

  it('differs between all fixtures that differ', () => {
    // These are the same happening at an older server, or with more or less known.
    const twins = new Set(['merge_request.open.no-token', 'merge_request.merge.fast-forward', 'push.system-hook']);
    const keys = names.filter((name) => !twins.has(name)).map((name) => key(native(name)));
    const told = keys.filter((one) => one !== undefined);
    expect(new Set(told).size).toBe(told.length);
  });
});

describe('snapshot', () => {
  it('keeps what the next hook is compared with, in a few hundred bytes', () => {
    const { eventType, payload } = native('merge_request.update.everything');
    expect(gitlab.snapshot?.(eventType, payload)).toEqual({
      repositoryId: 7001n,
      kind: 'pull_request',
      number: 6,
      updatedAt: '2026-03-02T10:00:00Z',
      state: {
        updatedAt: '2026-03-02T10:00:00Z',
        state: 'opened',
        head: 'a1'.repeat(20),
        target: 'release',
        draft: true,
        labels: [
          { id: 301, name: 'bug', color: 'd9534f' },
          { id: 303, name: 'priority::high', color: 'ff0000' },
        ],
        assignees: [
          {
            id: 13,
            username: 'carol',
            avatar_url: 'https://gitlab.example.com/uploads/-/system/user/avatar/13/avatar.png',
          },
        ],
      },
    });
    expect(gitlab.snapshot?.('', native('issue.open').payload)).toMatchObject({ kind: 'issue', number: 1_000_000_005 });
    expect(gitlab.snapshot?.('', native('work_item.task').payload)).toBeUndefined();
    expect(gitlab.snapshot?.('', native('push').payload)).toBeUndefined();
  });

  it('is compared with the hook that follows', () => {
    const first = native('merge_request.open');
    const kept = gitlab.snapshot?.('', first.payload)?.state;
    const { previous: _previous, ...retargeted } = native('merge_request.update.retargeted');
    expect(actions(retargeted)).toMatch(/Nothing changed/);
    expect(actions({ ...retargeted, previous: kept })).toEqual(['pull_request.edited']);
  });

  it('does not count when it is newer than the hook, which was overtaken', () => {
    const delivery = native('merge_request.update.retargeted');
    const at = (updatedAt: string) => actions({ ...delivery, previous: { ...delivery.previous, updatedAt } });
    expect(at('2026-03-02T10:00:00Z')).toEqual(['pull_request.edited']);
    expect(at('2026-03-02T10:00:01Z')).toMatch(/Nothing changed/);
  });

  it('does not count when it is not ours', () => {
    const delivery = native('merge_request.update.retargeted');
    expect(actions({ ...delivery, previous: { target: 7, labels: 'all' } })).toMatch(/Nothing changed/);
  });
});
