import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { contents } from './contents.js';

const PATH = '/repos/{owner}/{repo}/contents/{path}';
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('contents on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
  });
  afterAll(() => gitea.close());

  const shaOf = async (path: string): Promise<string> => (await gitea.ask(`GET ${PATH}`, { path })).data.sha;

  it('are read as an object, as raw bytes and as a folder', async () => {
    const file = await gitea.ask(`GET ${PATH}`, { path: 'src/app.ts' });
    expect(file.data).toMatchObject({ type: 'file', name: 'app.ts', path: 'src/app.ts', encoding: 'base64', size: 22 });
    expect(Buffer.from(file.data.content, 'base64').toString()).toBe('export const one = 1;\n');
    expect(file.data.url).toBe('https://gitea.test/api/v3/repos/acme/web/contents/src/app.ts');
    expect(file.data.git_url).toBe(`https://gitea.test/api/v3/repos/acme/web/git/blobs/${file.data.sha}`);
    const raw = await gitea.ask(`GET ${PATH}`, { path: '.github/bot.yml' }, { media: 'raw' });
    expect([raw.headers['content-type'], String(raw.data)]).toEqual([
      'application/vnd.github.raw; charset=utf-8',
      'greet: true\n',
    ]);
    expect(gitea.rig.calls.at(-1)?.path).toBe('/repos/acme/web/contents/.github/bot.yml');
    // A folder has none: GitHub answers its list, by which `context.config()` tells it from no file.
    const folder = await gitea.ask(`GET ${PATH}`, { path: '.github' }, { media: 'raw' });
    expect(folder.data).toMatchObject([{ path: '.github/bot.yml', type: 'file' }]);
    const root = await gitea.ask(`GET ${PATH}`, { path: '' });
    expect(root.data.map((one: Loose) => [one.name, one.type])).toEqual([
      ['.github', 'dir'],
      ['README.md', 'file'],
      ['src', 'dir'],
    ]);
    expect(root.data[1].content).toBeUndefined();
    const object = await gitea.ask(`GET ${PATH}`, { path: 'src' }, { media: 'object' });
    expect(object.data).toMatchObject({ type: 'dir', name: 'src', entries: [{ name: 'app.ts' }] });
  });

  it('that are not there are 404, in every form', async () => {
    for (const media of ['json', 'raw', 'object'] as const)
      expect((await gitea.ask(`GET ${PATH}`, { path: '.github/no.yml' }, { media })).status).toBe(404);
    expect((await gitea.ask(`GET ${PATH}`, { path: '../alice/tool' })).status).toBe(404);
    expect((await gitea.ask(`GET ${PATH}`, { path: 'README.md', ref: 'no-branch' })).status).toBe(404);
  });

  it('are created, changed and deleted on a branch', async () => {
    const made = await gitea.ask(`PUT ${PATH}`, {
      path: 'docs/größe & #1.md',
      message: 'Add docs',
      content: base64('# Docs\n'),
      author: { name: 'Ann', email: 'ann@example.com' },
    });
    expect(made.status).toBe(201);
    expect(gitea.rig.calls.at(-1)).toMatchObject({
      method: 'POST',
      path: `/repos/acme/web/contents/docs/${encodeURIComponent('größe & #1.md')}`,
    });
    expect(made.data).toMatchObject({ content: { path: 'docs/größe & #1.md' }, commit: { author: { name: 'Ann' } } });
    const commit = await gitea.ask('GET /repos/{owner}/{repo}/commits/{ref}', { ref: made.data.commit.sha });
    expect(commit.data.files).toMatchObject([
      { filename: 'docs/größe & #1.md', status: 'added', additions: 1, patch: '@@ -0,0 +1 @@\n+# Docs' },
    ]);
    const changed = await gitea.ask(`PUT ${PATH}`, {
      path: 'docs/größe & #1.md',
      message: 'Change',
      content: base64('# More\n'),
      sha: made.data.content.sha,
      branch: 'main',
    });
    expect(changed.status).toBe(200);
    const gone = await gitea.ask(`DELETE ${PATH}`, {
      path: 'docs/größe & #1.md',
      message: 'Remove',
      sha: changed.data.content.sha,
    });
    expect([gone.status, gone.data.content]).toEqual([200, null]);
    expect((await gitea.ask(`GET ${PATH}`, { path: 'docs/größe & #1.md' })).status).toBe(404);
    expect(gitea.told().filter(([type]) => type === 'push').length).toBe(3);
  });

  it('are not overwritten by whoever did not see them', async () => {
    const blind = await gitea.ask(`PUT ${PATH}`, { path: 'README.md', message: 'm', content: base64('x') });
    expect([blind.status, blind.data.message]).toEqual([422, 'Invalid request.\n\n"sha" wasn\'t supplied.']);
    const stale = await gitea.ask(`PUT ${PATH}`, {
      path: 'README.md',
      message: 'm',
      content: base64('x'),
      sha: '0'.repeat(40),
    });
    expect([stale.status, stale.data.message]).toEqual([409, `README.md does not match ${'0'.repeat(40)}`]);
    expect((await gitea.ask(`DELETE ${PATH}`, { path: 'README.md', message: 'm', sha: '1'.repeat(40) })).status).toBe(
      409,
    );
    expect((await gitea.ask(`DELETE ${PATH}`, { path: 'README.md', message: 'm' })).status).toBe(422);
    expect((await gitea.ask(`PUT ${PATH}`, { path: 'README.md', message: 'm' })).status).toBe(422);
    const elsewhere = await gitea.ask(`PUT ${PATH}`, {
      path: 'README.md',
      message: 'm',
      content: base64('x'),
      sha: await shaOf('README.md'),
      branch: 'none',
    });
    expect(elsewhere.status).toBe(404);
  });

  it('larger than a megabyte are told without their content', async () => {
    const text = 'x'.repeat(1024 * 1024 + 1);
    await gitea.fake.push('acme', 'web', { branch: 'large', by: 'alice', files: { 'large.txt': text } });
    const file = await gitea.ask(`GET ${PATH}`, { path: 'large.txt', ref: 'large' });
    expect([file.data.encoding, file.data.content, file.data.size]).toEqual(['none', '', text.length]);
    const raw = await gitea.ask(`GET ${PATH}`, { path: 'large.txt', ref: 'large' }, { media: 'raw' });
    expect((raw.data as Buffer).length).toBe(text.length);
  });

  it('have a readme and archives', async () => {
    const readme = await gitea.ask('GET /repos/{owner}/{repo}/readme');
    expect([readme.data.name, Buffer.from(readme.data.content, 'base64').toString()]).toEqual(['README.md', '# web\n']);
    const tar = await gitea.ask('GET /repos/{owner}/{repo}/tarball/{ref}', { ref: 'main' });
    expect([tar.headers['content-type'], [...(tar.data as Buffer).subarray(0, 2)]]).toEqual([
      'application/x-gzip',
      [0x1f, 0x8b],
    ]);
    const zip = await gitea.ask('GET /repos/{owner}/{repo}/zipball/{ref}', { ref: 'main' });
    expect((zip.data as Buffer).subarray(0, 2).toString()).toBe('PK');
    expect((await gitea.ask('GET /repos/{owner}/{repo}/tarball/{ref}', { ref: 'none' })).status).toBe(404);
  });

  it('are not there in a repository that is not there', () =>
    gitea.expectMissing(contents, { path: 'x', ref: 'main', content: 'eA==', message: 'm', sha: '0'.repeat(40) }));

  it('are all proven', () => gitea.expectEveryRow({ contents }));
});
