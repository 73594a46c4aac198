/** Archives of repositories that are larger than any other answer, by the routes of apps. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { gitea } from '../../src/forges/gitea/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { type ConnectionRig, startConnectionRig } from './connection-rig.js';

const SIZE = 24 * 1024 * 1024;
let rig: ConnectionRig;
beforeAll(async () => {
  rig = await startConnectionRig();
});
afterAll(() => rig.close());

it.each([
  ['GitLab', gitlab, 'glpat-first-token'],
  ['Gitea', gitea, 'gitea-token'],
] as const)('come whole from a %s, as tar and as zip', async (_name, forge, token) => {
  const { fake, url } = forge === gitlab ? await rig.startGitLab() : await rig.startGitea();
  const { id } = await rig.connect({ forge, url, token, level: 'none' });
  const { rest } = await rig.bridge.octokitOf(rig.test.organizationId, id);
  const at = { owner: 'acme', repo: 'web', ref: 'main' };
  for (const download of [rest.repos.downloadTarballArchive, rest.repos.downloadZipballArchive]) {
    fake.api.failNext('GET', /\/archive/, { body: Buffer.alloc(SIZE, 1), contentType: 'application/octet-stream' });
    const { data } = await download(at);
    expect((data as ArrayBuffer).byteLength).toBe(SIZE);
  }
});
