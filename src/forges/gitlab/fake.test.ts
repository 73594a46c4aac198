import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { classify } from './events.js';
import { createGitLabFake, type GitLabFake, type GitLabFakeOptions } from './fake.js';
import { signatureCheck } from './verify.js';

/** JSON that a test looks into. */
// biome-ignore lint/suspicious/noExplicitAny: every answer has another form, and a test that looks for what is not there fails.
type Loose = any;

interface Delivery {
  url: string;
  headers: Record<string, string>;
  body: string;
}

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

async function start(options: Omit<GitLabFakeOptions, 'folder' | 'fetch'> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-gitlab-'));
  folders.push(folder);
  const arrived: Delivery[] = [];
  const receive: typeof fetch = async (url, init) => {
    arrived.push({ url: String(url), headers: init?.headers as Record<string, string>, body: String(init?.body) });
    return new Response(null, { status: 202 });
  };
  const fake = await createGitLabFake({ folder, fetch: receive, ...options });
  fake.addUser({ username: 'alice', token: 'glpat-alice', admin: true });
  fake.addUser({ username: 'bob', token: 'glpat-bob' });
  const project = await fake.addProject({ path: 'alice/web', members: { bob: 20 }, files: { 'README.md': 'hi\n' } });
  return { fake, project, arrived };
}

async function ask(fake: GitLabFake, method: string, path: string, json?: unknown, token = 'glpat-alice') {
  const headers = { 'private-token': token, 'content-type': 'application/json' };
  const body = json === undefined ? undefined : JSON.stringify(json);
  const response = await fake.api.handle(new Request(`https://gitlab.test/api/v4${path}`, { method, headers, body }));
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    data: (text === '' ? undefined : JSON.parse(text)) as Loose,
  };
}

const HOOKS = '/projects/alice%2Fweb/hooks';
const SIGNING = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

function isGenuine({ headers, body }: Delivery, secret: string): boolean {
  const check = signatureCheck(headers, [secret]);
  check?.update(Buffer.from(body));
  return check?.valid() ?? false;
}

describe('hooks of the fake', () => {
  it('are made, never show their secrets, and sign as GitLab does', async () => {
    const { fake, arrived } = await start();
    const made = await ask(fake, 'POST', HOOKS, {
      url: 'https://us.test/hook',
      signing_token: SIGNING,
      issues_events: true,
    });
    expect(made.data).toMatchObject({
      signing_token_present: true,
      token_present: false,
      push_events: true,
      note_events: false,
    });
    expect(JSON.stringify(made.data)).not.toContain(SIGNING);
    expect((await ask(fake, 'POST', `${HOOKS}/${made.data.id}/test/push_events`)).status).toBe(201);
    await ask(fake, 'POST', '/projects/alice%2Fweb/issues', { title: 'One' });
    await ask(fake, 'POST', '/projects/alice%2Fweb/issues/1/notes', { body: 'not subscribed' });
    expect(arrived.map(({ headers }) => headers['x-gitlab-event'])).toEqual(['Push Hook', 'Issue Hook']);
    expect(arrived.every((one) => isGenuine(one, SIGNING))).toBe(true);
    // The test tells of no push: apps are not to act on it.
    const classified = arrived.map(({ body }) => classify('', JSON.parse(body)));
    expect(classified.map(({ kind }) => kind)).toEqual(['ignored', 'events']);
    expect(arrived[0]?.headers['webhook-id']).toBe(arrived[0]?.headers['idempotency-key']);
    await ask(fake, 'DELETE', `${HOOKS}/${made.data.id}`);
    expect((await ask(fake, 'GET', HOOKS)).data).toEqual([]);
    expect(fake.api.violations).toEqual([]);
  });

  it('pass over a signing token where the instance knows none, and send the plain one', async () => {
    const { fake, arrived } = await start({ signsWebhooks: false });
    const made = await ask(fake, 'POST', HOOKS, {
      url: 'https://us.test/hook',
      signing_token: SIGNING,
      token: 'plain',
    });
    expect(made.data).toMatchObject({ signing_token_present: false, token_present: true });
    await ask(fake, 'PUT', `${HOOKS}/${made.data.id}`, { note_events: true });
    await ask(fake, 'POST', '/projects/alice%2Fweb/issues', { title: 'One' });
    await ask(fake, 'POST', '/projects/alice%2Fweb/issues/1/notes', { body: 'heard' });
    expect(arrived).toHaveLength(1);
    expect(isGenuine(arrived[0] as Delivery, 'plain')).toBe(true);
    expect(isGenuine(arrived[0] as Delivery, 'other')).toBe(false);
  });

  it('belong to maintainers, of groups to owners on paid editions, of the system to administrators', async () => {
    const { fake } = await start({ edition: 'free' });
    fake.addGroup('acme');
    expect((await ask(fake, 'GET', HOOKS, undefined, 'glpat-bob')).status).toBe(403);
    expect((await ask(fake, 'GET', '/groups/acme/hooks')).status).toBe(404);
    expect((await ask(fake, 'GET', '/hooks')).data).toEqual([]);
    expect((await ask(fake, 'GET', '/hooks', undefined, 'glpat-bob')).status).toBe(403);
  });
});

