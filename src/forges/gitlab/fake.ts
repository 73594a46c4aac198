/**
 * A GitLab in memory for tests and the demo: what one route writes another reads back, what GitLab would refuse is refused,
 * and changes are told to webhooks in GitLab's form. Repositories are real ones on disk. Holds requests to GitLab's
 * documentation: an unknown route or parameter is a violation, which tests assert to be none.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FakeFileChange } from '../kit/fake/git-store.js';
import type { FakeRefChange } from '../kit/fake/http-server.js';
import { createFakeApi, type FakeApi } from '../kit/fake/routing.js';
import { createFakeWebhooks, type FakeHook, type FakeWebhook, type FakeWebhooks } from '../kit/fake/webhook-sender.js';
import { refMoved, requestChanges } from './fake/change.js';
import { allMembers, ancestors, DEVELOPER } from './fake/declare.js';
import { noteEvent } from './fake/feed.js';
import { graphqlRoute } from './fake/graphql.js';
import { alertStatus, noteAttempt } from './fake/hook-health.js';
import { addGroup, forkProject, newProject, newProjectRoutes } from './fake/new-projects.js';
import { ciRoutes } from './fake/routes-ci.js';
import { feedRoutes } from './fake/routes-feeds.js';
import { hookRoutes } from './fake/routes-hooks.js';
import { labelAndMilestoneRoutes } from './fake/routes-labels.js';
import { mergeRoutes } from './fake/routes-merge.js';
import { conversationRoutes } from './fake/routes-notes.js';
import { authenticate, peopleRoutes } from './fake/routes-people.js';
import { projectAndMemberRoutes } from './fake/routes-projects.js';
import { releaseAndProtectionRoutes } from './fake/routes-releases.js';
import { repositoryRoutes } from './fake/routes-repository.js';
import { socialRoutes } from './fake/routes-social.js';
import { textRoutes } from './fake/routes-text.js';
import { threadRoutes } from './fake/routes-threads.js';
import type { GitLabState, Group, Hook, MergeRequest, Pipeline, Project, User, World } from './fake/state.js';

/** What the hooks of the whole system hear of projects. */
const OF_SYSTEM_HOOKS: ReadonlySet<string> = new Set(['push_events', 'tag_push_events', 'merge_requests_events']);

export interface GitLabFakeOptions {
  /** Empty folder that the repositories are kept in. */
  folder: string;
  /** Address people would see; default `https://gitlab.test`. */
  web?: string;
  /** Without one, every look at the clock is a second later. */
  clock?: () => Date;
  edition?: GitLabState['edition'];
  signsWebhooks?: boolean;
  autoDisablesHooks?: boolean;
  version?: string;
  /** How webhooks are sent; default the global `fetch`. */
  fetch?: typeof fetch;
}

export interface GitLabFake {
  readonly api: FakeApi;
  readonly webhooks: FakeWebhooks;
  readonly state: GitLabState;
  /** Base of the API as clients see it. */
  apiUrl(): string;
  /** From now on it lives here: after `serveFake` has chosen a port. */
  moveTo(web: string): void;
  /** For `serveFake`: the repository below a path such as `/group/web.git`. */
  gitPath(path: string): { directory: string } | undefined;
  /** For `serveFake`: whether the password of this header is a token of somebody who may push there. */
  mayPush(authorization: string | null, directory: string): boolean;
  /** For `serveFake`: tells what a push moved. */
  pushed(directory: string, changes: readonly FakeRefChange[], by: User): Promise<void>;
  addUser(of: {
    username: string;
    name?: string;
    bot?: boolean;
    admin?: boolean;
    token?: string;
    scopes?: readonly string[];
  }): User;
  /** Parents are made too: `a/b/c`. */
  addGroup(fullPath: string): Group;
  /** In a group or an account that is there; `members` by username with access levels. Begins with one commit of `files`. */
  addProject(of: {
    path: string;
    visibility?: Project['visibility'];
    members?: Readonly<Record<string, number>>;
    files?: Readonly<Record<string, string | Buffer>>;
  }): Promise<Project>;
  fork(source: Project, owner: User): Promise<Project>;
  /** A push: commits to the branch, made from `from` when it is new, and told to hooks. Answers the head. */
  push(
    project: Project,
    by: User,
    change: { branch: string; from?: string; message: string; files: readonly FakeFileChange[] },
  ): Promise<string>;
  /** A review that asks for changes, as it is given on the page. */
  requestChanges(project: Project, mr: MergeRequest, by: User): Promise<void>;
  addPipeline(
    project: Project,
    of: {
      sha: string;
      ref: string;
      by: User;
      jobs: readonly { name: string; status: string; trace?: string; bridge?: boolean }[];
    },
  ): Pipeline;
}

