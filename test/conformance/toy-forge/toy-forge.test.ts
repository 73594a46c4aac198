import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Probot } from 'probot';
import { type ConnectedForge, startConnectedForge } from '../../support/connected-forge.js';
import { toy } from './forge.js';

/** An app written for GitHub: it knows nothing of the toy. */
function app(told: unknown[]) {
  return (probot: Probot) => {
    probot.on('issues.opened', async (context) => {
      const config = await context.config<{ greeting: string }>('greeter.yml');
      await context.octokit.rest.issues.createComment(
        context.issue({ body: `${config?.greeting} @${context.payload.sender.login}` }),
      );
      await context.octokit.rest.issues.addLabels(context.issue({ labels: ['seen'] }));
    });
    probot.on('issues.labeled', async ({ payload }) => {
      told.push(['labeled', payload.label?.name, payload.sender.type]);
    });
    probot.on('pull_request.opened', async (context) => {
      const { octokit } = context;
      const files = await octokit.paginate(octokit.rest.pulls.listFiles, context.pullRequest());
      const open = await octokit.paginate(octokit.rest.issues.listForRepo, context.repo({ per_page: 2 }));
      told.push(['files', files.map(({ filename }) => filename), 'open', open.length]);
      const { head, number } = context.payload.pull_request;
      await octokit.rest.repos.createCommitStatus(
        context.repo({ sha: head.sha, state: 'success', context: 'greeter' }),
      );
      const taken = await octokit.rest.issues
        .createLabel(context.repo({ name: 'seen' }))
        .catch((error: unknown) => error);
      told.push(['refused', taken]);
      const missing = await octokit.rest.checks
        .create(context.repo({ name: 'x', head_sha: head.sha }))
        .catch((error: unknown) => error);
      told.push(['unsupported', missing]);
      await octokit.rest.pulls.merge(context.pullRequest({ commit_title: `Merge ${number}` }));
    });
  };
}

describe('a forge that the program does not know', () => {
  const told: unknown[] = [];
  const place = { owner: 'acme', name: 'web' };
  const state: { connected?: ConnectedForge } = {};
  beforeAll(async () => {
    state.connected = await startConnectedForge(toy, {
      apps: [{ name: 'greeter', load: app(told) }],
      people: ['alice'],
      repository: { ...place, people: { alice: 'write' }, files: { '.toy/greeter.yml': 'greeting: Welcome\n' } },
    });
  });
  afterAll(() => state.connected?.close());

  it('serves an app end to end: webhooks in, requests out, settings, pages, labels by comparison, errors', async () => {
    if (state.connected === undefined) throw new Error('It was not connected.');
    const { fake, quiet } = state.connected;
    const alice = fake.as('alice', place);
    const titles = ['One', 'Two', 'Three', 'Four', 'Five'];
    for (const title of titles) await alice.openIssue({ title });
    await quiet();
    await alice.push({ branch: 'fix', files: { 'a.txt': 'a\n', 'b.txt': 'b\n' }, message: 'Fix' });
    await alice.openPullRequest({ head: 'fix', title: 'Fix' });
    await quiet();

    const { issues, pullRequests, labels } = await fake.state(place);
    expect(issues.map(({ comments, labels: on }) => [comments, on])).toEqual(
      titles.map(() => [[{ author: fake.bot.login, body: 'Welcome @alice' }], ['seen']]),
    );
    expect(labels).toEqual(['seen']);
    expect(pullRequests).toMatchObject([
      { state: 'merged', statuses: [{ context: 'greeter', state: 'success' }], comments: [] },
    ]);
    // The label is known as the app's own doing, whoever the token belongs to.
    expect(told.filter((one) => (one as unknown[])[0] === 'labeled')).toEqual(
      titles.map(() => ['labeled', 'seen', 'Bot']),
    );
    expect(told).toContainEqual(['files', ['a.txt', 'b.txt'], 'open', 6]);
    expect(told).toContainEqual([
      'refused',
      expect.objectContaining({ status: 409, message: expect.stringContaining('seen is there already.') }),
    ]);
    expect(told).toContainEqual([
      'unsupported',
      expect.objectContaining({
        status: 501,
        message: expect.stringContaining('POST /repos/acme/web/check-runs is not supported on Toy.'),
      }),
    ]);
    expect(fake.violations()).toEqual([]);
  });
});