describe('the fake', () => {
  it('holds requests to what GitLab documents', async () => {
    const { fake } = await start();
    expect((await ask(fake, 'POST', '/projects/alice%2Fweb/issues', { title: 'x', assignees: ['bob'] })).status).toBe(
      400,
    );
    expect((await ask(fake, 'GET', '/projects/alice%2Fweb/issues?per_page=many')).status).toBe(400);
    expect((await ask(fake, 'GET', '/projects/alice%2Fweb/boards-of-doom')).status).toBe(404);
    expect(fake.api.violations).toHaveLength(3);
  });

  it('shows nothing without a token, and no private project to strangers', async () => {
    const { fake } = await start();
    fake.addUser({ username: 'eve', token: 'glpat-eve' });
    expect((await ask(fake, 'GET', '/user', undefined, 'wrong')).status).toBe(401);
    expect((await ask(fake, 'GET', '/projects/alice%2Fweb', undefined, 'glpat-eve')).status).toBe(404);
    expect((await ask(fake, 'GET', '/personal_access_tokens/self')).data.scopes).toEqual(['api']);
  });

  it('pages as GitLab does', async () => {
    const { fake } = await start();
    for (const title of ['a', 'b', 'c']) await ask(fake, 'POST', '/projects/alice%2Fweb/issues', { title });
    const { headers, data } = await ask(fake, 'GET', '/projects/alice%2Fweb/issues?per_page=2');
    expect([data.length, headers.get('x-next-page'), headers.get('x-total-pages'), headers.get('x-total')]).toEqual([
      2,
      '2',
      '2',
      '3',
    ]);
  });

  it('keeps one assignee on Free, and changes nothing for those who may not', async () => {
    const { fake, project } = await start({ edition: 'free' });
    const ids = fake.state.users.map(({ id }) => id);
    const made = await ask(fake, 'POST', '/projects/alice%2Fweb/issues', { title: 'x', assignee_ids: ids });
    expect(made.data.assignees).toHaveLength(1);
    const refused = await ask(
      fake,
      'POST',
      '/projects/alice%2Fweb/repository/branches',
      { branch: 'b', ref: 'main' },
      'glpat-bob',
    );
    expect([refused.status, await project.git.resolve('b')]).toEqual([403, undefined]);
  });

  it('tells what an update changed, and the head that a push replaced', async () => {
    const { fake, project } = await start();
    const alice = fake.state.users[0];
    if (alice === undefined) throw new Error('alice is not there');
    const first = await fake.push(project, alice, {
      branch: 't',
      from: 'main',
      message: 'one',
      files: [{ path: 'a', content: '1' }],
    });
    await ask(fake, 'POST', '/projects/alice%2Fweb/merge_requests', {
      title: 'T',
      source_branch: 't',
      target_branch: 'main',
    });
    await ask(fake, 'PUT', '/projects/alice%2Fweb/merge_requests/1', { add_labels: 'bug', title: 'Draft: T' });
    expect(fake.webhooks.sent.at(-1)).toMatchObject({
      event: 'Merge Request Hook',
      payload: {
        changes: {
          labels: { previous: [], current: [{ title: 'bug' }] },
          draft: { previous: false, current: true },
          title: { previous: 'T' },
        },
      },
    });
    await fake.push(project, alice, { branch: 't', message: 'two', files: [{ path: 'a', content: '2' }] });
    expect(fake.webhooks.sent.at(-1)).toMatchObject({
      payload: { object_attributes: { action: 'update', oldrev: first } },
    });
  });
});
