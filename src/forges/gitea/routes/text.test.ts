/** Text that the server renders, and release notes. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, startGitea } from '../../../../test/support/gitea-rig.js';
import { markdown } from './markdown.js';
import { releaseNotes } from './release-notes.js';

const R = '/repos/{owner}/{repo}';
const NOTES = `POST ${R}/releases/generate-notes`;

describe('text on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea({ git: true });
  });
  afterAll(() => gitea.close());

  it('is rendered, in the name of a repository or as it is', async () => {
    const { data, headers } = await gitea.ask('POST /markdown', {
      text: 'See #7 & <b>',
      mode: 'gfm',
      context: 'acme/web',
    });
    expect(String(data)).toBe('<p>See #7 &amp; &lt;b></p>\n');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(gitea.rig.calls.at(-1)?.json).toEqual({ Text: 'See #7 & <b>', Mode: 'gfm', Context: '/acme/web' });
    const sent = (type: string) => ({ file: { type, bytes: Buffer.from('# x') } });
    expect(String((await gitea.ask('POST /markdown/raw', {}, sent('text/x-markdown'))).data)).toBe('<p># x</p>\n');
    expect((await gitea.ask('POST /markdown/raw', {}, sent('application/json'))).status).toBe(400);
    expect((await gitea.ask('POST /markdown', {})).data.errors).toMatchObject([
      { field: 'text', code: 'missing_field' },
    ]);
  });

  const merged = async (branch: string) => {
    await gitea.fake.push('acme', 'web', { branch, by: 'bob', files: { [`${branch}.txt`]: 'x\n' } });
    const { data } = await gitea.as('bob').request(`POST ${R}/pulls`, {
      ...{ owner: 'acme', repo: 'web', title: `Add ${branch}`, head: branch, base: 'main' },
    });
    const { number: pull_number } = data as { number: number };
    expect((await gitea.ask(`PUT ${R}/pulls/{pull_number}/merge`, { pull_number })).data).toMatchObject({
      merged: true,
    });
    return pull_number;
  };

  it('of releases tells what was merged, and who is new', async () => {
    const first = await merged('first');
    const says = async (given: object) =>
      String((await gitea.ask(NOTES, given)).data.body).replaceAll(/https?:\/\/[^/\s]+/g, '');
    expect(await says({ tag_name: 'v1' })).toBe(
      [
        `## What's Changed\n* Add first by @bob in /acme/web/pulls/${first}`,
        `## New Contributors\n* @bob made their first contribution in /acme/web/pulls/${first}`,
        '**Full Changelog**: /acme/web/commits/tag/v1',
      ].join('\n\n'),
    );
    await gitea.ask(`POST ${R}/releases`, { tag_name: 'v1', name: 'v1', target_commitish: 'main' });
    const second = await merged('second');
    const later = [
      `## What's Changed\n* Add second by @bob in /acme/web/pulls/${second}`,
      '**Full Changelog**: /acme/web/compare/v1...v2',
    ].join('\n\n');
    expect(await says({ tag_name: 'v2' })).toBe(later);
    expect(await says({ tag_name: 'v2', previous_tag_name: 'v1' })).toBe(later);
    expect((await gitea.ask(NOTES, { tag_name: 'v2', target_commitish: 'gone' })).status).toBe(422);
    expect((await gitea.ask(NOTES, { tag_name: 'v2', configuration_file_path: 'x.yml' })).status).toBe(422);
    const release = { tag_name: 'v2', target_commitish: 'main', generate_release_notes: true, body: 'Read this.' };
    const { data: made } = await gitea.ask(`POST ${R}/releases`, release);
    expect([made.name, made.body.replaceAll(/https?:\/\/[^/\s]+/g, '')]).toEqual(['v2', `Read this.\n\n${later}`]);
    const { data: kept } = await gitea.ask(`GET ${R}/releases/tags/{tag}`, { tag: 'v2' });
    expect(kept.body).toBe(made.body);
  });

  it('is all proven', async () => {
    await gitea.expectMissing(releaseNotes, { tag_name: 'v1' });
    gitea.expectEveryRow({ markdown, releaseNotes });
  });
});
