/** A fake Gitea or Forgejo on loopback, as `forge-fake.ts` describes one: for whoever does not care which forge it is. */

import type { FakePlace, ForgeFake, ForgeFakeOptions } from '../../kit/fake/forge-fake.js';
import { serveFake } from '../../kit/fake/http-server.js';
import { askFake, settledWebhooks, webhookFetch } from '../../kit/fake/story-requests.js';
import { createGiteaFake } from '../fake.js';
import { atLeast, levelOf, type Repository, repositoryNamed } from './state.js';
import { personOf } from './story-person.js';
import { stateOf } from './story-state.js';
import type { World } from './world.js';

/** The newest that the fake knows of each, so that all of it is played. */
const VERSIONS: Readonly<Record<World['flavour'], string>> = { gitea: '1.28.0', forgejo: '1.22.0' };
const BOT = 'forgeway-bot';

/** Whatever a person can tick on the page. */
const EVENTS = [
  'create',
  'delete',
  'fork',
  'push',
  'issues',
  'issue_assign',
  'issue_label',
  'issue_milestone',
  'issue_comment',
  'pull_request',
  'pull_request_assign',
  'pull_request_label',
  'pull_request_milestone',
  'pull_request_comment',
  'pull_request_review',
  'pull_request_sync',
  'pull_request_review_request',
  'wiki',
  'repository',
  'release',
  'package',
  'status',
  'workflow_run',
  'workflow_job',
];

const placeOf = ({ owner, name }: FakePlace): string =>
  `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`;

export async function startFake(flavour: World['flavour'], options: ForgeFakeOptions): Promise<ForgeFake> {
  const fake = await createGiteaFake({
    folder: options.folder,
    clock: options.clock,
    flavour,
    version: VERSIONS[flavour],
    ...(options.sendWebhook && { fetch: webhookFetch(options.sendWebhook) }),
  });
  const { state } = fake;
  const email = (login: string) => `${login}@example.com`;
  const join = (login: string, admin = false) => Object.assign(fake.addUser(login, { admin }), { email: email(login) });
  const bot = join(BOT, true);
  const token = fake.addToken(BOT, options.token);

  /** Whoever git authenticated last, by repository: pushes to one repository wait for each other. */
  const pushers = new Map<string, string>();
  const loginIn = (authorization: string | null): string => {
    const credential = Buffer.from(authorization?.replace(/^basic /i, '') ?? '', 'base64').toString();
    return state.tokens.get(credential.slice(credential.indexOf(':') + 1)) ?? '';
  };
  const served = await serveFake({
    api: fake.api,
    gitPath: fake.gitPath,
    mayFetch: (authorization, directory) => {
      const repository = repositoryAt(directory);
      return repository !== undefined && atLeast(levelOf(state, repository, loginIn(authorization)), 'read');
    },
    mayPush(authorization, directory) {
      const repository = repositoryAt(directory);
      const login = loginIn(authorization);
      pushers.set(directory, login);
      return repository !== undefined && atLeast(levelOf(state, repository, login), 'write');
    },
    afterPush: (directory, changes) => fake.pushed(directory, changes, pushers.get(directory)),
    port: options.port,
    below: options.below,
  });
  const url = options.publicUrl ?? served.url;
  fake.moveTo(url);

  function repositoryAt(directory: string): Repository | undefined {
    return state.repositories.find((one) => one.git.directory === directory);
  }
  function repositoryOf({ owner, name }: FakePlace): Repository {
    const found = repositoryNamed(state, owner, name);
    if (found === undefined) throw new Error(`There is no repository ${owner}/${name}.`);
    return found;
  }
  const askAs = (login: string) => askFake(fake.api, fake.apiUrl, { authorization: `token ${fake.addToken(login)}` });
  const isThere = (login: string) => state.accounts.some((account) => account.login === login);

  return {
    url,
    token,
    bot: { id: BigInt(bot.id), login: bot.login },
    async addPerson(login) {
      join(login);
    },
    async addRepository({ owner, name, private: isPrivate, files, people = {} }) {
      if (!isThere(owner)) fake.addOrganization(owner);
      const unknown = Object.keys(people).find((login) => !isThere(login));
      if (unknown !== undefined) throw new Error(`There is no person ${unknown}.`);
      const made = await fake.addRepository(owner, name, { private: isPrivate, files, collaborators: people });
      return { id: BigInt(made.id), url: `${fake.webUrl}/${owner}/${name}`, defaultBranch: made.defaultBranch };
    },
    ...(flavour === 'gitea' && {
      addRun: async (place: FakePlace, { sha, job }: { sha: string; job: 'failed' | 'running' }) => {
        const repository = repositoryOf(place);
        const id = state.nextId();
        const isDone = job === 'failed';
        repository.runs.push({
          id,
          name: 'Build',
          workflow: 'build.yml',
          branch: repository.defaultBranch,
          sha,
          event: 'push',
          status: isDone ? 'completed' : 'in_progress',
          conclusion: isDone ? 'failure' : '',
          created: state.now(),
        });
        return id;
      },
    }),
    async addHook(repository, { url, secret }) {
      const config = { url, secret, content_type: 'json' };
      await askAs(BOT)('POST', `${placeOf(repository)}/hooks`, { type: 'gitea', active: true, config, events: EVENTS });
    },
    as(login, place) {
      if (!isThere(login)) throw new Error(`There is no person ${login}.`);
      return personOf({ fake, login, place, path: placeOf(place), repository: repositoryOf(place), ask: askAs(login) });
    },
    async readFile(repository, ref, path) {
      return (await repositoryOf(repository).git.readFile(ref, path))?.content.toString();
    },
    state: (repository) => stateOf(repositoryOf(repository)),
    settled: () => settledWebhooks(fake.webhooks),
    violations: () => fake.api.violations,
    close: () => served.close(),
  };
}
