/**
 * A Gitea or Forgejo in memory, for tests and the demo: stateful, strict about what it is asked, and telling its hooks what
 * happens. Repositories are real ones on disk. It is asked in-process, `fake.api.handle(request)`, or over HTTP, `serveFake`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createFakeGit } from '../kit/fake/git-store.js';
import { createFakeApi, type FakeApi } from '../kit/fake/routing.js';
import { createFakeWebhooks, type FakeWebhooks } from '../kit/fake/webhook-sender.js';
import { problem } from './fake/answers.js';
import { refMoved } from './fake/happenings.js';
import { deliveryHeaders, hooksFor } from './fake/hook-delivery.js';
import { accountRoutes } from './fake/routes/accounts.js';
import { commentRoutes } from './fake/routes/comments.js';
import { feedRoutes } from './fake/routes/feeds.js';
import { fileRoutes } from './fake/routes/files.js';
import { gitRoutes } from './fake/routes/git.js';
import { issueRoutes } from './fake/routes/issues.js';
import { labelRoutes } from './fake/routes/labels.js';
import { pullRoutes } from './fake/routes/pulls.js';
import { repositoryRoutes } from './fake/routes/repositories.js';
import { reviewRoutes } from './fake/routes/reviews.js';
import { runRoutes } from './fake/routes/runs.js';
import { serverRoutes } from './fake/routes/server.js';
import { socialRoutes } from './fake/routes/social.js';
import { statusRoutes } from './fake/routes/statuses.js';
import { textRoutes } from './fake/routes/text.js';
import {
  type Account,
  accountNamed,
  createState,
  type Organization,
  type Repository,
  repositoryNamed,
  type State,
  type Team,
} from './fake/state.js';
import type { World } from './fake/world.js';

export interface GiteaFakeOptions {
  /** Where the repositories are kept. */
  folder: string;
  clock?: () => Date;
  flavour?: 'gitea' | 'forgejo';
  /** Default 1.21.4; of Forgejo the version of Gitea that it is compatible with, such as 1.22.0 for Forgejo 7. */
  version?: string;
  /** Web address, without a slash at the end. Default `https://gitea.test`. */
  url?: string;
  /** `MAX_RESPONSE_ITEMS`; default 50. */
  maxItems?: number;
  /** Delivers webhooks; default is the real one. */
  fetch?: typeof fetch;
}

export interface GiteaFake {
  api: FakeApi;
  webhooks: FakeWebhooks;
  state: State;
  /** Base of the native API. */
  readonly apiUrl: string;
  readonly webUrl: string;
  /** From now on it lives at this web address, as when it is served. */
  moveTo(url: string): void;
  addUser(login: string, options?: { admin?: boolean; fullName?: string }): Account;
  addOrganization(login: string, options?: { owners?: readonly string[] }): Organization;
  addTeam(
    organization: string,
    team: { name: string; permission?: Team['permission']; members?: readonly string[] },
  ): Team;
  /** A token that acts as this user. */
  addToken(login: string, token?: string): string;
  /** With one commit on the default branch: README.md, and `files`. */
  addRepository(
    owner: string,
    name: string,
    options?: {
      private?: boolean;
      files?: Readonly<Record<string, string>>;
      empty?: boolean;
      collaborators?: Readonly<Record<string, 'read' | 'write' | 'admin'>>;
    },
  ): Promise<Repository>;
  /** A commit by somebody, as by a push: branches, pull requests and hooks learn of it. Answers its SHA. */
  push(
    owner: string,
    name: string,
    commit: {
      branch: string;
      by: string;
      message?: string;
      files: Readonly<Record<string, string | null>>;
      startAt?: string;
    },
  ): Promise<string>;
  /** For `serveFake({ afterPush })`: refs that git moved. The pusher is whom the repository belongs to unless named. */
  pushed(
    directory: string,
    changes: readonly { ref: string; before: string; after: string }[],
    by?: string,
  ): Promise<void>;
  /** For `serveFake({ gitPath })`. */
  gitPath(path: string): { directory: string } | undefined;
}

