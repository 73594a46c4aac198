/** The repository that a hook is about, and the fields that every GitHub event of a repository has. */
import type { JsonObject, TranslatePorts } from '../../forge.js';
import { organization } from '../../kit/shapes/account.js';
import type { ShapeBase } from '../../kit/shapes/base.js';
import type { AccountInput, Id, RepositoryInput } from '../../kit/shapes/inputs.js';
import { repository } from '../../kit/shapes/repository.js';
import { nameOf, ownerOf } from '../references.js';
import type { NativeProject } from '../schema.js';
import { knownAccount, senderOf } from './account.js';
import { object } from './ask.js';
import { payloadInvalid } from './hook.js';

/** The first id that is there. The schema has checked it. */
export function firstId(...ids: readonly (Id | null | undefined)[]): bigint | undefined {
  const found = ids.find((one) => one !== null && one !== undefined);
  return found === undefined ? undefined : BigInt(found);
}

/** Why a hook is ignored whose project cannot be named. */
export const NO_PLACE = 'project.path_with_namespace is missing, or no path of a project.';

/** Whether there is any way to find out what the repository is called: a project lies in a group or with a person. */
export function hasPlace(project: NativeProject | null | undefined): boolean {
  const { path_with_namespace: path, web_url: page } = project ?? {};
  if (path) return ownerOf(path) !== '' && nameOf(path) !== '';
  return page != null && URL.canParse(page) && new URL(page).pathname.split('/').filter(Boolean).length > 1;
}

/** Jobs and other old hooks give the page only. */
function pathOf(base: ShapeBase, project: NativeProject): string {
  if (project.path_with_namespace) return project.path_with_namespace;
  const below = new URL(base.web).pathname.replace(/\/+$/, '');
  const path = project.web_url ? new URL(project.web_url).pathname : '';
  return (path.startsWith(`${below}/`) ? path.slice(below.length) : path).replace(/^\/+|(?<!\/)\/+$|\.git$/g, '');
}

/** System hooks write `visibilitylevel|private`. What is not told is taken for private. */
export function visibilityOf(level: number | null | undefined, name?: string | null): RepositoryInput['visibility'] {
  const word = name?.split('|').pop();
  if (word === 'public' || level === 20) return 'public';
  return word === 'internal' || level === 10 ? 'internal' : 'private';
}

/**
 * Hooks do not tell what kind of namespace a project lies in, nor its id. `known` is the repository as it was read before;
 * without it a namespace that has the name of whoever acted is a person's, and any other one a group.
 */
function ownerInput(login: string, actor: AccountInput | undefined, known: JsonObject | undefined): AccountInput {
  const owner = knownAccount(object(known?.owner));
  if (owner?.login.toLowerCase() === login.toLowerCase()) return owner;
  if (actor?.login.toLowerCase() === login.toLowerCase()) return actor;
  return { id: 0, login, type: 'Organization' };
}

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID when the project has no name */
export function repositoryInput(
  base: ShapeBase,
  project: NativeProject,
  id: Id,
  actor?: AccountInput,
  known?: JsonObject,
): RepositoryInput {
  const path = pathOf(base, project);
  const login = ownerOf(path);
  const name = nameOf(path);
  if (login === '' || name === '') throw payloadInvalid('project.path_with_namespace is missing or of the wrong type');
  return {
    id,
    owner: ownerInput(login, actor, known),
    name,
    htmlUrl: project.web_url ?? `${base.web}/${path}`,
    description: project.description || null,
    visibility: visibilityOf(project.visibility_level),
    ...(project.default_branch && { defaultBranch: project.default_branch }),
    ...(project.git_http_url && { cloneUrl: project.git_http_url }),
    ...(project.git_ssh_url && { sshUrl: project.git_ssh_url }),
  };
}

export interface Place {
  repository: RepositoryInput;
  owner: string;
  name: string;
  /** `owner` and `repo`, as routes take them. */
  parameters: { owner: string; repo: string };
  /** `repository`, `organization` where a group owns it, and `sender`. */
  fields: JsonObject;
}

export function placeOf(ports: TranslatePorts, repo: RepositoryInput, actor?: AccountInput, known?: JsonObject): Place {
  const { base } = ports;
  const owner = repo.owner.login;
  return {
    repository: repo,
    owner,
    name: repo.name,
    parameters: { owner, repo: repo.name },
    fields: {
      repository: repository(base, repo, known),
      ...(repo.owner.type === 'Organization' && { organization: organization(base, repo.owner) }),
      sender: senderOf(base, actor),
    },
  };
}
