/**
 * A GitHub Enterprise Server in memory, for tests and `forgeway app test`: stateful, with one App that is installed in
 * every repository, its signature and its tokens, and telling its hooks what happens. Repositories are real ones on disk.
 * It is asked in-process, `fake.api.handle(request)`, or over HTTP, `serveFake`. What it knows of GitHub is REST and
 * webhooks; GraphQL is what whoever starts it hands in.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FakeGraphql } from '../kit/fake/forge-fake.js';
import { createFakeGit } from '../kit/fake/git-store.js';
import { createFakeApi, type FakeApi } from '../kit/fake/routing.js';
import { createFakeWebhooks, type FakeWebhooks } from '../kit/fake/webhook-sender.js';
import { organization } from '../kit/shapes/account.js';
import { nodeId } from '../kit/shapes/node-id.js';
import { problem } from './fake/answers.js';
import { NO_COMMIT } from './fake/git-json.js';
import { GRAPHQL_PATH, graphqlRoute } from './fake/graphql.js';
import { refMoved } from './fake/happenings.js';
import { isRoute } from './fake/known-routes.js';
import { accountOf, repositoryJson, userJson } from './fake/present.js';
import { appRoutes } from './fake/routes/app.js';
import { checkRoutes } from './fake/routes/checks.js';
import { contentRoutes } from './fake/routes/contents.js';
import { gitRoutes } from './fake/routes/git.js';
import { issueRoutes } from './fake/routes/issues.js';
import { labelRoutes } from './fake/routes/labels.js';
import { peopleRoutes } from './fake/routes/people.js';
import { pullRoutes } from './fake/routes/pulls.js';
import { releaseRoutes } from './fake/routes/releases.js';
import { repositoryRoutes } from './fake/routes/repositories.js';
import { reviewRoutes } from './fake/routes/reviews.js';
import { searchRoutes } from './fake/routes/search.js';
import { isSignedBy } from './fake/signature.js';
import {
  type Account,
  accountNamed,
  createState,
  type Holder,
  type Level,
  type Repository,
  repositoryNamed,
  type State,
} from './fake/state.js';
import { deliveryHeaders } from './fake/webhooks.js';
import type { FakeApp, World } from './fake/world.js';

export interface GitHubFakeOptions {
  /** Where the repositories are kept. */
  folder: string;
  clock?: () => Date;
  /** Web address, without a slash at the end. Default `https://github.test`. */
  url?: string;
  /** Slug of the App; its account is `<slug>[bot]`. */
  app?: string;
  /** Delivers webhooks; default is the real one. */
  fetch?: typeof fetch;
  graphql?: FakeGraphql;
}

export interface GitHubFake {
  api: FakeApi;
  webhooks: FakeWebhooks;
  state: State;
  app: FakeApp;
  /** Base of the API. */
  readonly apiUrl: string;
  readonly webUrl: string;
  /** From now on it lives at this web address, as when it is served. */
  moveTo(url: string): void;
  addUser(login: string): Account;
  addOrganization(login: string, options?: { owners?: readonly string[]; members?: readonly string[] }): Account;
  addTeam(organization: string, team: { name: string; members?: readonly string[] }): void;
  /** A token that acts as this person. */
  addToken(login: string, token?: string): string;
  /** A token of the App's installation that does not end. */
  addInstallationToken(token?: string): string;
  /** With one commit on the default branch: README.md, and `files`. */
  addRepository(
    owner: string,
    name: string,
    options?: {
      private?: boolean;
      files?: Readonly<Record<string, string>>;
      collaborators?: Readonly<Record<string, Exclude<Level, 'none'>>>;
    },
  ): Promise<Repository>;
  /** A commit by somebody, as by a push: branches, pull requests and hooks learn of it. Answers its SHA. */
  push(
    owner: string,
    name: string,
    commit: {
      branch: string;
      by: string;
      message: string;
      files: Readonly<Record<string, string | null>>;
      startAt?: string;
    },
  ): Promise<string>;
  /** For `serveFake({ afterPush })`: refs that git moved. */
  pushed(
    directory: string,
    changes: readonly { ref: string; before: string; after: string }[],
    by: string,
  ): Promise<void>;
  /** For `serveFake({ gitPath })`. */
  gitPath(path: string): { directory: string } | undefined;
  /** Whose token it is, as far as it is valid now. */
  holderOf(token: string): Holder | undefined;
}

