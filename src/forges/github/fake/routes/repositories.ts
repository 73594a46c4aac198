/** The repository itself: its settings, topics, collaborators, branches and their rules, hooks. */
import { z } from 'zod';
import type { JsonObject } from '../../../forge.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { apiOf } from '../../../kit/shapes/repository.js';
import {
  created,
  doer,
  field,
  invalid,
  notFound,
  nothing,
  ok,
  pageOf,
  refuse,
  repositoryFor,
  row,
} from '../answers.js';
import { branchJson } from '../git-json.js';
import { accountOf, collaboratorJson, permissionsOf, repositoryJson, userJson } from '../present.js';
import { accountNamed, isCollaborator, type Level, type Repository, same } from '../state.js';
import type { World } from '../world.js';

const CHANGE = z.looseObject({
  name: field.text,
  description: field.nullable,
  homepage: field.nullable,
  private: field.flag,
  archived: field.flag,
  default_branch: field.text,
});
const TOPICS = z.looseObject({ names: field.texts });
const COLLABORATOR = z.looseObject({ permission: field.text });
const HOOK = z.looseObject({
  config: z.looseObject({ url: z.string(), secret: field.text, content_type: field.text }),
  events: field.texts,
  active: field.flag,
});
const LEVELS: Readonly<Record<string, Exclude<Level, 'none'>>> = {
  pull: 'read',
  triage: 'read',
  push: 'write',
  maintain: 'write',
  admin: 'admin',
};
/** By the end of a file's name; GitHub counts no text. */
const LANGUAGES: ReadonlyMap<string, string> = new Map([
  ['ts', 'TypeScript'],
  ['js', 'JavaScript'],
  ['py', 'Python'],
  ['go', 'Go'],
  ['rb', 'Ruby'],
  ['sh', 'Shell'],
  ['css', 'CSS'],
  ['html', 'HTML'],
]);
const SETTINGS = [
  'has_issues',
  'has_wiki',
  'has_projects',
  'allow_merge_commit',
  'allow_squash_merge',
  'allow_rebase_merge',
  'delete_branch_on_merge',
];

