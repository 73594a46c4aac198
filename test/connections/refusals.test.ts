/** What cannot be connected, and that nothing is left of the attempt. */

import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gitea } from '../../src/forges/gitea/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { freePort } from '../e2e/program.js';
import { type ConnectionRig, startConnectionRig } from './connection-rig.js';

const servers: Server[] = [];
async function answering(status: number, headers: Record<string, string>, body = ''): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status, headers).end(body));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('connecting what cannot be connected', () => {
  const state = {} as { rig: ConnectionRig; url: string; giteaUrl: string };
  const token = 'glpat-first-token';
  beforeAll(async () => {
    const rig = await startConnectionRig();
    Object.assign(state, { rig, url: (await rig.startGitLab()).url, giteaUrl: (await rig.startGitea()).url });
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    await state.rig.close();
  });
  const refusal = async (
    request: Parameters<ConnectionRig['connect']>[0],
    options?: Parameters<ConnectionRig['connect']>[1],
  ) => {
    const failure = await state.rig.connect(request, options).then(
      () => undefined,
      (error: Error) => error,
    );
    for (const table of ['connection', 'hook', 'webhook_delivery'])
      expect(await state.rig.rows(`SELECT FROM ${table}`)).toEqual([]);
    expect(failure?.message ?? '').not.toContain(token);
    return failure?.message;
  };

  it('refuses a token that the forge refuses', async () => {
    expect(
      await refusal({ forge: gitlab, url: state.url, token: 'glpat-wrong-token', repositories: ['acme/web'] }),
    ).toMatch(/does not accept the token: it is wrong, expired or revoked/);
  });

  it('names the kind of forge that answers instead', async () => {
    expect(await refusal({ forge: gitlab, url: state.giteaUrl, token: 'gitea-token' })).toMatch(/use --forge gitea/);
    expect(await refusal({ forge: gitea, url: state.url, token })).toMatch(/use --forge gitlab/);
  });

  it('says what is wrong with the address', async () => {
    const html = await answering(200, { 'content-type': 'text/html' }, '<html>');
    expect(await refusal({ forge: gitlab, url: html, token })).toMatch(/does not answer like GitLab .*not JSON/);
    const moved = await answering(301, { location: 'https://127.0.0.1:1/' });
    expect(await refusal({ forge: gitlab, url: moved, token })).toMatch(/redirects to another address/);
    expect(await refusal({ forge: gitlab, url: `http://127.0.0.1:${await freePort()}`, token })).toMatch(
      /cannot be reached/,
    );
    expect(await refusal({ forge: gitlab, url: 'git.example.com', token })).toMatch(/write it whole/);
    expect(await refusal({ forge: gitlab, url: 'https://me:secret@git.example.com', token })).toMatch(
      /Leave user name/,
    );
  });

  it('says which repository it does not reach, and what a name looks like', async () => {
    const asked = { forge: gitlab, url: state.url, token };
    expect(await refusal({ ...asked, repositories: ['acme/web', 'acme/nope'] })).toMatch(
      /group_1_bot_x does not reach acme\/nope\./,
    );
    expect(await refusal({ ...asked, repositories: ['acme'] })).toMatch(/"acme" is no repository: write owner\/name/);
  });

  it('wants PUBLIC_URL only where a webhook is to be created', async () => {
    const asked = { forge: gitlab, url: state.url, token, repositories: ['acme/web'] };
    expect(await refusal(asked, { publicUrl: undefined })).toMatch(/PUBLIC_URL is not set/);
  });

  it('leaves a repository to the organization that claimed it first', async () => {
    const { rig, url } = state;
    const other = randomUUID();
    await rig.rows(`INSERT INTO organization (id, slug, name) VALUES ($1, 'other', 'Other')`, [other]);
    const { host } = gitlab.endpoint(url);
    const first = await rig.connect({ forge: gitlab, url, token, repositories: ['acme/web'] });
    await rig.quiet();
    const claims = await rig.rows(`SELECT organization_id AS id FROM repository_claim WHERE host = $1`, [host]);
    expect(claims).toEqual([{ id: rig.test.organizationId }]);
    await expect(
      rig.connect({ forge: gitlab, url, token, repositories: ['acme/web'] }, { organizationId: other }),
    ).rejects.toMatchObject({
      code: 'FORGEWAY_REPOSITORY_CLAIMED',
      message: expect.stringMatching(
        /^acme\/web belongs to another organization on this server\. Nothing was changed\.$/,
      ),
    });
    const taken = await rig.connect({ forge: gitlab, url, token, all: true }, { organizationId: other });
    expect(taken.problems).toEqual([expect.stringMatching(/^Left out, .*: acme\/web\.$/)]);
    expect(taken.repositories.map(({ owner, name }) => `${owner}/${name}`)).toEqual(['acme~sub/deep', 'acme/api']);
    expect(taken.id).not.toBe(first.id);
    expect(rig.said.join('\n')).toMatch(/! 1 left out, since group_1_bot_x may not administer them/);
  });
});

describe('connecting with less than everything', () => {
  it('creates no webhook with a token that only reads, and says so once', async () => {
    const rig = await startConnectionRig();
    try {
      const { fake, url } = await rig.startGitLab();
      const [bot] = fake.state.users;
      fake.state.tokens.set('glpat-reading', { userId: bot?.id ?? 0, scopes: ['read_api'] });
      const asked = { forge: gitlab, url, token: 'glpat-reading', repositories: ['acme/web', 'acme/api'] };
      const connected = await rig.connect(asked);
      expect(connected.facts.capabilities).toEqual(['read']);
      expect(connected.problems).toEqual([expect.stringMatching(/No webhook was created/)]);
      expect(connected.total).toEqual({ repositories: 2, hooks: 0 });
      expect(await rig.connect({ ...asked, level: 'none' }, { publicUrl: undefined })).toMatchObject({ problems: [] });
      const [row] = await rig.rows('SELECT capabilities, warnings FROM connection');
      expect(row).toEqual({ capabilities: ['read'], warnings: [expect.stringMatching(/may only read/)] });
    } finally {
      await rig.close();
    }
  });

  it('serves a group with everything below it through one webhook, and keeps what is confidential away unless asked', async () => {
    const rig = await startConnectionRig();
    try {
      const { fake, url } = await rig.startGitLab();
      const [bot] = fake.state.users;
      fake.state.groups.find(({ fullPath }) => fullPath === 'acme')?.members.set(bot?.id ?? 0, 50);
      const asked = {
        forge: gitlab,
        url,
        token: 'glpat-first-token',
        level: 'organization',
        organization: 'acme',
      } as const;
      const connected = await rig.connect(asked);
      expect(connected).toMatchObject({ problems: [], total: { repositories: 3, hooks: 1 } });
      expect(connected.hooks).toMatchObject([{ arrived: true, hook: { scope: 'organization', confidential: false } }]);
      expect((await rig.connect({ ...asked, confidential: true })).hooks[0]?.hook.confidential).toBe(true);
      expect((await rig.connect(asked)).hooks[0]?.hook.confidential).toBe(true);
      expect(await rig.connect({ ...asked, organization: 'nobody' })).toMatchObject({
        problems: [expect.stringMatching(/^No webhook at nobody: .*GitLab Premium/)],
      });
      expect(fake.api.violations).toEqual([]);
    } finally {
      await rig.close();
    }
  });
});