/** What an App may be granted that the routes here ask for. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  actions: 'write',
  administration: 'write',
  checks: 'write',
  contents: 'write',
  issues: 'write',
  members: 'read',
  metadata: 'read',
  pull_requests: 'write',
  statuses: 'write',
};
const EVENTS = [
  'check_run',
  'check_suite',
  'create',
  'delete',
  'issue_comment',
  'issues',
  'label',
  'member',
  'milestone',
  'pull_request',
  'pull_request_review',
  'pull_request_review_comment',
  'push',
  'release',
  'repository',
  'status',
];

export async function createGitHubFake(options: GitHubFakeOptions): Promise<GitHubFake> {
  const { folder, clock = () => new Date(), url: webUrl = 'https://github.test', app: slug = 'forgeway' } = options;
  await mkdir(folder, { recursive: true });
  const state = createState(clock);

  function addAccount(kind: Account['kind'], login: string): Account {
    const email = `${login.toLowerCase()}@users.noreply.github.test`;
    const account = { id: state.nextId(), kind, login, email, created: state.now() };
    state.accounts.push(account);
    return account;
  }

  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const app: FakeApp = {
    id: state.nextId(),
    slug,
    name: slug,
    installationId: state.nextId(),
    permissions: PERMISSIONS,
    events: EVENTS,
    ...keys,
    bot: addAccount('Bot', `${slug}[bot]`),
    hook: undefined,
  };
  const webhooks = createFakeWebhooks({
    headers: deliveryHeaders((hook) =>
      hook === app.hook ? { id: app.id, type: 'integration' } : { id: 1, type: 'repository' },
    ),
    ...(options.fetch && { fetch: options.fetch }),
  });

  const world: World = {
    state,
    app,
    clock,
    webUrl,
    apiUrl: `${webUrl}/api/v3`,
    get base() {
      return { api: world.apiUrl, web: world.webUrl };
    },
    webhooks,
    async createRepository(owner, name, more = {}) {
      const { defaultBranch = 'main' } = more;
      const now = state.now();
      const repository: Repository = {
        id: state.nextId(),
        owner,
        name,
        description: null,
        homepage: null,
        private: false,
        archived: false,
        created: now,
        updated: now,
        pushed: now,
        settings: {},
        topics: [],
        collaborators: new Map(),
        labels: [],
        milestones: [],
        issues: [],
        protections: new Map(),
        statuses: new Map(),
        checkRuns: [],
        checkSuites: [],
        releases: [],
        hooks: [],
        ...more,
        defaultBranch,
        git: await createFakeGit(join(folder, owner), name, { defaultBranch, clock }),
      };
      state.repositories.push(repository);
      return repository;
    },
    emit(repository, event, sender, payload) {
      const owner = accountNamed(state, repository.owner);
      const account = accountOf(world, repository.owner);
      const told = {
        ...payload,
        repository: repositoryJson(world, repository),
        ...(owner?.kind === 'Organization' && account && { organization: organization(world.base, account) }),
        sender: userJson(world, sender),
      };
      const installation = { id: app.installationId, node_id: nodeId('Installation', app.installationId) };
      // In order and without waiting: whoever asked gets the answer first, as on the real server.
      void webhooks.send(repository.hooks, { event, payload: told });
      if (app.hook !== undefined && app.events.includes(event))
        void webhooks.send([app.hook], { event, payload: { ...told, installation } });
    },
    giveToken(holder, expires) {
      const token = `ghs_${randomBytes(18).toString('hex')}`;
      state.tokens.set(token, { holder, expires });
      return token;
    },
  };

  function holderOf(token: string): Holder | undefined {
    const known = state.tokens.get(token);
    if (known !== undefined)
      return known.expires === undefined || known.expires > clock().getTime() ? known.holder : undefined;
    const isOwn = isSignedBy(token, { appId: app.id, publicKey: keys.publicKey, now: clock() });
    return isOwn ? { account: app.bot, isApp: true } : undefined;
  }

  const { graphql } = options;
  const api: FakeApi = createFakeApi({
    prefix: new URL(world.apiUrl).pathname,
    ...(graphql && { beside: (path: string) => (path === '/api/graphql' ? GRAPHQL_PATH : undefined) }),
    routes: [
      ...(graphql ? [() => [graphqlRoute(world, graphql, () => api)]] : []),
      appRoutes,
      checkRoutes,
      contentRoutes,
      gitRoutes,
      issueRoutes,
      labelRoutes,
      peopleRoutes,
      pullRoutes,
      releaseRoutes,
      repositoryRoutes,
      reviewRoutes,
      searchRoutes,
    ].flatMap((routes) => routes(world)),
    authenticate: (headers) => {
      const [scheme = '', token = ''] = (headers.get('authorization') ?? '').split(' ');
      return /^(?:token|bearer)$/i.test(scheme) ? holderOf(token) : undefined;
    },
    unauthorized: { status: 401, json: problem(401, 'Bad credentials') },
    notFound: { status: 404, json: problem(404, 'Not Found') },
    alsoBelow: '/api/uploads',
    isReal: isRoute,
    badRequest: (message) => ({ status: 422, json: problem(422, `Invalid request.\n\n${message}`) }),
  });

  const repositoryOf = (owner: string, name: string): Repository => {
    const found = repositoryNamed(state, owner, name);
    if (found === undefined) throw new Error(`There is no repository ${owner}/${name}.`);
    return found;
  };
  const personNamed = (login: string): Account => {
    const found = accountNamed(state, login);
    if (found === undefined) throw new Error(`There is no person ${login}.`);
    return found;
  };

  return {
    api,
    webhooks,
    state,
    app,
    get apiUrl() {
      return world.apiUrl;
    },
    get webUrl() {
      return world.webUrl;
    },
    moveTo(url) {
      world.webUrl = url;
      world.apiUrl = `${url}/api/v3`;
    },
    addUser: (login) => addAccount('User', login),
    addOrganization(login, { owners = [], members = [] } = {}) {
      const roles = [
        ...members.map((name) => [name, 'member'] as const),
        ...owners.map((name) => [name, 'admin'] as const),
      ];
      state.members.set(login, new Map(roles));
      return addAccount('Organization', login);
    },
    addTeam(of, { name, members = [] }) {
      const slug = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
      state.teams.push({ id: state.nextId(), organization: of, name, slug, members: new Set(members) });
    },
    addToken(login, token = `token-of-${login}`) {
      state.tokens.set(token, { holder: { account: personNamed(login) }, expires: undefined });
      return token;
    },
    addInstallationToken(token) {
      const holder: Holder = { account: app.bot, installation: { permissions: PERMISSIONS, repositories: undefined } };
      if (token === undefined) return world.giveToken(holder, undefined);
      state.tokens.set(token, { holder, expires: undefined });
      return token;
    },
    async addRepository(owner, name, { private: isPrivate = false, files = {}, collaborators = {} } = {}) {
      const repository = await world.createRepository(owner, name, {
        private: isPrivate,
        collaborators: new Map(Object.entries(collaborators)),
      });
      const { login, email } = personNamed(owner);
      await repository.git.commit({
        branch: repository.defaultBranch,
        message: 'Initial commit\n',
        author: { name: login, email },
        files: Object.entries({ 'README.md': `# ${name}\n`, ...files }).map(([path, content]) => ({ path, content })),
      });
      return repository;
    },
    async push(owner, name, { branch, by, message, files, startAt }) {
      const repository = repositoryOf(owner, name);
      const before = await repository.git.resolve(`refs/heads/${branch}`);
      const { login, email } = personNamed(by);
      const after = await repository.git.commit({
        branch,
        startAt: startAt ?? (before === undefined ? repository.defaultBranch : undefined),
        message,
        author: { name: login, email },
        files: Object.entries(files).map(([path, content]) => ({ path, content })),
      });
      await refMoved(world, repository, login, `refs/heads/${branch}`, before ?? NO_COMMIT, after);
      return after;
    },
    async pushed(directory, changes, by) {
      const repository = state.repositories.find((one) => one.git.directory === directory);
      if (repository === undefined) return;
      for (const { ref, before, after } of changes) await refMoved(world, repository, by, ref, before, after);
    },
    gitPath(path) {
      const [, owner = '', name = ''] = /^\/([^/]+)\/([^/]+?)(?:\.git)?$/.exec(path) ?? [];
      const repository = repositoryNamed(state, owner, name);
      return repository && { directory: repository.git.directory };
    },
    holderOf,
  };
}