/** A hook with the key of the delivery that is sent to it. */
interface KeyedHook extends FakeHook {
  key: string;
}

const START = Date.UTC(2026, 0, 5, 8, 0, 0);

/** GitLab's headers: the token as it is, or a Standard Webhooks signature when the secret is a signing token. */
function sign(event: FakeWebhook, hook: FakeHook, body: string): Record<string, string> {
  const id = (hook as KeyedHook).key;
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'GitLab/18.6.0',
    'x-gitlab-event': event.event,
    'x-gitlab-event-uuid': randomUUID(),
    'x-gitlab-webhook-uuid': randomUUID(),
    'idempotency-key': id,
  };
  if (!hook.secret.startsWith('whsec_'))
    return { ...headers, ...(hook.secret !== '' && { 'x-gitlab-token': hook.secret }) };
  const timestamp = String(Math.floor(Date.now() / 1000));
  const key = Buffer.from(hook.secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { ...headers, 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

function createWorld(options: GitLabFakeOptions, webhooks: FakeWebhooks): World {
  const counters = { id: 1000, ticks: 0 };
  const clock = options.clock ?? (() => new Date(START + 1000 * counters.ticks++));
  const state: GitLabState = {
    version: options.version ?? '18.6.0-ee',
    signsWebhooks: options.signsWebhooks ?? true,
    edition: options.edition ?? 'premium',
    users: [],
    groups: [],
    projects: [],
    systemHooks: [],
    deployments: [],
    follows: [],
    stars: [],
    deployKeys: [],
    events: [],
    todos: [],
    notificationLevels: new Map(),
    commitNotes: [],
    snippets: [],
    autoDisablesHooks: options.autoDisablesHooks ?? false,
    resends: [],
    admins: new Set(),
    reviewStates: new Map(),
    tokens: new Map(),
  };
  const send = async (
    hooks: readonly Hook[],
    event: { name: string; flag: string; payload: unknown; key?: string },
  ) => {
    const { name, flag, key: known } = event;
    const payload: unknown = JSON.parse(JSON.stringify(event.payload));
    const targets = hooks.map(
      (hook): KeyedHook => ({
        url: hook.url,
        secret: hook.signingToken ?? hook.token ?? '',
        key: known ?? randomUUID(),
      }),
    );
    const statuses = await webhooks.send(targets, { event: name, payload });
    const trigger = flag.replace(/events$/, 'hooks');
    for (const [index, hook] of hooks.entries()) {
      const key = targets[index]?.key ?? '';
      noteAttempt(world, hook, { trigger, event: name, key, payload }, statuses[index] ?? 0);
    }
    return statuses;
  };
  const world: World = {
    state,
    web: options.web ?? 'https://gitlab.test',
    folder: options.folder,
    nextId: () => ++counters.id,
    now: () => clock().toISOString(),
    async share(source, into, _sha) {
      const file = join(into.git.directory, 'objects', 'info', 'alternates');
      await mkdir(join(into.git.directory, 'objects', 'info'), { recursive: true });
      await appendFile(file, `${join(source.git.directory, 'objects')}\n`);
    },
    async deliver(hook, event) {
      const [status = 0] = await send([hook], event);
      return status;
    },
    async emit(project, event) {
      noteEvent(world, project, event.payload);
      const { namespace } = project;
      const group = namespace.kind === 'group' ? state.groups.find(({ id }) => id === namespace.id) : undefined;
      const above = group === undefined ? [] : ancestors({ state } as World, group).flatMap(({ hooks }) => hooks);
      // Push events are on unless they are switched off; all others the other way round. What a hook misses while it is
      // switched off is not even noted.
      const listening = [...project.hooks, ...above].filter(
        (hook) =>
          (hook.events[event.flag] ?? event.flag === 'push_events') && alertStatus(world, hook) === 'executable',
      );
      await send(listening, event);
      // The system's hear of every project, under one name, and of these alone.
      const everywhere = state.systemHooks.filter(
        (hook) => OF_SYSTEM_HOOKS.has(event.flag) && hook.events[event.flag] === true,
      );
      if (everywhere.length > 0) await send(everywhere, { ...event, name: 'System Hook' });
    },
  };
  return world;
}

export async function createGitLabFake(options: GitLabFakeOptions): Promise<GitLabFake> {
  const webhooks = createFakeWebhooks({ headers: sign, fetch: options.fetch });
  const world = createWorld(options, webhooks);
  const { state } = world;
  const api = createFakeApi({
    prefix: '/api/v4',
    beside: (path) => (path === '/api/graphql' ? '/graphql' : undefined),
    routes: [
      graphqlRoute(world),
      ...textRoutes(world),
      ...projectAndMemberRoutes(world),
      ...newProjectRoutes(world),
      ...labelAndMilestoneRoutes(world),
      ...releaseAndProtectionRoutes(world),
      ...peopleRoutes(world),
      ...socialRoutes(world),
      ...threadRoutes(world),
      ...mergeRoutes(world),
      ...conversationRoutes(world),
      ...repositoryRoutes(world),
      ...ciRoutes(world),
      ...hookRoutes(world),
      ...feedRoutes(world),
    ],
    authenticate: (headers) => authenticate(world, headers),
    unauthorized: { status: 401, json: { message: '401 Unauthorized' } },
    notFound: { status: 404, json: { error: '404 Not Found' } },
    badRequest: (message) => ({ status: 400, json: { error: message } }),
  });

  const push: GitLabFake['push'] = async (project, by, { branch, from, message, files }) => {
    const ref = `refs/heads/${branch}`;
    const before = await project.git.resolve(ref);
    const author = { name: by.name, email: by.email, date: world.now() };
    const after = await project.git.commit({
      branch,
      ...(before === undefined && from !== undefined && { startAt: from }),
      message,
      author,
      files,
    });
    await refMoved(world, project, by, { ref, before, after });
    return after;
  };

  return {
    api,
    webhooks,
    state,
    addGroup: (fullPath) => addGroup(world, fullPath),
    push,
    addUser({ username, name = username, bot = false, admin = false, token, scopes = ['api'] }) {
      const user: User = {
        id: world.nextId(),
        username,
        name,
        email: `${username}@example.com`,
        bot,
        createdAt: world.now(),
      };
      state.users.push(user);
      if (admin) state.admins.add(user.id);
      if (token !== undefined) state.tokens.set(token, { userId: user.id, scopes: [...scopes] });
      return user;
    },
    async addProject({ path, visibility = 'private', members = {}, files }) {
      const project = await newProject(world, path, visibility);
      for (const [username, level] of Object.entries(members)) {
        const member = state.users.find((user) => user.username === username);
        if (member === undefined) throw new TypeError(`There is no user ${username}.`);
        project.members.set(member.id, level);
      }
      if (files !== undefined) {
        const author = { name: 'GitLab', email: 'gitlab@example.com', date: world.now() };
        const changes = Object.entries(files).map(([name, content]) => ({ path: name, content }));
        await project.git.commit({ branch: 'main', message: 'Initial commit', author, files: changes });
      }
      return project;
    },
    fork: (source, owner) => forkProject(world, source, `${owner.username}/${source.path}`),
    requestChanges: (project, mr, by) => requestChanges(world, project, mr, by),
    apiUrl: () => `${world.web}/api/v4`,
    moveTo(web) {
      world.web = web;
    },
    gitPath(path) {
      const fullPath = path.replace(/^\//, '').replace(/\.git$/, '');
      const directory = state.projects.find((project) => project.fullPath === fullPath)?.git.directory;
      return directory === undefined ? undefined : { directory };
    },
    mayPush(authorization, directory) {
      const [, encoded = ''] = /^Basic (\S+)$/i.exec(authorization ?? '') ?? [];
      const password = Buffer.from(encoded, 'base64').toString('utf8').split(':').slice(1).join(':');
      const userId = state.tokens.get(password)?.userId;
      const project = state.projects.find(({ git }) => git.directory === directory);
      return (
        userId !== undefined && project !== undefined && (allMembers(world, { project }).get(userId) ?? 0) >= DEVELOPER
      );
    },
    async pushed(directory, changes, by) {
      const project = state.projects.find(({ git }) => git.directory === directory);
      if (project === undefined) return;
      for (const { ref, before, after } of changes) await refMoved(world, project, by, { ref, before, after });
    },
    addPipeline(project, { sha, ref, by, jobs }) {
      const now = world.now();
      const failed = jobs.some(({ status }) => status === 'failed');
      const done = jobs.every(({ status }) => ['success', 'failed', 'canceled', 'skipped'].includes(status));
      const pipeline: Pipeline = {
        id: world.nextId(),
        iid: project.pipelines.length + 1,
        sha,
        ref,
        status: failed ? 'failed' : done ? 'success' : 'running',
        source: 'push',
        createdAt: now,
        updatedAt: now,
        userId: by.id,
        jobs: jobs.map(({ name, status, trace = '', bridge = false }) => ({
          id: world.nextId(),
          name,
          stage: 'test',
          status,
          allowFailure: false,
          createdAt: now,
          startedAt: now,
          finishedAt: done ? now : null,
          trace,
          bridge,
        })),
      };
      project.pipelines.push(pipeline);
      return pipeline;
    },
  };
}
