/** The story on the emulated GitHub: Alice works with a clone and with GitHub's API. */

import { messageOf } from '../src/lib/errors.js';
import type { Alice } from './alice.js';
import type { EmulatedGitHub } from './emulated-github/emulated-github.js';
import { signAppToken } from './emulated-github/emulator.js';
import { arrayOf, numberAt, textAt } from './emulated-github/json.js';
import { authorOf } from './story-checks.js';
import type { SentDelivery, StoryForge } from './story-forge.js';

export interface GitHubForgeOptions {
  github: EmulatedGitHub;
  alice: Alice;
  appId: number;
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
    revParse: (branch) => alice.git('rev-parse', branch),
    openPullRequest: (branch, title, body) => alice.openPullRequest(branch, title, body),
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
    problems: () => errors.map(messageOf),
  };
}
