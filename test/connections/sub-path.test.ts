/** Forges that share their host with others and are below a path of it: nothing is asked for outside of that path. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { createApiConnections } from '../../src/entry/api-connections.js';
import { parseRepositoryUrl } from '../../src/forges/repository-url.js';
import { MIRROR } from '../../src/handlers/apps.js';
import { runCycle } from '../../src/inbox/poll/cycle.js';
import { TEST_KEYS } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { type ConnectionRig, doubles, startConnectionRig } from './connection-rig.js';

let rig: ConnectionRig;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-below-'));
  rig = await startConnectionRig();
});
afterAll(async () => {
  await rig.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each([
  ['GitLab', '/tools/gitlab', true],
  ['Gitea', '/git', false],
] as const)('a %s at %s', (name, below, byApi) => {
  const wish = { repositories: ['acme/web'], all: false, level: 'repository' } as const;

  it(`is connected ${byApi ? 'by the API' : 'as by the command'}, told of, asked, cloned, polled and let go of`, async () => {
    const double = await doubles[name](rig, below);
    const { forge, url, token } = double;
    expect(url.endsWith(below)).toBe(true);
    const store = rig.test.store('worker');
    const { organizationId } = rig.test;
    const request = {
      forge,
      url: `${url}/`,
      token,
      name: 'below',
      ...wish,
      organization: undefined,
      confidential: undefined,
    };
    const work = createApiConnections({
      ...{ store, keys: TEST_KEYS, outbound: loopback, publicUrl: rig.publicUrl, log: rig.log },
    });
    const made = byApi ? await work.connect(organizationId, request, 'test') : await rig.connect(request);
    expect(made.problems).toEqual([]);
    expect(double.hooksOf('acme/web')).toEqual([
      expect.objectContaining({ url: expect.stringContaining(rig.publicUrl) }),
    ]);
    expect(await rig.doctor({ test: true })).toEqual(
      expect.arrayContaining([expect.objectContaining({ target: 'acme/web', state: 'ok' })]),
    );

    // In.
    await rig.quiet();
    rig.noted.length = 0;
    await double.push('acme/web');
    await rig.quiet();
    const pushed = rig.noted.find(({ event }) => event === 'push')?.payload.repository as Record<string, string>;
    expect(pushed).toMatchObject({
      full_name: 'acme/web',
      html_url: `${url}/acme/web`,
      clone_url: `${url}/acme/web.git`,
    });
    const web = forge.endpoint(url).webUrl;
    expect(parseRepositoryUrl(pushed.clone_url ?? '', forge, web)).toMatchObject({ owner: 'acme', name: 'web' });

    // Out, and along pages.
    const octokit = await rig.bridge.octokitOf(organizationId, made.id);
    const place = { owner: 'acme', repo: 'web' };
    const issues: number[] = [];
    for (const title of ['one', 'two', 'three'])
      issues.push((await octokit.rest.issues.create({ ...place, title })).data.number);
    const listed = await octokit.paginate(octokit.rest.issues.listForRepo, { ...place, per_page: 1 });
    expect(listed.map(({ number }) => number).sort()).toEqual([...issues].sort());
    expect(listed[0]?.html_url.startsWith(`${url}/acme/web/`)).toBe(true);

    // By git.
    const [row] = await rig.rows<{ id: string }>(
      `SELECT r.id FROM repository r JOIN installation i ON i.id = r.installation_id WHERE i.connection_id = $1`,
      [made.id],
    );
    const repositoryId = row?.id ?? '';
    const access = await rig.bridge.gitAccess(organizationId, repositoryId);
    expect(access.url).toBe(`${url}/acme/web.git`);
    const sha = (await octokit.rest.repos.getBranch({ ...place, branch: 'main' })).data.commit.sha;
    const target = join(folder, `${name}-${byApi}`);
    const mirrors = createGitMirrors({ directory: join(folder, 'mirrors'), outbound: loopback });
    await mirrors.checkout({ repositoryId, source: access, sha, fallbackRefs: [], target });
    expect(await readFile(join(target, 'a.txt'), 'utf8')).toMatch(/^0\./);

    // Polled.
    const ports = { store, access: rig.bridge.askAs, recorder: MIRROR, log: rig.log, metrics: rig.metrics };
    const polled = await runCycle(ports, { intervalMs: 0, all: true });
    expect(polled).toMatchObject({ failed: 0 });
    expect(polled.repositories).toBeGreaterThan(0);
    await rig.quiet();

    expect(await work.test(organizationId, made.id)).toMatchObject({ ok: true });
    await rig.disconnect({ connectionId: made.id });
    expect(double.hooksOf('acme/web')).toEqual([]);
    expect([double.strays, double.violations()]).toEqual([[], []]);
  });
});

it('an address without the path is told from the forge, and one with another path is another server', async () => {
  const double = await doubles.Gitea(rig, '/git');
  const { forge, url, token } = double;
  const request = { forge, url: new URL(url).origin, token, ...{ repositories: [], level: 'none' as const } };
  await expect(rig.connect(request)).rejects.toThrow(/does not answer like Gitea.*with its path when it has one/);
  expect(forge.endpoint(url).host).not.toBe(forge.endpoint(new URL(url).origin).host);
});
