/** The story on a forge that is connected by a token: the same steps, on the forge's own double. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ForgeDescriptor } from '../src/forges/forge.js';
import type { ForgeFake } from '../src/forges/kit/fake/forge-fake.js';
import { runGit } from './emulated-github/bare-repository.js';
import type { ForgewayServer } from './forgeway-server.js';
import type { StoryForge } from './story-forge.js';

export interface ConnectedForgeOptions {
  descriptor: ForgeDescriptor;
  /** Files of the demo project. */
  project: string;
  /** For the double's repositories and the token's file. */
  folder: string;
  owner: string;
  repository: string;
  /** Forgeway; it is started before the forge is connected. */
  server(): ForgewayServer;
}

async function filesOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(files.map(async (path) => [relative(folder, path), await readFile(path, 'utf8')] as const)),
  );
}

/** Starts the double with the project in a repository, and with Alice, who may write. */
export async function startConnectedForge(
  options: ConnectedForgeOptions,
): Promise<{ forge: StoryForge; fake: ForgeFake; close(): Promise<void> }> {
  const { descriptor, owner, repository, server } = options;
  if (descriptor.startFake === undefined) throw new Error(`${descriptor.label} has no double to run the story on.`);
  const folder = join(options.folder, descriptor.id);
  await mkdir(folder, { recursive: true });
  const fake = await descriptor.startFake({ folder });
  const place = { owner, name: repository };
  await fake.addPerson('alice');
  const { url } = await fake.addRepository({
    ...place,
    files: await filesOf(options.project),
    people: { alice: 'write' },
  });
  const alice = fake.as('alice', place);

  const pullRequest = async (number: number) => {
    const { pullRequests } = await fake.state(place);
    const found = pullRequests.find((one) => one.number === number);
    if (found === undefined) throw new Error(`${descriptor.label} has no pull request ${number}`);
    return found;
  };

  const connection = { id: '' };
  const forge: StoryForge = {
    id: descriptor.id,
    label: descriptor.label,
    bot: fake.bot.login,
    begin: {
      name: `${descriptor.label} connected`,
      stored: ['installation', 'created'],
      async run() {
        const tokenFile = join(folder, 'token.txt');
        await writeFile(tokenFile, fake.token, { mode: 0o600 });
        const said = await server().command([
          ...['connections', 'add', '--forge', descriptor.id, '--url', fake.url],
          ...['--repo', `${owner}/${repository}`, '--token-file', tokenFile, '--json'],
        ]);
        const { id, hooks, problems } = JSON.parse(said) as {
          id: string;
          hooks: { arrived?: boolean }[];
          problems: string[];
        };
        connection.id = id;
        if (problems.length > 0) throw new Error(problems.join(' '));
        const tested = hooks.some(({ arrived }) => arrived === true) ? 'its test delivery arrived' : 'not tested';
        return `by its address and a token; ${hooks.length} webhook, ${tested}`;
      },
    },
    changeHeadline: (branch, headline, message) =>
      alice.push({ branch, files: { 'site/headline.txt': `${headline}\n` }, message }),
    async revParse(branch) {
      const remote = `${url}.git`.replace('://', `://${descriptor.gitUsername}:${fake.token}@`);
      const listed = await runGit('/', ['ls-remote', remote, `refs/heads/${branch}`]);
      return listed.toString('utf8').split('\t', 1)[0] ?? '';
    },
    openPullRequest: (head, title, body) => alice.openPullRequest({ head, title, body }),
    openIssue: (title, body) => alice.openIssue({ title, body }),
    comment: async (number, body) => void (await alice.comment(number, body)),
    close: (number) => alice.close(number),
    async comments(number) {
      const { issues, pullRequests } = await fake.state(place);
      const found = [...pullRequests, ...issues].find((one) => one.number === number);
      return (found?.comments ?? []).map(({ author, body }, index) => ({ id: String(index), author, body }));
    },
    statuses: async (number, sha) => {
      const { headSha, statuses } = await pullRequest(number);
      return headSha === sha ? statuses : [];
    },
    pullRequestUrl: () => url,
    infrastructure: {
      repositoryUrl: url,
      connection: async () => `vcs-${connection.id}`,
      push: (branch, files, message) => alice.push({ branch, files, message }),
      merge: (number) => alice.mergePullRequest(number),
    },
    problems: () => fake.violations(),
  };
  return { forge, fake, close: () => fake.close() };
}
