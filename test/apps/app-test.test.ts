/** The conformance kit for authors: what it finds the same, what it finds different, and what it says of failures. */
import { describe, expect, it } from '@jest/globals';
import { compareForges, type StoryResult } from '../../src/entry/app-test/compare.js';
import { stories } from '../../src/entry/app-test/stories.js';
import { createLogger } from '../../src/lib/logger.js';
import type { App } from '../../src/translate/bridge.js';
import { faked } from './fake-instance.js';

const log = createLogger({ level: 'silent', format: 'json' });
const labels = faked.map(({ label }) => label);

async function play(load: App['load'], story: string, forges = faked): Promise<StoryResult> {
  const wanted = stories.filter(({ name }) => name.includes(story));
  const apps = async () => [{ name: 'tried', load }];
  const files = { '.github/tried.yml': 'text: Thanks\n' };
  const results: StoryResult[] = [];
  for await (const result of compareForges({ forges, apps, stories: wanted, files, log })) results.push(result);
  const [result] = results;
  if (result === undefined || results.length > 1)
    throw new Error(`${results.length} stories have "${story}" in their name`);
  return result;
}

// Two plays on each forge, each with its own repositories and servers.
const PLAY_MS = 240_000;

describe('an app that is played on every forge', () => {
  it(
    'is the same although the forges are not',
    async () => {
      const { differences, problems, counts } = await play((app) => {
        app.on(['pull_request.opened', 'pull_request.closed'], async (context) => {
          const config = await context.config<{ text: string }>('tried.yml');
          const { number, merged } = context.payload.pull_request;
          // When it is played is no difference.
          const now = new Date().toISOString();
          const body = `${config?.text} for #${number}${merged ? ', merged' : ''}, at ${now}`;
          await context.octokit.rest.issues.createComment(context.issue({ body }));
          await context.octokit.rest.issues.addLabels(context.issue({ labels: ['seen'] }));
        });
      }, 'draft');
      expect({ differences, problems }).toEqual({ differences: [], problems: [] });
      expect(counts).toEqual(Object.fromEntries(labels.map((label) => [label, { runs: 2, requests: 6 }])));
    },
    PLAY_MS,
  );

  it(
    'is told by what it asked and by what it left behind',
    async () => {
      const { differences } = await play((app) => {
        app.on('issues.opened', async (context) => {
          // No app should do this; it is how one that depends on its forge looks.
          const own = new URL(context.payload.issue.html_url).pathname.includes('/-/');
          await context.octokit.rest.issues.addLabels(context.issue({ labels: [own ? 'here' : 'there'] }));
        });
      }, 'assigned');
      expect(labels[0]).toBe('GitHub');
      expect(differences.map(({ forge, what }) => [forge, what])).toEqual([
        ['GitLab', 'requests'],
        ['GitLab', 'effect'],
      ]);
      expect(differences[0]?.lines).toEqual([
        '- POST /repos/{}/{}/issues/{}/labels 200 {"labels":["there"]}',
        '+ POST /repos/{}/{}/issues/{}/labels 200 {"labels":["here"]}',
      ]);
      expect(differences[1]?.lines).toContain('+ + issue 1 has the label here');
    },
    PLAY_MS,
  );

  it(
    'hears of comments on lines on every forge, once each',
    async () => {
      const { differences, problems, counts } = await play((app) => {
        app.on('pull_request_review_comment.created', async (context) => {
          const { comment, pull_request: pull } = context.payload;
          const body = `${comment.path}:${comment.line}: ${comment.body}`;
          await context.octokit.rest.issues.createComment(context.repo({ issue_number: pull.number, body }));
        });
      }, 'changes are requested');
      expect({ differences, problems }).toEqual({ differences: [], problems: [] });
      expect(counts).toEqual(Object.fromEntries(labels.map((label) => [label, { runs: 1, requests: 1 }])));
    },
    PLAY_MS,
  );

  it(
    'is the same where a forge tells of a review by a comment, and this is said',
    async () => {
      const { differences, problems, toldOtherwise } = await play((app) => {
        app.on('issue_comment.created', async (context) => {
          if (!context.payload.comment.body.startsWith('What')) return;
          await context.octokit.rest.issues.createComment(context.issue({ body: 'That one is free.' }));
        });
      }, 'merged');
      expect({ differences, problems }).toEqual({ differences: [], problems: [] });
      expect(toldOtherwise).toEqual([{ forge: 'GitLab', lines: ['+ issue_comment.created → tried: done'] }]);
    },
    PLAY_MS,
  );

  it(
    'is the same when it uploads files to a release, by whichever address',
    async () => {
      const { differences, problems, counts } = await play((app) => {
        app.on('release.published', async (context) => {
          const { id, upload_url: url } = context.payload.release;
          const headers = { 'content-type': 'application/json' };
          const route = 'POST https://uploads.github.com/repos/{owner}/{repo}/releases/{release_id}/assets{?name}';
          const file = { release_id: id, data: '[1', headers };
          await context.octokit.rest.repos.uploadReleaseAsset(context.repo({ ...file, name: 'a.json' }));
          await context.octokit.request({ method: 'POST', url, name: 'b.json', data: '[2', headers });
          await context.octokit.request(route, context.repo({ ...file, name: 'c.json' }));
          const { data } = await context.octokit.rest.repos.listReleaseAssets(context.repo({ release_id: id }));
          const body = data.map(({ name }) => name).join(' ');
          await context.octokit.rest.repos.updateRelease(context.repo({ release_id: id, body }));
        });
      }, 'release');
      expect({ differences, problems }).toEqual({ differences: [], problems: [] });
      expect(counts).toEqual(Object.fromEntries(labels.map((label) => [label, { runs: 1, requests: 5 }])));
    },
    PLAY_MS,
  );

  it(
    'is the same where a forge has no event for what the app itself did',
    async () => {
      const { differences, problems, toldOtherwise } = await play((app) => {
        app.onAny(() => undefined);
        app.on('pull_request.opened', async (context) => {
          await context.octokit.rest.issues.addLabels(context.issue({ labels: ['new here'] }));
        });
      }, 'draft');
      expect({ differences, problems }).toEqual({ differences: [], problems: [] });
      const label = expect.stringMatching(/^- label\.created → tried: done/);
      expect(toldOtherwise).toEqual(
        labels.slice(1).map((forge) => ({ forge, lines: expect.arrayContaining([label]) })),
      );
    },
    PLAY_MS,
  );

  it('fails where it throws, with its reason', async () => {
    const { problems } = await play(
      (app) => {
        app.on('release.published', () => {
          throw new Error('no release for me');
        });
      },
      'release',
      faked.slice(0, 1),
    );
    expect(problems).toEqual([`${labels[0]}: tried failed on release.published: no release for me`]);
  });
});
