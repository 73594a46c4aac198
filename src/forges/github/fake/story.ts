/** A fake GitHub on loopback, as `forge-fake.ts` describes one: for whoever does not care which forge it is. */
import type { FakePlace, ForgeFake, ForgeFakeOptions } from '../../kit/fake/forge-fake.js';
import { serveFake } from '../../kit/fake/http-server.js';
import { askFake, settledWebhooks, webhookFetch } from '../../kit/fake/story-requests.js';
import { createGitHubFake } from '../fake.js';
import { accountNamed, atLeast, levelOf, type Repository, repositoryNamed } from './state.js';
import { personOf } from './story-person.js';
import { stateOf } from './story-state.js';

const placeOf = ({ owner, name }: FakePlace): string =>
  `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`;

export async function startFake(options: ForgeFakeOptions): Promise<ForgeFake> {
  if (options.below !== undefined && options.below !== '') throw new TypeError('GitHub is never below a path.');
  const fake = await createGitHubFake({
    folder: options.folder,
    clock: options.clock,
    graphql: options.graphql,
    ...(options.sendWebhook && { fetch: webhookFetch(options.sendWebhook) }),
  });
  const { state, app } = fake;
  const token = fake.addInstallationToken(options.token);

  /** Who git authenticates as: any name, and a token as the password. */
  const holderIn = (authorization: string | null) => {
    const credential = Buffer.from(authorization?.replace(/^basic /i, '') ?? '', 'base64').toString();
    return fake.holderOf(credential.slice(credential.indexOf(':') + 1));
  };
  const may = (wanted: 'read' | 'write') => (authorization: string | null, directory: string) => {
    const holder = holderIn(authorization);
    const repository = state.repositories.find((one) => one.git.directory === directory);
    if (repository === undefined || holder === undefined || holder.isApp) return false;
    if (wanted === 'write') pushers.set(directory, holder.account.login);
    const { installation, account } = holder;
    if (installation === undefined) return atLeast(levelOf(state, repository, account.login), wanted);
    const granted = installation.permissions.contents;
    return (installation.repositories?.has(repository.id) ?? true) && (granted === 'write' || granted === wanted);
  };
  /** Whoever git authenticated last, by repository: pushes to one repository wait for each other. */
  const pushers = new Map<string, string>();
  const served = await serveFake({
    api: fake.api,
    gitPath: fake.gitPath,
    mayFetch: may('read'),
    mayPush: may('write'),
    afterPush: (directory, changes) => fake.pushed(directory, changes, pushers.get(directory) ?? app.bot.login),
    port: options.port,
  });
  const url = options.publicUrl ?? served.url;
  fake.moveTo(url);

  function repositoryOf({ owner, name }: FakePlace): Repository {
    const found = repositoryNamed(state, owner, name);
    if (found === undefined) throw new Error(`There is no repository ${owner}/${name}.`);
    return found;
  }
  const isThere = (login: string) => accountNamed(state, login) !== undefined;

  return {
    url,
    token,
    bot: { id: BigInt(app.bot.id), login: app.bot.login },
    app: {
      id: app.id,
      privateKey: app.privateKey,
      installationId: app.installationId,
      setHook: (hook) => {
        app.hook = { ...hook };
      },
    },
    async addPerson(login) {
      Object.assign(fake.addUser(login), { email: `${login}@example.com` });
    },
    async addRepository({ owner, name, private: isPrivate, files, people = {} }) {
      if (!isThere(owner)) fake.addOrganization(owner);
      const unknown = Object.keys(people).find((login) => !isThere(login));
      if (unknown !== undefined) throw new Error(`There is no person ${unknown}.`);
      const made = await fake.addRepository(owner, name, { private: isPrivate, files, collaborators: people });
      return { id: BigInt(made.id), url: `${fake.webUrl}/${owner}/${name}`, defaultBranch: made.defaultBranch };
    },
    async addHook(place, hook) {
      repositoryOf(place).hooks.push({ ...hook, id: state.nextId() });
    },
    as(login, place) {
      if (!isThere(login)) throw new Error(`There is no person ${login}.`);
      const ask = askFake(fake.api, fake.apiUrl, { authorization: `token ${fake.addToken(login)}` });
      return personOf({ fake, login, place, path: placeOf(place), repository: repositoryOf(place), ask });
    },
    tokenOf: (login) => fake.addToken(login),
    async readFile(place, ref, path) {
      return (await repositoryOf(place).git.readFile(ref, path))?.content.toString();
    },
    state: (place) => stateOf(repositoryOf(place)),
    settled: () => settledWebhooks(fake.webhooks),
    violations: () => fake.api.violations,
    close: () => served.close(),
  };
}
