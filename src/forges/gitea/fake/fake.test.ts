import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { giteaApi } from 'gitea-js';
import { createGiteaFake, type GiteaFake, type GiteaFakeOptions } from '../fake.js';
import { forgejo, gitea } from '../forge.js';

interface Received {
  headers: Record<string, string>;
  body: string;
}

describe('the fake', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgeway-fake-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function start(
    options: Partial<GiteaFakeOptions> = {},
  ): Promise<{ fake: GiteaFake; received: Received[]; ask: Ask }> {
    const received: Received[] = [];
    const fake = await createGiteaFake({
      folder,
      fetch: async (_url, init) => {
        received.push({ headers: init?.headers as Record<string, string>, body: String(init?.body) });
        return new Response(null, { status: 202 });
      },
      ...options,
    });
    fake.addUser('alice');
    await fake.addRepository('alice', 'tool');
    const token = fake.addToken('alice');
    const ask: Ask = async (method, path, json) => {
      const headers = { authorization: `token ${token}`, 'content-type': 'application/json' };
      const answer = await fake.api.handle(
        new Request(`${fake.apiUrl}${path}`, {
          method,
          headers,
          ...(json !== undefined && { body: JSON.stringify(json) }),
        }),
      );
      const text = await answer.text();
      return { status: answer.status, json: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>) };
    };
    return { fake, received, ask };
  }
  type Ask = (
    method: string,
    path: string,
    json?: unknown,
  ) => Promise<{ status: number; json: Record<string, unknown> | undefined }>;

  const HOOK = {
    type: 'gitea',
    active: true,
    config: { url: 'https://forgeway.test/hook', content_type: 'json', secret: 's3cret' },
    events: ['push', 'create', 'issues', 'issue_comment', 'pull_request'],
  };

  it('keeps hooks, and never tells their secret', async () => {
    const { ask } = await start();
    const hooks = '/repos/alice/tool/hooks';
    const made = await ask('POST', hooks, HOOK);
    expect([made.status, JSON.stringify(made.json).includes('s3cret')]).toEqual([201, false]);
    const one = `${hooks}/${made.json?.id}`;
    expect((await ask('PATCH', one, { active: false })).json?.active).toBe(false);
    expect((await ask('GET', one)).json).toMatchObject({
      active: false,
      config: { url: 'https://forgeway.test/hook' },
    });
    expect((await ask('DELETE', one)).status).toBe(204);
    expect((await ask('GET', one)).status).toBe(404);
    expect((await ask('POST', hooks, { ...HOOK, type: 'pigeon' })).status).toBe(422);
  });

  it.each([
    ['gitea', gitea],
    ['forgejo', forgejo],
  ] as const)('signs what it sends as %s does', async (flavour, descriptor) => {
    const { fake, received, ask } = await start({ flavour });
    await ask('POST', '/repos/alice/tool/hooks', HOOK);
    await ask('POST', '/repos/alice/tool/issues', { title: 'Hello' });
    await fake.webhooks.settled();
    const [delivery] = received;
    if (delivery === undefined) throw new Error('Nothing was sent.');
    const hex = createHmac('sha256', 's3cret').update(delivery.body).digest('hex');
    expect(delivery.headers).toMatchObject({
      'x-gitea-event': 'issues',
      'x-gitea-event-type': 'issues',
      'x-gitea-signature': hex,
      'x-hub-signature-256': `sha256=${hex}`,
      'x-github-event': 'issues',
    });
    expect(delivery.headers['x-forgejo-signature']).toBe(flavour === 'forgejo' ? hex : undefined);
    const check = descriptor.signatureCheck(delivery.headers, ['s3cret']);
    check?.update(Buffer.from(delivery.body));
    expect(check?.valid()).toBe(true);
    const parsed = descriptor.parse('application/json', Buffer.from(delivery.body));
    if (!('payload' in parsed)) throw new Error(parsed.invalid);
    expect(descriptor.classify(descriptor.eventType(delivery.headers), parsed.payload)).toMatchObject({
      kind: 'events',
      events: [{ name: 'issues', action: 'opened' }],
    });
  });

  it("tells of branches, tags and pull requests in the server's own order", async () => {
    const { fake, ask } = await start();
    const before = await fake.push('alice', 'tool', { branch: 'topic', by: 'alice', files: { 'a.txt': 'a\n' } });
    await ask('POST', '/repos/alice/tool/pulls', { title: 'Topic', head: 'topic', base: 'main' });
    const after = await fake.push('alice', 'tool', { branch: 'topic', by: 'alice', files: { 'a.txt': 'b\n' } });
    await ask('POST', '/repos/alice/tool/tags', { tag_name: 'v1', target: after });
    await ask('DELETE', '/repos/alice/tool/tags/v1');
    await ask('DELETE', '/repos/alice/tool/branches/topic');
    expect(fake.webhooks.sent.map(({ event, payload }) => [event, (payload as { action?: string }).action])).toEqual([
      ['create', undefined],
      ['push', undefined],
      ['pull_request', 'opened'],
      ['push', undefined],
      ['pull_request_sync', 'synchronized'],
      ['push', undefined],
      ['create', undefined],
      ['push', undefined],
      ['delete', undefined],
      ['delete', undefined],
      ['pull_request', 'closed'],
    ]);
    expect(fake.webhooks.sent[3]?.payload).toMatchObject({
      ref: 'refs/heads/topic',
      before,
      after,
      total_commits: 1,
      commits: [{ id: after, modified: ['a.txt'] }],
    });
  });

  it('sends a test delivery that moves nothing', async () => {
    const { fake, received, ask } = await start();
    const { json } = await ask('POST', '/repos/alice/tool/hooks', HOOK);
    expect((await ask('POST', `/repos/alice/tool/hooks/${json?.id}/tests`)).status).toBe(204);
    await fake.webhooks.settled();
    const { before, after, commits } = JSON.parse(received[0]?.body ?? '{}') as {
      before: string;
      after: string;
      commits: unknown[];
    };
    expect([before === after, commits.length]).toEqual([true, 1]);
  });

  it('tells only hooks that want it, at every level', async () => {
    const { fake, received, ask } = await start();
    Object.assign(fake.addUser('root', { admin: true }));
    fake.addToken('root');
    const { events: _events, ...rest } = HOOK;
    await ask('POST', '/repos/alice/tool/hooks', { ...rest, events: ['push'] });
    await ask('POST', '/repos/alice/tool/issues', { title: 'Hello' });
    await fake.webhooks.settled();
    expect(received).toEqual([]);
    expect((await ask('GET', '/admin/hooks')).status).toBe(403);
  });

  it('is understood by the published client', async () => {
    const { fake } = await start();
    const client = giteaApi(fake.webUrl, {
      token: fake.addToken('alice'),
      customFetch: (url, init) => fake.api.handle(new Request(url, init)),
    });
    const { data: issue } = await client.repos.issueCreateIssue('alice', 'tool', { title: 'By the client' });
    await client.repos.issueCreateComment('alice', 'tool', issue.number ?? 0, { body: 'Hello' });
    const { data: comments } = await client.repos.issueGetComments('alice', 'tool', issue.number ?? 0);
    expect(comments.map((comment) => [comment.body, comment.user?.login])).toEqual([['Hello', 'alice']]);
    const { data: file } = await client.repos.repoGetContents('alice', 'tool', 'README.md');
    expect(Buffer.from(file.content ?? '', 'base64').toString()).toBe('# tool\n');
    expect(fake.api.violations).toEqual([]);
  });

  it('refuses what the server would not understand, and remembers it', async () => {
    const { fake, ask } = await start();
    expect((await ask('GET', '/repos/alice/tool/issues?colour=red')).status).toBe(422);
    expect((await ask('POST', '/repos/alice/tool/issues', { title: 'x', colour: 'red' })).status).toBe(422);
    expect((await ask('GET', '/repos/alice/tool/unicorns')).status).toBe(404);
    expect(fake.api.violations.length).toBe(3);
    const stranger = await fake.api.handle(new Request(`${fake.apiUrl}/user`));
    expect(stranger.status).toBe(401);
    expect((await ask('GET', '/version')).json).toEqual({ version: '1.21.4' });
  });
});
