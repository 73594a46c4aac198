/**
 * The buttons of a check run, which no forge but GitHub has: from the page of ours to the handler of the app that made the check,
 * pressed by people whose rights the forge says.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createAccess } from '../../src/accounts/access/access.js';
import type { Person } from '../../src/accounts/access/actor.js';
import { createCheckRunLinks } from '../../src/accounts/check-run-links.js';
import { addForms, addOriginCheck } from '../../src/api/auth.js';
import { addCheckRunPage } from '../../src/api/check-run-page.js';
import { createCheckRunRequests } from '../../src/entry/check-run-requests.js';
import { createApps } from '../../src/handlers/apps.js';
import type { Store } from '../../src/store/database.js';
import type { App } from '../../src/translate/bridge.js';
import { type ConnectedForge, fakedForges, startConnectedForge } from '../support/connected-forge.js';
import { TEST_MASTER_KEY } from '../support/database.js';
import { githubEventErrors } from '../support/webhook-schema.js';

const place = { owner: 'acme', name: 'shop' };

// biome-ignore lint/suspicious/noExplicitAny: payloads of two actions, of which each case reads its own field.
type Loose = any;

function appsOf() {
  const heard: { app: string; payload: Loose }[] = [];
  const made: Loose[] = [];
  const hears =
    (name: string): App['load'] =>
    (probot) => {
      probot.on(['check_run.requested_action', 'check_run.rerequested'], async ({ payload }) => {
        heard.push({ app: name, payload });
      });
    };
  const checking: App = {
    name: 'checking',
    load: (probot, options) => {
      probot.on('pull_request.opened', async (context) => {
        const { data } = await context.octokit.rest.checks.create({
          ...context.repo(),
          name: 'format',
          head_sha: context.payload.pull_request.head.sha,
          conclusion: 'action_required',
          output: { title: '2 files', summary: 'They are not formatted.' },
          actions: [{ label: 'Fix <them>', description: 'Commits the form.', identifier: 'fix' }],
        });
        made.push(data);
      });
      return hears('checking')(probot, options);
    },
  };
  // Our own: which repositories there are is mirrored by them.
  const queue = (name: string) => ({ name, poke: async () => undefined });
  const own = (store: Store) =>
    createApps({
      ...{ store, log: pino({ level: 'silent' }) },
      pokes: {
        preview: queue('preview'),
        sync: queue('sync'),
        report: queue('report'),
        run: queue('run'),
        watch: queue('watch'),
        agent: queue('agent'),
      },
    });
  const apps = (store: Store) => [...own(store), checking, { name: 'other', load: hears('other') }];
  return { heard, made, apps };
}

const userOf = (userId: string, suspended = false): Person => ({
  ...{ kind: 'user', userId, name: userId, memberships: new Map(), platformAdmin: false, suspended },
});

describe.each(fakedForges.map((descriptor) => ({ descriptor, label: descriptor.label })))(
  'on $label',
  ({ descriptor }) => {
    const { heard, made, apps } = appsOf();
    let connected: ConnectedForge;
    const server: FastifyInstance = fastify();
    let url = '';
    let path = '';

    beforeAll(async () => {
      connected = await startConnectedForge(descriptor, {
        apps,
        people: ['alice', 'rita', 'zoe'],
        repository: { ...place, people: { alice: 'write', rita: 'read' } },
      });
      const { store, organizationId, bridge } = connected;
      await connected.quiet();
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<{ id: string }>('SELECT id FROM repository'),
      );
      const octokit = await bridge.octokitFor(organizationId, rows[0]?.id ?? '');
      for (const login of ['alice', 'rita', 'zoe']) {
        const { data } = await octokit.request('GET /users/{username}', { username: login });
        await connected.addAccount(login, { id: Number(data.id), login });
      }
      const log = pino({ level: 'silent' });
      const access = createAccess({ store, log, organizationId });
      const requests = createCheckRunRequests({ store, access, bridge: async () => bridge, log });
      addOriginCheck(server, () => url);
      addForms(server);
      addCheckRunPage(server, {
        ...{ store, links: createCheckRunLinks(TEST_MASTER_KEY), requests: async () => requests },
        async sessionActor({ cookie }) {
          const who = /who=(\w+)/.exec(cookie ?? '')?.[1];
          return who === undefined ? undefined : userOf(who, who === 'sam');
        },
      });
      await server.listen({ port: 0, host: '127.0.0.1' });
      url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
      const alice = connected.fake.as('alice', place);
      await alice.push({ branch: 'form', files: { 'a.txt': 'a' }, message: 'A' });
      await alice.openPullRequest({ head: 'form', title: 'A' });
      await connected.quiet();
      path = new URL(made[0].html_url).pathname;
    });
    afterAll(async () => {
      await server.close();
      await connected.close();
    });
    beforeEach(() => {
      heard.length = 0;
    });

    const look = async (who?: string) =>
      (await fetch(url + path, { headers: who === undefined ? {} : { cookie: `who=${who}` } })).text();
    const pressOf = (page: string) => /name="press" value="([^"]+)"/.exec(page)?.[1] ?? '';
    const send = (who: string | undefined, body: Record<string, string>, origin = url) =>
      fetch(url + path, {
        method: 'POST',
        redirect: 'manual',
        headers: { origin, ...(who !== undefined && { cookie: `who=${who}` }) },
        body: new URLSearchParams(body),
      });
    const deliveries = async () => {
      const { rows } = await connected.store.pool.query<{ status: string }>(
        `SELECT status FROM webhook_delivery WHERE delivery_key LIKE '%check-run:%'`,
      );
      return rows.length;
    };

    it('shows the buttons to whoever may write, and says to others what it takes', async () => {
      const page = await look('alice');
      expect(page).toContain('<button name="action" value="fix">Fix &#60;them&#62;</button> Commits the form.');
      expect(page).toContain('<button name="rerequest" value="yes">Run again</button>');
      expect(await look()).toContain(`/sign-in?return_to=${encodeURIComponent(path)}`);
      expect(await look('rita')).toContain('It takes the right to write in acme/shop: rita has none.');
      for (const who of ['rita', 'zoe', 'nick', 'sam', undefined]) expect(await look(who)).not.toContain('<button');
      expect(await look('nick')).toContain('connect it at /account');
    });

    it('tells of an action, in GitHub’s shape, the app that made the check and no other, once for each press', async () => {
      const before = await deliveries();
      const press = pressOf(await look('alice'));
      const answers = await Promise.all([1, 2, 3].map(() => send('alice', { press, action: 'fix' })));
      for (const answer of answers)
        expect([answer.status, answer.headers.get('location')]).toEqual([303, `${path}?asked=yes`]);
      await connected.quiet();
      expect(heard).toMatchObject([
        {
          app: 'checking',
          payload: {
            action: 'requested_action',
            requested_action: { identifier: 'fix' },
            check_run: {
              id: made[0].id,
              name: 'format',
              pull_requests: [{ head: { ref: 'form' }, base: { ref: 'main' } }],
            },
            repository: { name: 'shop' },
            sender: { login: 'alice', type: 'User' },
            installation: { id: expect.any(Number) },
          },
        },
      ]);
      expect(heard[0]?.payload.check_run.check_suite.head_branch).toBe('form');
      expect(githubEventErrors('check_run', heard[0]?.payload)).toEqual([]);
      expect(await deliveries()).toBe(before + 1);
      expect(await (await fetch(`${url + path}?asked=yes`, { headers: { cookie: 'who=alice' } })).text()).toContain(
        'The app was told.',
      );
    });

    it('tells that it is to be run again', async () => {
      await send('alice', { press: pressOf(await look('alice')), rerequest: 'yes' });
      await connected.quiet();
      expect(heard.map(({ app, payload }) => [app, payload.action])).toEqual([['checking', 'rerequested']]);
      expect(githubEventErrors('check_run', heard[0]?.payload)).toEqual([]);
    });

    it('refuses everybody else, other pages, and what is no action of the check', async () => {
      const before = await deliveries();
      const press = randomUUID();
      const statusOf = async (...asked: Parameters<typeof send>) => (await send(...asked)).status;
      for (const who of ['rita', 'zoe', 'nick'])
        expect([who, await statusOf(who, { press, action: 'fix' })]).toEqual([who, 403]);
      for (const who of [undefined, 'sam'])
        expect((await send(who, { press, action: 'fix' })).headers.get('location')).toMatch(/^\/sign-in/);
      expect(await statusOf('alice', { press, action: 'fix' }, 'https://evil.example')).toBe(403);
      expect(await statusOf('alice', { press, action: 'merge' })).toBe(404);
      expect(await statusOf('alice', { press: 'x', action: 'fix' })).toBe(400);
      expect(await statusOf('alice', { press })).toBe(400);
      await connected.quiet();
      expect([await deliveries(), heard]).toEqual([before, []]);
    });

    it('says that the forge does not answer, and tells nobody', async () => {
      connected.forgeIs.down = true;
      try {
        // Whose right was not asked for in the last minute.
        await connected.addAccount('late', { id: 999_999, login: 'late' });
        const answer = await send('late', { press: randomUUID(), action: 'fix' });
        expect(answer.status).toBe(503);
        expect((await send('alice', { press: randomUUID(), action: 'fix' })).status).toBe(503);
      } finally {
        await connected.forgeIsBack();
      }
      await connected.quiet();
      expect(heard).toEqual([]);
    });
  },
);
