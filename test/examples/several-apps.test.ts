import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { App } from '../../src/translate/bridge.js';
import { type ConnectedForge, playedForges, startConnectedForge } from '../support/connected-forge.js';
import { exampleApp, PEOPLE, place } from './example-forge.js';

const names = readdirSync('examples', { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const files = {
  '.github/welcome.yml': 'firstPullRequest: Thank you!\n',
  '.github/labeler.yml': 'docs: "docs/**"\n',
  '.github/auto_assign.yml': 'reviewers: [bob]\n',
};

const started: ConnectedForge[] = [];
afterEach(async () => {
  for (const connected of started.splice(0)) await connected.close();
});

async function start(descriptor: (typeof playedForges)[number], apps: readonly App[]): Promise<ConnectedForge> {
  const repository = { ...place, files, people: PEOPLE };
  const connected = await startConnectedForge(descriptor, { apps, people: Object.keys(PEOPLE), repository });
  started.push(connected);
  return connected;
}

async function openPullRequest({ fake }: ConnectedForge): Promise<void> {
  const alice = fake.as('alice', place);
  await alice.push({ branch: 'page', files: { 'docs/page.md': '# Page\n' }, message: 'docs: add a page' });
  await alice.openPullRequest({ head: 'page', title: 'docs: a page' });
}

describe.each(playedForges.map((descriptor) => ({ descriptor, label: descriptor.label })))(
  'all examples at once on $label',
  ({ descriptor }) => {
    it('each do their part of one pull request', async () => {
      const connected = await start(descriptor, await Promise.all(names.map(exampleApp)));
      await openPullRequest(connected);
      await connected.quiet();
      expect(connected.fake.violations()).toEqual([]);
      const { pullRequests, labels } = await connected.fake.state(place);
      expect(labels).toEqual(['docs', 'first contribution']);
      expect(pullRequests).toMatchObject([
        {
          labels: ['docs', 'first contribution'],
          assignees: ['alice'],
          reviewers: ['bob'],
          comments: [{ author: connected.fake.bot.login, body: 'Thank you!' }],
          statuses: [
            { context: 'DCO', state: 'failure' },
            { context: 'semantic', state: 'success' },
            { context: 'wip', state: 'success' },
          ],
        },
      ]);
    });
  },
);

describe('an app that fails', () => {
  it('is told of, and stops no other', async () => {
    const broken: App = {
      name: 'broken',
      load: (app) => {
        app.on('pull_request.opened', async (context) => {
          await context.octokit.rest.issues.getLabel(context.repo({ name: 'no such label' }));
        });
      },
    };
    const [descriptor] = playedForges;
    if (descriptor === undefined) throw new Error('No forge can be played.');
    const connected = await start(descriptor, [broken, await exampleApp('welcome')]);
    await openPullRequest(connected);
    await expect(connected.quiet()).rejects.toThrow(/broken on pull_request is dead: .*Not Found/);
    const { pullRequests } = await connected.fake.state(place);
    expect(pullRequests[0]?.comments).toHaveLength(1);
  });
});
