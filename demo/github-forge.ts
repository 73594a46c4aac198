/** The story on the emulated GitHub: Alice works with a clone and with GitHub's API. */

import { messageOf } from '../src/lib/errors.js';
import type { Alice } from './alice.js';
import type { EmulatedGitHub } from './emulated-github/emulated-github.js';
import { signAppToken } from './emulated-github/emulator.js';
import { arrayOf, numberAt, objectAt, objectOf, textAt } from './emulated-github/json.js';
import type { ForgewayServer } from './forgeway-server.js';
import { authorOf } from './story-checks.js';
import type { SentDelivery, StoryForge } from './story-forge.js';

export interface GitHubForgeOptions {
  github: EmulatedGitHub;
  alice: Alice;
  appId: number;
  installationId: number;
  appSlug: string;
  repository: string;
  errors: readonly unknown[];
}

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

async function sentDeliveries({ github, appId }: GitHubForgeOptions): Promise<SentDelivery[]> {
  const headers = { authorization: `Bearer ${signAppToken(appId, github.privateKey)}` };
  const response = await fetch(`${github.origin}/api/v3/app/hook/deliveries?per_page=100`, { headers });
  if (!response.ok) throw new Error(`GitHub answered ${response.status} when asked for its deliveries`);
  return arrayOf(await response.json(), 'the deliveries').map((one) => ({
    guid: textAt(one, 'guid'),
    event: textAt(one, 'event'),
    action: textOrNull(one.action),
    status: numberAt(one, 'status_code'),
    seconds: numberAt(one, 'duration'),
  }));
}

/** The App again, as what a workspace is linked with: a connection names the App, its installation and its key. */
async function connect(options: GitHubForgeOptions, server: ForgewayServer, token: string): Promise<string> {
  const { github, appId, installationId } = options;
  const response = await fetch(`${server.url}/api/v2/organizations/default/vcs-connections`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/vnd.api+json' },
    body: JSON.stringify({
      data: {
        type: 'vcs-connections',
        attributes: {
          ...{ name: 'github', provider: 'github', 'server-url': `${github.origin}/api/v3` },
          ...{ 'github-app-id': appId, 'github-installation-id': installationId, 'private-key': github.privateKey },
        },
      },
    }),
  });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`the connection was answered ${response.status}: ${text}`);
  return textAt(objectAt(objectOf(JSON.parse(text), 'the answer'), 'data'), 'id');
}

export function githubForge(options: GitHubForgeOptions): StoryForge {
  const { github, alice, appSlug, repository, errors } = options;
  const bot = `${appSlug}[bot]`;
  const branches = new Set<string>();
  return {
    id: 'github',
    label: 'GitHub',
    bot,
    begin: {
      name: 'App installed',
      stored: ['installation', 'created'],
      async run() {
        await alice.installApp(appSlug);
        return 'by Alice on the organization';
      },
    },
    async changeHeadline(branch, headline, message) {
      if (!branches.has(branch)) await alice.branch(branch);
      branches.add(branch);
      await alice.changeHeadline(headline);
      const sha = await alice.commit(message);
      await alice.push(branch);
      return sha;
    },
    // Of what was pushed, by her or by Forgeway.
    revParse: async (branch) =>
      (await alice.git('ls-remote', 'origin', `refs/heads/${branch}`)).split('\t', 1)[0] ?? '',
    openPullRequest: (branch, title, body) => alice.openPullRequest(branch, title, body),
    openIssue: (title, body) => alice.openIssue(title, body),
    comment: (number, body) => alice.comment(number, body),
    close: (number) => alice.close(number),
    comments: async (number) =>
      (await alice.comments(number)).map((one) => ({
        id: String(one.id),
        author: authorOf(one) ?? '',
        body: textAt(one, 'body'),
      })),
    // GitHub keeps every status a commit had, so that a build is seen however short it was.
    statuses: async (_number, sha) =>
      (await alice.statusHistory(sha))
        .filter((status) => authorOf(status, 'creator') === bot)
        .map((status) => ({
          context: String(status.context),
          state: String(status.state),
          description: String(status.description ?? ''),
        })),
    sent: () => sentDeliveries(options),
    pullRequestUrl: (number) => `${github.origin}/${repository}/pull/${number}`,
    infrastructure: {
      repositoryUrl: `${github.origin}/${repository}`,
      connection: (server, token) => connect(options, server, token),
      async push(branch, files, message) {
        await alice.branch(branch);
        await alice.writeFiles(files);
        const sha = await alice.commit(message);
        await alice.push(branch);
        return sha;
      },
      merge: (number) => alice.merge(number),
    },
    problems: () => errors.map(messageOf),
  };
}