export function repositoryRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const repo = 'repos/{owner}/{repo}';
  const shown = (repository: Repository, request: FakeRequest): JsonObject => ({
    ...repositoryJson(world, repository),
    permissions: permissionsOf(world, repository, doer(request).login).permissions,
  });

  async function change(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'admin', 'administration');
    const body = request.body as z.infer<typeof CHANGE> & Record<string, unknown>;
    const branch = body.default_branch;
    if (branch !== undefined && (await repository.git.resolve(`refs/heads/${branch}`)) === undefined)
      return invalid('Repository', 'default_branch', 'invalid');
    repository.defaultBranch = branch ?? repository.defaultBranch;
    repository.name = body.name ?? repository.name;
    if (body.description !== undefined) repository.description = body.description || null;
    if (body.homepage !== undefined) repository.homepage = body.homepage || null;
    repository.private = body.private ?? repository.private;
    repository.archived = body.archived ?? repository.archived;
    for (const name of SETTINGS) if (typeof body[name] === 'boolean') repository.settings[name] = body[name];
    repository.updated = state.now();
    const told = { action: 'edited', changes: {}, repository: repositoryJson(world, repository) };
    world.emit(repository, 'repository', doer(request).login, told);
    return ok(shown(repository, request));
  }

  const loginIn = (request: FakeRequest): string =>
    accountNamed(state, request.params.username ?? '')?.login ?? notFound();

  function setCollaborator(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'admin', 'administration');
    const login = loginIn(request);
    const { permission = 'push' } = request.body as z.infer<typeof COLLABORATOR>;
    const level = LEVELS[permission] ?? invalid('Collaborator', 'permission', 'invalid');
    const isNew = !repository.collaborators.has(login);
    repository.collaborators.set(login, level);
    const action = isNew ? 'added' : 'edited';
    world.emit(repository, 'member', doer(request).login, { action, member: userJson(world, login), changes: {} });
    return nothing();
  }

  const branches = async (repository: Repository) =>
    (await repository.git.refs('refs/heads')).map(({ ref, commit }) => ({
      name: ref.slice('refs/heads/'.length),
      sha: commit,
    }));
  async function branchAt(request: FakeRequest) {
    const repository = repositoryFor(world, request, 'read', 'contents');
    const found = (await branches(repository)).find(({ name }) => name === request.params.branch);
    return { repository, branch: found ?? refuse(404, 'Branch not found') };
  }

  /** As GitHub answers a rule: what was switched on is an object of its own. */
  function protectionJson(repository: Repository, name: string, rule: Readonly<Record<string, unknown>>): JsonObject {
    const url = `${apiOf(world.base, repository.owner, repository.name)}/branches/${encodeURIComponent(name)}/protection`;
    const part = (key: string) => {
      const value = rule[key];
      if (value === null || value === undefined) return {};
      if (typeof value === 'boolean') return { [key]: { url: `${url}/${key}`, enabled: value } };
      return { [key]: { url: `${url}/${key}`, ...(value as object) } };
    };
    const keys = [
      'required_status_checks',
      'required_pull_request_reviews',
      'restrictions',
      'enforce_admins',
      'required_linear_history',
      'allow_force_pushes',
      'allow_deletions',
    ];
    return Object.assign({ url }, ...keys.map(part));
  }

  const protection = (request: FakeRequest, wanted: 'read' | 'admin') => {
    const repository = repositoryFor(world, request, wanted, 'administration');
    const name = request.params.branch ?? '';
    const rule = repository.protections.get(name);
    return { repository, name, rule };
  };

  return [
    row(`GET /${repo}`, (request) => ok(shown(repositoryFor(world, request), request))),
    row('GET /repositories/{repository_id}', (request) => {
      const found = state.repositories.find(({ id }) => String(id) === request.params.repository_id) ?? notFound();
      const named = { ...request, params: { ...request.params, owner: found.owner, repo: found.name } };
      return ok(shown(repositoryFor(world, named), named));
    }),
    row(`GET /${repo}/languages`, async (request) => {
      const repository = repositoryFor(world, request);
      const entries = (await repository.git.readTree(repository.defaultBranch, '', true)) ?? [];
      const bytes = new Map<string, number>();
      for (const { path, type, size = 0 } of entries) {
        const language = type === 'blob' ? LANGUAGES.get(path.slice(path.lastIndexOf('.') + 1)) : undefined;
        if (language !== undefined) bytes.set(language, (bytes.get(language) ?? 0) + size);
      }
      return ok(Object.fromEntries([...bytes].sort(([, a], [, b]) => b - a)));
    }),
    row('GET /meta', () => ok({ verifiable_password_authentication: false, installed_version: '3.17.0' })),
    row(`PATCH /${repo}`, change, { body: CHANGE }),
    row(`GET /${repo}/topics`, (request) => ok({ names: repositoryFor(world, request).topics })),
    row(
      `PUT /${repo}/topics`,
      (request) => {
        const repository = repositoryFor(world, request, 'admin', 'administration');
        const { names = [] } = request.body as z.infer<typeof TOPICS>;
        repository.topics = [...names];
        return ok({ names });
      },
      { body: TOPICS },
    ),
    row(`GET /${repo}/collaborators`, (request) => {
      const repository = repositoryFor(world, request);
      const all = state.accounts.filter(
        ({ kind, login }) => kind === 'User' && isCollaborator(state, repository, login),
      );
      return pageOf(world, request, all, ({ login }) => collaboratorJson(world, repository, login));
    }),
    row(`GET /${repo}/collaborators/{username}`, (request) =>
      isCollaborator(state, repositoryFor(world, request), request.params.username ?? '') ? nothing() : notFound(),
    ),
    row(`PUT /${repo}/collaborators/{username}`, setCollaborator, { body: COLLABORATOR }),
    row(`DELETE /${repo}/collaborators/{username}`, (request) => {
      const repository = repositoryFor(world, request, 'admin', 'administration');
      const login = loginIn(request);
      if (repository.collaborators.delete(login))
        world.emit(repository, 'member', doer(request).login, { action: 'removed', member: userJson(world, login) });
      return nothing();
    }),
    row(`GET /${repo}/collaborators/{username}/permission`, (request) => {
      const repository = repositoryFor(world, request);
      const login = loginIn(request);
      const { level } = permissionsOf(world, repository, login);
      const named = accountOf(world, login) === null ? null : collaboratorJson(world, repository, login);
      return ok({ permission: level, user: named, role_name: level });
    }),
    row(`GET /${repo}/branches`, async (request) => {
      const repository = repositoryFor(world, request, 'read', 'contents');
      const wanted = request.query.get('protected');
      const all = (await branches(repository)).filter(
        ({ name }) => wanted === null || String(repository.protections.has(name)) === wanted,
      );
      return pageOf(world, request, all, ({ name, sha }) => branchJson(world, repository, name, sha, false));
    }),
    row(`GET /${repo}/branches/{branch}`, async (request) => {
      const { repository, branch } = await branchAt(request);
      return ok(await branchJson(world, repository, branch.name, branch.sha, true));
    }),
    row(`GET /${repo}/branches/{branch}/protection`, (request) => {
      const { repository, name, rule } = protection(request, 'read');
      return ok(protectionJson(repository, name, rule ?? refuse(404, 'Branch not protected')));
    }),
    row(`PUT /${repo}/branches/{branch}/protection`, async (request) => {
      const { branch } = await branchAt(request);
      const { repository } = protection(request, 'admin');
      const rule = request.body as Readonly<Record<string, unknown>>;
      repository.protections.set(branch.name, rule);
      return ok(protectionJson(repository, branch.name, rule));
    }),
    row(`DELETE /${repo}/branches/{branch}/protection`, (request) => {
      const { repository, name } = protection(request, 'admin');
      return repository.protections.delete(name) ? nothing() : refuse(404, 'Branch not protected');
    }),
    row(
      `POST /${repo}/hooks`,
      (request) => {
        const repository = repositoryFor(world, request, 'admin', 'administration');
        const { config, events = ['push'], active = true } = request.body as z.infer<typeof HOOK>;
        if (repository.hooks.some(({ url }) => same(url, config.url)))
          return invalid('Hook', 'url', 'custom', 'Hook already exists on this repository');
        const hook = { id: state.nextId(), url: config.url, secret: config.secret ?? '' };
        repository.hooks.push(hook);
        const shownConfig = { url: hook.url, content_type: config.content_type ?? 'form', insecure_ssl: '0' };
        return created({ id: hook.id, type: 'Repository', name: 'web', active, events, config: shownConfig });
      },
      { body: HOOK },
    ),
  ];
}
