/** One round trip over HTTP with a GitHub that knows nothing of us: signed webhook in, comment out. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createEmulator } from 'emulate';
import { createPermissions } from '../../src/accounts/permissions.js';
import type { ForgeDescriptor } from '../../src/forges/forge.js';
import { forgeById } from '../../src/forges/registry.js';
import { systemClock } from '../../src/lib/clock.js';
import { createRig, type Rig } from './bridge-rig.js';

const SECRET = 'a secret of sixteen or more';
let rig: Rig;
const received: { headers: IncomingMessage['headers']; body: Buffer }[] = [];
const listener = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    received.push({ headers: request.headers, body: Buffer.concat(chunks) });
    response.writeHead(202).end();
  });
});

beforeAll(async () => {
  rig = await createRig();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  listener.close();
  await rig.database.drop();
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** The first delivery of an event, once it came. */
async function delivered(forge: ForgeDescriptor, event: string) {
  for (;;) {
    const found = received.find(({ headers }) => forge.eventType(headers) === event);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

it('verifies, classifies and runs a webhook, and the comment of the handler is there', async () => {
  const emulator = await createEmulator({
    service: 'github',
    port: await freePort(),
    seed: {
      github: {
        users: [{ login: 'alice' }],
        orgs: [{ login: 'acme' }],
        repos: [{ owner: 'acme', name: 'web', auto_init: true }],
        apps: [
          {
            app_id: 12345,
            slug: 'fw',
            name: 'fw',
            webhook_url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`,
            webhook_secret: SECRET,
            permissions: { contents: 'write', pull_requests: 'write', issues: 'write', metadata: 'read' },
            events: ['issues', 'issue_comment'],
            installations: [{ installation_id: 100, account: 'acme', repository_selection: 'all' }],
          },
        ],
      },
    },
  });
  try {
    const generated = emulator.generatedSecrets.find((secret) => secret.kind === 'github.app_private_key');
    const { host } = new URL(emulator.url);
    const hookId = await rig.hook({ scope: 'app', host });
    const bridge = await rig.bridge(
      [
        {
          name: 'greeter',
          load: (probot) => {
            probot.on('issues.opened', async (context) => {
              await context.octokit.rest.issues.createComment(context.issue({ body: 'Welcome.' }));
            });
          },
        },
      ],
      { appId: 12345, privateKey: generated?.value ?? '', apiUrl: emulator.url, webUrl: emulator.url, host },
    );

    const remote = (await (await fetch(`${emulator.url}/repos/acme/web`)).json()) as { id: number };
    const id = await rig.repository({ remoteId: remote.id, name: 'web', installation: { id: 100, host } });
    const octokit = await bridge.octokitFor(rig.database.organizationId, id);
    const where = { owner: 'acme', repo: 'web' };
    const issue = await octokit.rest.issues.create({ ...where, title: 'First issue' });

    const forge = forgeById('github') as ForgeDescriptor;
    const { headers, body } = await delivered(forge, 'issues');
    const check = forge.signatureCheck(headers, [SECRET]);
    check?.update(body);
    expect(check?.valid()).toBe(true);
    const parsed = forge.parse(String(headers['content-type']), body);
    if ('invalid' in parsed) throw new Error(parsed.invalid);
    expect(forge.classify('issues', parsed.payload)).toMatchObject({
      events: [{ name: 'issues', action: 'opened' }],
      repositoryId: BigInt(remote.id),
      number: issue.data.number,
      installationId: 100n,
    });

    const event = rig.delivery({ name: 'issues', payload: parsed.payload, hookId, host });
    await bridge.run({ ...event, body, deliveryKey: forge.deliveryKey(headers) ?? '' }, new AbortController().signal);
    const comments = await octokit.rest.issues.listComments({ ...where, issue_number: issue.data.number });
    expect(comments.data.map((comment) => [comment.body, comment.user?.login])).toEqual([['Welcome.', 'fw[bot]']]);

    const alice = (await (await fetch(`${emulator.url}/users/alice`)).json()) as { id: number };
    const ask = createPermissions({ clock: systemClock }).levelOf({
      repository: { forge: 'github', host, remoteId: BigInt(remote.id), owner: 'acme', name: 'web' },
      user: { id: BigInt(alice.id), login: 'alice' },
      octokit,
    });
    expect(await ask).toMatchObject({ level: 'none' });
  } finally {
    await emulator.close();
  }
});
