import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createCheckRunLinks } from '../accounts/check-run-links.js';
import { createPageLinks } from '../accounts/page-links.js';
import { createPreviewLogs } from '../jobs/preview/logs.js';
import { createLogger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import { trustedProxies } from './client-address.js';
import type { Check } from './health.js';
import type { HomeState } from './home-page.js';
import { createHttpApi } from './http-api.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const links = createCheckRunLinks(Buffer.alloc(32, 7));
const organizationId = '0b1c2d3e-0000-4000-8000-00000000abcd';
/** Knows record 12 of one organization. */
const checkStore = {
  tenant: (organization: string, run: (tx: unknown) => Promise<unknown>) =>
    run({
      query: async (_text: string, [id]: [bigint]) => ({
        rows: organization === organizationId && id === 12n ? [{ data: kept }] : [],
      }),
    }),
} as unknown as Store;
/** Sign-in is tested in test/sign-in. */
const nobody = {};
const noHolds = { holds: { pauses: 0, shadows: 0 } };
const kept = {
  name: 'lint <b>all</b>',
  head_sha: 'abc123',
  status: 'completed',
  conclusion: 'action_required',
  details_url: 'javascript:alert(1)',
  output: {
    title: '2 problems',
    summary: '<script>alert(1)</script>',
    annotations: [{ path: 'a.ts', start_line: 3, annotation_level: 'failure', message: 'no "any"' }],
  },
};

/** Nobody has signed in here. */
const notAsked = async (): Promise<never> => {
  throw new Error('no check run is asked for here');
};

async function start(checks: Check[], home?: Partial<HomeState>, failing = false): Promise<string> {
  const api = await createHttpApi({
    health: {
      checks: async () => checks,
      metrics: async () => {
        if (failing) throw new Error('token=ghs_0123456789abcdef0123 leaked');
        return { contentType: 'text/plain', text: 'forgeway_x 1\n' };
      },
    },
    cron: { secret: undefined, askForCycle: async () => 0 },
    home: async () => ({ version: '1', missing: [], webhookUrl: 'http://x/api', previews: true, ...noHolds, ...home }),
    checkRuns: { store: checkStore, links, requests: notAsked },
    runPages: { store: checkStore, links: createPageLinks(Buffer.alloc(32), 'run') },
    previewLogs: {
      ...{ store: checkStore, links: createPageLinks(Buffer.alloc(32), 'preview') },
      read: async () => createPreviewLogs({ dataDir: '/nowhere' }),
    },
    auth: {
      signIn: nobody as never,
      sessionActor: async () => undefined,
      publicUrl: () => 'http://127.0.0.1',
      trustedProxies: trustedProxies([]),
      store: nobody as never,
      pool: nobody as never,
      vault: nobody as never,
      access: nobody as never,
      freshMemberships: nobody as never,
      disconnect: nobody as never,
      outbound: nobody as never,
    },
    log: createLogger({ level: 'silent', format: 'json' }),
  });
  const server = createServer((request, response) => api.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(api.close, () => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the HTTP API', () => {
  it('is healthy and ready when every check holds', async () => {
    const url = await start([{ name: 'database', ok: true, detail: 'answers' }]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${url}/metrics`)).text()).toBe('forgeway_x 1\n');
  });

  it('is not ready, but healthy, when a check fails', async () => {
    const url = await start([{ name: 'database', ok: false, detail: 'does not answer' }]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ status: 'not ready', checks: [{ name: 'database', ok: false }] });
  });

  it('answers an unknown path and an inner failure with a constant body and a request id', async () => {
    const url = await start([], {}, true);
    expect(await (await fetch(`${url}/nothing`)).json()).toMatchObject({ error: { code: 'NOT_FOUND' } });
    const failed = await fetch(`${url}/metrics`);
    expect(failed.status).toBe(500);
    const text = await failed.text();
    expect(text).not.toContain('ghs_');
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'INTERNAL', requestId: expect.any(String) } });
  });

  it('shows in setup mode what is missing, with markup escaped', async () => {
    const url = await start([], {
      missing: [{ variable: 'APP_ID', meaning: '<b>Id</b> of the App.', fix: 'Set it.' }],
    });
    const page = await (await fetch(url)).text();
    expect(page).toContain('Setup mode');
    expect(page).toContain('APP_ID');
    expect(page).not.toContain('<b>Id');
  });

  it('says when something is paused or in shadow, and only then', async () => {
    expect(await (await fetch(await start([]))).text()).not.toContain('in force');
    const page = await (await fetch(await start([], { holds: { pauses: 1, shadows: 2 } }))).text();
    expect(page).toContain('A pause is in force: what it covers waits, and 2 shadows are in force');
  });

  it('lists what lacks the App or a webhook, with nothing of it run or followed blindly', async () => {
    const place = { forge: 'x', host: 'git.example', remoteId: 1n, url: 'https://git.example/a/b', owner: 'a~b' };
    const page = await (
      await fetch(
        await start([], {
          lacking: {
            notAsked: [],
            number: 12,
            repositories: [
              { ...place, name: 'web', state: 'lacks-app', fix: { link: 'https://git.example/apps/x?a=1&b="' } },
              { ...place, name: '<i>', state: 'lacks-hook', fix: { command: 'forgeway connections add --repo <i>' } },
              { ...place, name: 'odd', state: 'suspended', fix: { link: 'javascript:alert(1)' } },
            ],
          },
        }),
      )
    ).text();
    expect(page).toContain('12 repositories lack the App or a webhook');
    expect(page).toContain('a/b/web on git.example: <a href="https://git.example/apps/x?a=1&#38;b=&#34;">');
    expect(page).toContain('<code>forgeway connections add --repo &#60;i&#62;</code>');
    expect(page).toContain('and 9 more');
    expect(page).not.toMatch(/<i>|javascript:/);
    expect(await (await fetch(await start([]))).text()).not.toContain('lack');
  });

  it('shows what an app wrote about a check, to whoever has the link, and runs none of it', async () => {
    const url = await start([]);
    const answer = await fetch(`${url}${links.pathOf(organizationId, 12)}`);
    const page = await answer.text();
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    for (const text of [
      'lint &#60;b&#62;all',
      'action required: 2 problems',
      '&#60;script&#62;',
      'a.ts:3',
      'no &#34;any&#34;',
    ])
      expect(page).toContain(text);
    expect(page).not.toMatch(/<script|javascript:/);
  });

  it('answers 404 for a link that was made up or changed, and for a record that is gone', async () => {
    const url = await start([]);
    const good = links.pathOf(organizationId, 12);
    const other = createCheckRunLinks(Buffer.alloc(32, 8)).pathOf(organizationId, 12);
    const changed = [good.replace('.12.', '.13.'), `${good}0`, '/checks/12', other, links.pathOf(organizationId, 13)];
    for (const path of changed) expect((await fetch(url + path)).status).toBe(404);
  });

  it('says to a person that a page is not there as a page, and to a program as JSON', async () => {
    const url = await start([]);
    const shown = await fetch(`${url}/nowhere`, { headers: { accept: 'text/html,application/xhtml+xml' } });
    expect([shown.status, shown.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
    expect(await shown.text()).toContain('There is no such page.');
    expect(await (await fetch(`${url}/nowhere`)).json()).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});
