/** The facade on every forge that can be played: the same program, the same answers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { runGit } from '../../demo/emulated-github/bare-repository.js';
import { startEmulatedGitHub } from '../../demo/emulated-github/emulated-github.js';
import { saveAppConnection, saveOAuthConnection } from '../../src/accounts/connection-kinds.js';
import { createVault } from '../../src/accounts/vault.js';
import { ConfigError } from '../../src/config/config.js';
import { gitObjectsFor } from '../../src/entry/bridge-ports.js';
import { createVcs, type Vcs, vcsOn } from '../../src/entry/vcs.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createBridge } from '../../src/translate/bridge.js';
import { fakedForges } from '../support/connected-forge.js';
import { createTestDatabase, TEST_KEYS, type TestDatabase } from '../support/database.js';
import { loopback } from '../support/loopback.js';

const vault = createVault(TEST_KEYS.versions);
const shop = { owner: 'acme', name: 'shop' };
const at = { owner: 'acme', repo: 'shop' };

let test: TestDatabase;
let folder: string;
let vcs: Pick<Vcs, 'getScoped'>;
beforeAll(async () => {
  test = await createTestDatabase();
  await test.addUser('ann');
  await test
    .store('worker')
    .tenant(test.organizationId, (tx) =>
      tx.query(`INSERT INTO member (organization_id, user_id, role) VALUES ($1, 'ann', 'member')`, [
        test.organizationId,
      ]),
    );
  folder = await mkdtemp(join(tmpdir(), 'forgeway-vcs-'));
  const store = test.store('worker');
  const bridge = await createBridge({
    apps: [],
    store,
    keys: TEST_KEYS,
    fetch: loopback.fetch,
    gitFor: gitObjectsFor({ dataDir: folder }, loopback),
    log: pino({ level: 'silent' }),
    metrics: createMetrics(),
  });
  vcs = vcsOn({ store, bridge, organizationId: test.organizationId });
});
afterAll(async () => {
  await test.drop();
  await rm(folder, { recursive: true, force: true });
});

const connect = (
  forge: string,
  url: string,
  o: { login?: string; token?: string; userId?: string; id?: bigint } = {},
) =>
  saveOAuthConnection(
    test.store('worker'),
    vault,
    { organizationId: test.organizationId, forge, host: new URL(url).host, instanceUrl: url },
    {
      userId: o.userId,
      identity: {
        ...{ id: o.id ?? 1n, login: o.login ?? 'bot', name: null },
        ...{ email: null, emailVerified: false, avatarUrl: null },
      },
      tokens: { accessToken: o.token ?? 'token' },
    },
  );

/** One program; what it learned, without the numbers that differ from server to server. */
async function story(forge: string, url: string, push: () => Promise<unknown>, hasArchives = true) {
  const { repos, pullRequests, issues, octokit } = await vcs.getScoped({ forge, host: new URL(url).host });
  const repository = await repos.get(at);
  const branch = await repos.getDefaultBranch(at);
  const before = await repos.getBranchSha({ ...at, branch });
  await push();
  const opened = await pullRequests.create({ ...at, title: 'Add a', head: 'feature', base: branch, body: 'Please.' });
  const { number } = opened;
  await pullRequests.update({ ...at, number, title: 'Add a file' });
  const said = await pullRequests.comment({ ...at, number, body: 'Looks good.' });
  const review = await pullRequests.review({ ...at, number, event: 'COMMENT', body: 'Read.' });
  const listed = await pullRequests.list({ ...at, base: branch });
  const merged = await pullRequests.merge({ ...at, number, sha: opened.head.sha });
  const after = await pullRequests.get({ ...at, number });
  const issue = await issues.create({ ...at, title: 'A bug', body: 'It fails.' });
  await issues.comment({ ...at, number: issue.number, body: 'Seen.' });
  const closed = await issues.update({ ...at, number: issue.number, state: 'closed' });
  const archive = hasArchives ? await repos.downloadArchive({ ...at, ref: before }) : Buffer.from('1f8b', 'hex');
  const missing = await repos.get({ owner: 'acme', repo: 'none' }).catch((error: { status?: number }) => error.status);
  const { data: raw } = await octokit.rest.issues.get({ ...at, issue_number: issue.number });
  return {
    repository: [repository.full_name, repository.private, repository.default_branch],
    repositories: (await repos.list()).map((one) => one.full_name),
    moved: before !== (await repos.getBranchSha({ ...at, branch })),
    opened: [opened.title, opened.body, opened.state, opened.head.ref, opened.base.ref, opened.draft],
    said: said.body,
    review: [review.state, review.body],
    listed: listed.map((one) => [one.title, one.state, one.number === number]),
    merged: merged.merged,
    after: [after.state, after.merged, after.title],
    issue: [issue.title, issue.body, issue.state],
    closed: closed.state,
    open: (await issues.list(at)).length,
    all: (await issues.list({ ...at, state: 'all' })).map((one) => [one.title, one.comments]),
    archive: archive.subarray(0, 2).toString('hex'),
    missing,
    raw: raw.title,
  };
}

const expected = {
  repository: ['acme/shop', false, 'main'],
  repositories: ['acme/shop'],
  moved: true,
  opened: ['Add a', 'Please.', 'open', 'feature', 'main', false],
  said: 'Looks good.',
  review: ['COMMENTED', 'Read.'],
  listed: [['Add a file', 'open', true]],
  merged: true,
  after: ['closed', true, 'Add a file'],
  issue: ['A bug', 'It fails.', 'open'],
  closed: 'closed',
  open: 0,
  all: [['A bug', 1]],
  archive: '1f8b',
  missing: 404,
  raw: 'A bug',
};

