/** Text that GitLab renders, code that it searches, and release notes. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GitLabRig, type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';
import { codeSearch } from './code-search.js';
import { markdown } from './markdown.js';
import { releaseNotes } from './release-notes.js';

const R = '/repos/{owner}/{repo}';
const NOTES = `POST ${R}/releases/generate-notes`;
const at: { gitlab: GitLabRig } = {} as { gitlab: GitLabRig };
const ask: GitLabRig['ask'] = (...given) => at.gitlab.ask(...given);
const HOME = 'acme~platform/web';

beforeAll(async () => {
  at.gitlab = await startGitLab({ git: true });
});
afterAll(() => at.gitlab.close());

const plain = (text: string) => ({ file: { type: 'text/plain; charset=utf-8', bytes: Buffer.from(text) } });

describe('markdown', () => {
  it('is rendered in the name of a repository, whose issues are called as on GitLab', async () => {
    const asked = { text: 'See #1000000007 & more', mode: 'gfm', context: HOME };
    const { data, headers } = await ask('POST /markdown', asked);
    expect(String(data)).toBe('<p dir="auto">See #7 &amp; more</p>');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(at.gitlab.rig.calls.at(-1)?.json).toEqual({
      text: 'See #7 & more',
      gfm: true,
      project: 'acme/platform/web',
    });
    expect((await ask('POST /markdown', { text: 'x', mode: 'pdf' })).data.errors).toMatchObject([{ field: 'mode' }]);
  });

  it('is rendered from text as it is, and from nothing else', async () => {
    expect(String((await ask('POST /markdown/raw', {}, plain('<b>'))).data)).toBe('<p dir="auto">&lt;b></p>');
    const json = { file: { type: 'application/json', bytes: Buffer.from('{}') } };
    expect(await ask('POST /markdown/raw', {}, json)).toMatchObject({
      ...{ status: 400, data: { message: "Invalid request media type (expecting 'text/plain')" } },
    });
  });
});

describe('code', () => {
  const found = async (q: string) => (await ask('GET /search/code', { q })).data;

  it('is found in a repository, each file once with its SHA', async () => {
    const { data: file } = await ask(`GET ${R}/contents/{path}`, { path: 'src/app.ts' });
    const result = await found(`one repo:${HOME} extension:ts in:file`);
    expect(result).toMatchObject({
      ...{ total_count: 1, incomplete_results: false },
      items: [{ name: 'app.ts', path: 'src/app.ts', sha: file.sha, repository: { full_name: HOME }, score: 1 }],
    });
    expect(result.items[0].git_url).toBe(file.git_url);
    expect((await found(`one repo:${HOME} filename:other.ts`)).items).toEqual([]);
  });

  it('is refused where GitLab cannot say', async () => {
    for (const [q, says] of [
      ['one', 'Name where to search code'],
      [`repo:${HOME}`, 'at least one'],
      [`one language:go repo:${HOME}`, 'language:go'],
      ['one repo:acme/gone', 'cannot be searched'],
    ] as const)
      expect(await ask('GET /search/code', { q })).toMatchObject({
        ...{ status: 422, data: { message: expect.stringContaining(says) } },
      });
    expect((await ask('GET /search/code', {})).data.errors).toMatchObject([{ field: 'q' }]);
  });
});

describe('release notes', () => {
  const merged = async (branch: string, labels: string[]) => {
    const pull_number = await at.gitlab.openMergeRequest(branch, { [`${branch}.txt`]: 'x\n' });
    await ask(`POST ${R}/issues/{issue_number}/labels`, { issue_number: pull_number, labels });
    const { data } = await ask(`PUT ${R}/pulls/{pull_number}/merge`, { pull_number });
    expect(data).toMatchObject({ merged: true });
    return pull_number;
  };

  it('tell what was merged since the last release, by category', async () => {
    await merged('first', []);
    expect((await ask(`POST ${R}/releases`, { tag_name: 'v1', name: 'v1', target_commitish: 'main' })).status).toBe(
      201,
    );
    const fix = await merged('fix', ['bug']);
    await merged('noise', ['skip']);
    const config = 'changelog:\n  exclude: { labels: [skip] }\n  categories:\n    - { title: Fixes, labels: [bug] }\n';
    await ask(`PUT ${R}/contents/{path}`, {
      ...{ path: '.github/release.yml', message: 'Notes', content: Buffer.from(config).toString('base64') },
    });
    const { data } = await ask(NOTES, { tag_name: 'v2' });
    expect(data.name).toBe('v2');
    expect(data.body.replaceAll(/https?:\/\/[^/\s]+/g, '')).toBe(
      [
        `## What's Changed\n### Fixes\n* Merge fix by @alice in /acme/platform/web/-/merge_requests/${fix}`,
        `**Full Changelog**: /acme/platform/web/-/compare/v1...v2`,
      ].join('\n\n'),
    );
    const all: Loose = (await ask(NOTES, { tag_name: 'v1' })).data;
    expect(all.body).toMatch(/New Contributors|Full Changelog/);
    expect(all.body).toContain('/-/commits/v1');
    expect((await ask(NOTES, { tag_name: 'v2', previous_tag_name: 'v0' })).data.message).toBe(
      'Invalid previous_tag parameter',
    );
    expect((await ask(NOTES, { tag_name: 'v2', target_commitish: 'gone' })).status).toBe(422);
    const wish = { tag_name: 'v2', name: 'Two', target_commitish: 'main', generate_release_notes: true };
    const { data: made } = await ask(`POST ${R}/releases`, wish);
    expect([made.name, made.body]).toEqual(['Two', data.body]);
    expect((await ask(`GET ${R}/releases/tags/{tag}`, { tag: 'v2' })).data.body).toBe(data.body);
    expect((await ask(NOTES, {})).data.errors).toMatchObject([{ field: 'tag_name', code: 'missing_field' }]);
  });
});

it('is all proven', async () => {
  await at.gitlab.expectMissing(releaseNotes, { tag_name: 'v1' });
  at.gitlab.expectEveryRow({ markdown, codeSearch, releaseNotes });
});