/** The accounts that a server acts as by itself. */
const GHOSTS: readonly (readonly [number, string])[] = [
  [-1, 'Ghost'],
  [-2, 'gitea-actions'],
];

/** `1.22.3` as a number that can be compared. */
function minor(version: string): number {
  const [major = '0', second = '0'] = version.split('.');
  return Number(major) * 1000 + Number(second);
}

export async function createGiteaFake(options: GiteaFakeOptions): Promise<GiteaFake> {
  const { folder, clock = () => new Date(), flavour = 'gitea', version = '1.21.4' } = options;
  const { url: webUrl = 'https://gitea.test', maxItems = 50 } = options;
  await mkdir(folder, { recursive: true });
  const state = createState(clock);
  const apiUrl = `${webUrl}/api/v1`;
  const webhooks = createFakeWebhooks({
    headers: deliveryHeaders(flavour),
    ...(options.fetch && { fetch: options.fetch }),
  });

  function addAccount(kind: Account['kind'], login: string, id = state.nextId()): Account {
    const account: Account = {
      id,
      kind,
      login,
      fullName: '',
      email: `${login.toLowerCase()}@noreply.gitea.test`,
      isAdmin: false,
      created: state.now(),
      description: '',
    };
    state.accounts.push(account);
    return account;
  }
  for (const [id, login] of GHOSTS) addAccount('user', login, id);

  const accountOf = (login: string): Account => {
    const found = accountNamed(state, login) ?? accountNamed(state, 'Ghost');
    if (found === undefined) throw new Error('There is no ghost.');
    return found;
  };

  const world: World = {
    state,
    flavour,
    version: flavour === 'forgejo' ? `7.0.0+gitea-${version}` : version,
    features: {
      v122: minor(version) >= 1022,
      deletesLineComments: flavour === 'forgejo',
      v124: flavour === 'gitea' && minor(version) >= 1024,
      v126: flavour === 'gitea' && minor(version) >= 1026,
      cancelsRuns: flavour === 'gitea' && minor(version) >= 1028,
    },
    maxItems,
    webUrl,
    apiUrl,
    webhooks,
    accountOf,
    async createRepository(owner, name, more = {}) {
      const { defaultBranch = 'main' } = more;
      const id = state.nextId();
      const repository: Repository = {
        id,
        owner,
        name,
        description: '',
        website: '',
        private: false,
        archived: false,
        parent: null,
        created: state.now(),
        updated: state.now(),
        settings: {},
        collaborators: new Map(),
        labels: [],
        milestones: [],
        issues: [],
        protections: [],
        statuses: new Map(),
        releases: [],
        hooks: [],
        topics: [],
        runs: [],
        ...more,
        defaultBranch,
        git: await createFakeGit(join(folder, owner), name, { defaultBranch, clock }),
      };
      state.repositories.push(repository);
      return repository;
    },
    emit(repository, type, payload) {
      // In order and without waiting: whoever asked gets the answer first, as on the real server.
      void webhooks.send(hooksFor(state, repository, type), { event: type, payload });
    },
  };

  const unauthorized = { status: 401, json: problem('token is required') };
  const api = createFakeApi({
    prefix: new URL(apiUrl).pathname,
    // Files of releases are served as pages are.
    beside: (path) => (/^\/[^/]+\/[^/]+\/releases\/download\//.test(path) ? `/repos${path}` : undefined),
    routes: [
      accountRoutes,
      commentRoutes,
      fileRoutes,
      gitRoutes,
      issueRoutes,
      labelRoutes,
      pullRoutes,
      repositoryRoutes,
      reviewRoutes,
      runRoutes,
      serverRoutes,
      feedRoutes,
      socialRoutes,
      textRoutes,
      statusRoutes,
    ].flatMap((routes) => routes(world)),
    authenticate: (headers) => {
      const [scheme = '', credential = ''] = (headers.get('authorization') ?? '').split(' ');
      const token = /^basic$/i.test(scheme)
        ? Buffer.from(credential, 'base64').toString().split(':').at(-1)
        : credential;
      const login = /^(?:token|bearer|basic)$/i.test(scheme) ? state.tokens.get(token ?? '') : undefined;
      return login === undefined ? undefined : accountOf(login);
    },
    unauthorized,
    notFound: { status: 404, json: problem("The target couldn't be found.") },
    badRequest: (message) => ({ status: 422, json: problem(message) }),
  });

  const repositoryOf = (owner: string, name: string): Repository => {
    const found = repositoryNamed(state, owner, name);
    if (found === undefined) throw new Error(`There is no repository ${owner}/${name}.`);
    return found;
  };

  return {
    api,
    webhooks,
    state,
    get apiUrl() {
      return world.apiUrl;
    },
    get webUrl() {
      return world.webUrl;
    },
    moveTo(url) {
      world.webUrl = url;
      world.apiUrl = `${url}/api/v1`;
    },
    addUser(login, { admin = false, fullName = '' } = {}) {
      return Object.assign(addAccount('user', login), { isAdmin: admin, fullName });
    },
    addOrganization(login, { owners = [] } = {}) {
      const organization: Organization = Object.assign(addAccount('organization', login), {
        kind: 'organization' as const,
        labels: [],
        hooks: [],
        teams: [
          {
            id: state.nextId(),
            name: 'Owners',
            description: '',
            permission: 'owner' as const,
            includesAllRepositories: true,
            members: new Set(owners),
            repositories: new Set<number>(),
          },
        ],
      });
      return organization;
    },
    addTeam(login, { name, permission = 'write', members = [] }) {
      const organization = accountNamed(state, login);
      if (organization?.kind !== 'organization') throw new Error(`There is no organization ${login}.`);
      const team: Team = {
        id: state.nextId(),
        name,
        description: '',
        permission,
        includesAllRepositories: false,
        members: new Set(members),
        repositories: new Set(),
      };
      (organization as Organization).teams.push(team);
      return team;
    },
    addToken(login, token = `token-of-${login}`) {
      state.tokens.set(token, login);
      return token;
    },
    async addRepository(
      owner,
      name,
      { private: isPrivate = false, files = {}, empty = false, collaborators = {} } = {},
    ) {
      const repository = await world.createRepository(owner, name, {
        private: isPrivate,
        collaborators: new Map(Object.entries(collaborators)),
      });
      const { login, email } = accountOf(owner);
      if (!empty)
        await repository.git.commit({
          branch: repository.defaultBranch,
          message: 'Initial commit\n',
          author: { name: login, email },
          files: Object.entries({ 'README.md': `# ${name}\n`, ...files }).map(([path, content]) => ({ path, content })),
        });
      return repository;
    },
    async push(owner, name, { branch, by, message = 'Change files\n', files, startAt }) {
      const repository = repositoryOf(owner, name);
      const before = await repository.git.resolve(`refs/heads/${branch}`);
      const { login, email } = accountOf(by);
      const after = await repository.git.commit({
        branch,
        startAt: startAt ?? (before === undefined ? repository.defaultBranch : undefined),
        message,
        author: { name: login, email },
        files: Object.entries(files).map(([path, content]) => ({ path, content })),
      });
      await refMoved(world, repository, login, `refs/heads/${branch}`, before ?? '0'.repeat(40), after);
      return after;
    },
    async pushed(directory, changes, by) {
      const repository = state.repositories.find((one) => one.git.directory === directory);
      if (repository === undefined) return;
      for (const { ref, before, after } of changes)
        await refMoved(world, repository, by ?? repository.owner, ref, before, after);
    },
    gitPath(path) {
      const [, owner = '', name = ''] = /^\/([^/]+)\/([^/]+?)(?:\.git)?$/.exec(path) ?? [];
      const repository = repositoryNamed(state, owner, name);
      return repository && { directory: repository.git.directory };
    },
  };
}
