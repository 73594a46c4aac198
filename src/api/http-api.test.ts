import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '../lib/logger.js';
import type { Check } from './health.js';
import type { HomeState } from './home-page.js';
import { createHttpApi } from './http-api.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(checks: Check[], home?: Partial<HomeState>, failing = false): Promise<string> {
  const api = await createHttpApi({
    health: {
      checks: async () => checks,
      metrics: async () => {
        if (failing) throw new Error('token=ghs_0123456789abcdef0123 leaked');
        return { contentType: 'text/plain', text: 'forgeway_x 1\n' };
      },
    },
    home: async () => ({ version: '1', missing: [], webhookUrl: 'http://x/api', previews: true, ...home }),
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
});
