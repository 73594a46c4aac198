/** From a fresh installation to a pull request that was handled, without an App in the environment and without a restart. */
import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type AppForge, startAppForge } from '../support/app-forge.js';
import { Browser } from '../support/browser.js';
import { createInstallation, eventually, type Installation, type RunningProgram } from './program.js';

let forge: AppForge;
let installation: Installation;
let server: RunningProgram;

beforeAll(async () => {
  forge = await startAppForge();
  installation = await createInstallation();
  server = await installation.up();
});
afterAll(async () => {
  await forge.close();
  await installation.remove();
});

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../src/forges/github/fixtures/${name}.json`, import.meta.url), 'utf8')) as Record<
    string,
    unknown
  > & { installation: { id: number; account?: object } };

const fieldOf = (html: string, name: string) =>
  (new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? '').replaceAll(/&#(\d+);/g, (_, code) =>
    String.fromCharCode(Number(code)),
  );
const actionOf = (html: string) =>
  (/<form method="post" action="(http[^"]*)"/.exec(html)?.[1] ?? '').replaceAll('&#38;', '&');

/** Through every page, as a person clicks. */
async function register(browser: Browser): Promise<{ url: string; text: string }> {
  const link = await eventually('the setup link', async () => /http\S+\/setup\?code=\S+/.exec(server.stderr())?.[0]);
  await browser.follow(await browser.get(link), link);
  const form = { forge: 'github', base_url: forge.url, name: 'Our bot' };
  const go = await (await browser.post(`${server.url}/setup/apps`, form)).text();
  const confirm = await (await browser.post(actionOf(go), { manifest: fieldOf(go, 'manifest') })).text();
  const created = `${forge.url}/settings/apps/create`;
  const end = await browser.follow(await browser.post(created, { draft: fieldOf(confirm, 'draft') }), created);
  return { url: end.url, text: await end.response.text() };
}

async function deliver(event: string, payload: object): Promise<{ status: number; key: string }> {
  const app = forge.apps[0];
  const body = JSON.stringify(payload);
  const key = randomUUID();
  const answer = await fetch(app?.manifest.hook_attributes.url ?? '', {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': event,
      'x-github-delivery': key,
      'x-hub-signature-256': `sha256=${createHmac('sha256', app?.webhookSecret ?? '')
        .update(body)
        .digest('hex')}`,
    },
  });
  return { status: answer.status, key };
}

const outcome = (key: string) =>
  eventually(`delivery ${key}`, async () => {
    const { stdout } = await installation.run(['deliveries', 'list', '--json']);
    const rows = JSON.parse(stdout) as { deliveryKey: string; status: string; reason: string | null }[];
    return rows.find((row) => row.deliveryKey === key && !['received', 'assigned'].includes(row.status));
  });

it('registers an App, hears it at once, signs with its key, and lets people in with it', async () => {
  expect(await (await fetch(server.url)).text()).toContain('Setup mode');
  const browser = new Browser();
  const end = await register(browser);
  expect(end).toMatchObject({
    url: `${forge.url}/apps/our-bot/installations/new`,
    text: expect.stringContaining('Install'),
  });
  const app = forge.apps[0];
  expect(Object.keys(app?.manifest.default_permissions ?? {})).toContain('pull_requests');

  const created = fixture('installation.created');
  const account = { ...created.installation.account, ...app?.owner };
  const { id } = created.installation;
  forge.installations.set(id, {
    id,
    account: { ...(app?.owner ?? { id: 0, login: '' }), type: 'Organization' },
    repositories: [],
  });
  const first = await deliver('installation', { ...created, installation: { ...created.installation, account } });
  const pull = fixture('pull_request.opened');
  const ours = { ...(pull.repository as object), owner: app?.owner };
  const second = await deliver('pull_request', { ...pull, repository: ours, installation: { id } });
  expect([first.status, second.status]).toEqual([202, 202]);
  expect(await outcome(second.key)).toMatchObject({ status: 'done' });
  // What reads it again asks with a token of this installation, signed for with the key that nobody typed in.
  await eventually('a token of the App', async () =>
    forge.asked.includes(`POST /app/installations/${id}/access_tokens 201`) ? true : undefined,
  );

  const home = await (await fetch(server.url)).text();
  expect(home).not.toContain('Setup mode');
  expect(home).toContain(app?.manifest.hook_attributes.url);
  const doctor = await installation.run(['doctor', '--json']);
  expect(doctor.stdout).toContain('our-bot on 127.0.0.1');
  expect(doctor.stdout).not.toContain('setup mode');

  // A stranger waits until somebody says so, and then needs to do nothing.
  const stranger = { id: 501, login: 'stranger', type: 'Organization' };
  const theirs = { ...created.installation, id: 77, account: stranger };
  const waits = await deliver('installation', { ...created, installation: theirs });
  expect(await outcome(waits.key)).toMatchObject({
    status: 'ignored',
    reason: expect.stringContaining('admit stranger'),
  });
  forge.installations.set(77, { id: 77, account: stranger, repositories: [] });
  const waiting = await installation.run(['installations', 'list', '--json']);
  expect(JSON.parse(waiting.stdout)).toMatchObject([{ account: 'stranger', installation: '77' }]);
  expect(await installation.run(['installations', 'admit', 'stranger'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('stranger on 127.0.0.1'),
  });
  const repository = { ...(pull.repository as object), id: 9_000, owner: stranger };
  const heard = await deliver('pull_request', { ...pull, repository, installation: { id: 77 } });
  expect(await outcome(heard.key)).toMatchObject({ status: 'done' });

  const address = `${server.url}/sign-in`;
  const provider = fieldOf(await (await browser.get(address)).text(), 'provider');
  const signedIn = await browser.follow(await browser.post(address, { provider, return_to: '/' }), address);
  expect(await signedIn.response.text()).toContain('<strong>mona</strong>, administrator');
});