it.each(fakedForges.map((forge) => [forge.label, forge] as const))(
  '%s answers as GitHub would',
  async (_name, forge) => {
    const own = await mkdtemp(join(folder, 'fake-'));
    if (forge.startFake === undefined) throw new Error('it has no fake');
    const fake = await forge.startFake({ folder: own });
    try {
      await fake.addPerson('ann');
      await fake.addRepository({ ...shop, people: { ann: 'write' } });
      await connect(forge.id, fake.url, { token: fake.token, login: fake.bot.login, id: fake.bot.id });
      const push = { branch: 'feature', files: { 'a.txt': 'a\n' }, message: 'Add a' };
      expect(await story(forge.id, fake.url, () => fake.as('ann', shop).push(push))).toEqual(expected);
      expect(fake.violations()).toEqual([]);
    } finally {
      await fake.close();
    }
  },
);

/** Its double has no archives, and gives an App's installation. */
it('GitHub answers the same', async () => {
  const token = 'gho_of_ann';
  const github = await startEmulatedGitHub({
    port: 0,
    directory: await mkdtemp(join(folder, 'github-')),
    owner: shop.owner,
    repository: shop.name,
    app: {
      ...{ id: 4711, slug: 'forgeway', installationId: 99, events: [] },
      webhookSecret: 'a secret of the test, long enough',
      permissions: { contents: 'write', issues: 'write', pull_requests: 'write', metadata: 'read' },
    },
    webhookUrl: 'http://127.0.0.1:9/',
    writers: { ann: token },
    onError: (error) => {
      throw error;
    },
  });
  try {
    const place = {
      organizationId: test.organizationId,
      forge: 'github',
      host: github.host,
      instanceUrl: github.origin,
    };
    await saveAppConnection(test.store('worker'), vault, place, {
      ...{ appId: '4711', privateKey: github.privateKey, installationId: 99n },
      account: { id: 1n, login: shop.owner, type: 'Organization' },
    });
    const installed = await fetch(`${github.origin}/api/v3/apps/forgeway/installations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    expect(installed.status).toBe(201);
    const clone = await mkdtemp(join(folder, 'clone-'));
    const remote = github.origin.replace('://', `://ann:${token}@`);
    const person = { GIT_AUTHOR_NAME: 'Ann', GIT_AUTHOR_EMAIL: 'ann@example.com' };
    const env = { ...person, GIT_COMMITTER_NAME: 'Ann', GIT_COMMITTER_EMAIL: 'ann@example.com' };
    const git = (...args: string[]) => runGit(clone, args, { env });
    const commit = async (branch: string) => {
      await git('commit', '--quiet', '--allow-empty', '--message', 'Add a');
      await git('push', '--quiet', `${remote}/acme/shop.git`, `HEAD:refs/heads/${branch}`);
    };
    await git('init', '--quiet', '--initial-branch', 'main');
    await commit('main');
    const push = async () => {
      await writeFile(join(clone, 'a.txt'), 'a\n');
      await git('add', '.');
      await commit('feature');
    };
    expect(await story('github', github.origin, push, false)).toEqual(expected);
  } finally {
    await github.close();
  }
});

describe('whose connection', () => {
  const url = 'https://git.example.com';
  const scope = { forge: 'gitlab', host: 'git.example.com' };
  const refusal = (of: Parameters<Vcs['getScoped']>[0]) =>
    vcs.getScoped(of).then(
      () => 'none',
      (error: { code: string; message: string }) => `${error.code} ${error.message}`,
    );

  it('one that is not there is said to be missing, for a person too when only the organization has one', async () => {
    expect(await refusal(scope)).toMatch(/^FORGEWAY_CONNECTION_UNKNOWN The organization has no connection/);
    await connect('gitlab', url);
    expect(await refusal(scope)).toBe('none');
    expect(await refusal({ ...scope, user: 'ann' })).toMatch(/^FORGEWAY_CONNECTION_UNKNOWN The user has no/);
    await connect('gitlab', url, { userId: 'ann', login: 'ann', id: 2n });
    expect(await refusal({ ...scope, user: 'ann' })).toBe('none');
    expect(await refusal({ ...scope, user: 'ben' })).toMatch(/^FORGEWAY_CONNECTION_UNKNOWN/);
    expect(await refusal({ forge: 'none' })).toMatch(/^FORGEWAY_CONNECTION_UNKNOWN There is no forge none/);
  });

  it('of several the account is named', async () => {
    await connect('gitlab', url, { login: 'second', id: 3n });
    expect(await refusal(scope)).toMatch(/several connections .* one of bot, second/);
    expect(await refusal({ ...scope, account: 'Second' })).toBe('none');
  });

  it('one that has ended says what to do', async () => {
    await test
      .store('worker')
      .tenant(test.organizationId, (tx) =>
        tx.query(`UPDATE connection SET status = 'revoked', status_reason = 'Connect again.' WHERE user_id = 'ann'`),
      );
    expect(await refusal({ ...scope, user: 'ann' })).toBe('FORGEWAY_CONNECTION_UNUSABLE Connect again.');
  });
});

it('a wrong environment is refused whole, each variable with what to do', async () => {
  const settings = { DATABASE_URL: 'postgres://localhost/x', APP_ID: 'seven', PUBLIC_URL: 'nowhere' };
  const error = await createVcs({ settings }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  const { problems } = error as ConfigError;
  expect(problems.map(({ variable }) => variable).sort()).toEqual(['APP_ID', 'FORGEWAY_ENCRYPTION_KEY', 'PUBLIC_URL']);
  expect(problems.every(({ fix }) => fix.length > 0)).toBe(true);
});
