/**
 * The values behind GraphQL's types: a REST object as far as it is known, with a way to read the rest of it. A list gives
 * less of an object than its own route does, and most queries need no more than the list.
 */
import type { JsonObject } from '../../forges/forge.js';
import type { Ask } from './ask.js';
import type { Place } from './node-ids.js';
import { object, text } from './rest.js';

export interface Source extends Place {
  readonly __typename: string;
  /** What is known of the object. */
  readonly rest: JsonObject;
  /** Reads the whole object; absent where there is no more to know. */
  readonly load?: () => Promise<JsonObject>;
}

/** Whatever has a number: pull requests, issues, and what is said in them. */
export interface Numbered extends Source {
  readonly number: number;
}

/** A field of the REST object, from what is known or else from the whole object. */
export async function field(source: Source, name: string): Promise<unknown> {
  if (name in source.rest || source.load === undefined) return source.rest[name];
  return (await source.load())[name];
}

/** A resolver for a field that REST gives as it is, under this name. */
export const as =
  (name: string) =>
  (source: Source): Promise<unknown> =>
    field(source, name);

/** Owner and name alone, as parameters of a route. */
export const placed = ({ owner, repo }: Place): Place => ({ owner, repo });

export function repository(ask: Ask, place: Place, rest: JsonObject = {}): Source {
  const at = placed(place);
  return { __typename: 'Repository', ...at, rest, load: () => ask.get('GET /repos/{owner}/{repo}', { ...at }) };
}

/** A repository that REST names in full, such as the fork of a pull request. */
export function repositoryOf(ask: Ask, rest: JsonObject): Source {
  const [owner = '', repo = ''] = text(rest.full_name)?.split('/') ?? [];
  return repository(ask, { owner, repo }, rest);
}

export function pullRequest(ask: Ask, place: Place, number: number, rest: JsonObject = {}): Numbered {
  const at = placed(place);
  const load = () => ask.get('GET /repos/{owner}/{repo}/pulls/{pull_number}', { ...at, pull_number: number });
  return { __typename: 'PullRequest', ...at, number, rest, load };
}

export function issue(ask: Ask, place: Place, number: number, rest: JsonObject = {}): Numbered {
  const at = placed(place);
  const load = () => ask.get('GET /repos/{owner}/{repo}/issues/{issue_number}', { ...at, issue_number: number });
  return { __typename: 'Issue', ...at, number, rest, load };
}

/** What GitHub's issue routes answer is a pull request when it says so. */
export function conversation(ask: Ask, place: Place, rest: JsonObject): Numbered {
  const number = Number(rest.number);
  return rest.pull_request === undefined ? issue(ask, place, number, rest) : pullRequest(ask, place, number, rest);
}

/** A commit by SHA, with what a list of commits or a ref said of it. */
export function commit(ask: Ask, place: Place, sha: string, rest: JsonObject = {}): Source {
  const at = placed(place);
  const load = () => ask.get('GET /repos/{owner}/{repo}/commits/{ref}', { ...at, ref: sha });
  return { __typename: 'Commit', ...at, rest: { ...rest, sha }, load };
}

/** A branch or tag by its whole name, such as `refs/heads/main`. */
export function ref(ask: Ask, place: Place, name: string, rest: JsonObject = {}): Source & { refName: string } {
  const at = placed(place);
  const load = () => ask.get('GET /repos/{owner}/{repo}/git/ref/{ref}', { ...at, ref: name.replace(/^refs\//, '') });
  return { __typename: 'Ref', ...at, refName: name, rest, load };
}

/** What has its whole form wherever REST shows it: labels, milestones, releases, checks, files. */
export function plain(type: string, place: Place, rest: JsonObject): Source {
  return { __typename: type, ...placed(place), rest };
}

/** What stands in a conversation: comments and reviews, whose REST form tells the number only in a URL. */
export function spoken(type: string, place: Place, number: number, rest: JsonObject): Numbered {
  return { __typename: type, ...placed(place), number, rest };
}

const ACCOUNT_TYPES: ReadonlySet<string> = new Set(['User', 'Bot', 'Organization']);

/** An account; null for one that was deleted, as GitHub has it. */
export function account(ask: Ask, value: unknown): Source | null {
  const rest = object(value);
  const login = text(rest?.login);
  if (rest === undefined || login === undefined || (login === 'ghost' && rest.id === 0)) return null;
  const type = text(rest.type) ?? 'User';
  const __typename = ACCOUNT_TYPES.has(type) ? type : 'User';
  const load =
    __typename === 'Organization'
      ? () => ask.get('GET /orgs/{org}', { org: login })
      : () => ask.get('GET /users/{username}', { username: login });
  return { __typename, owner: login, repo: '', rest, load };
}

export function team(ask: Ask, org: string, rest: JsonObject): Source {
  const load = () => ask.get('GET /orgs/{org}/teams/{team_slug}', { org, team_slug: rest.slug });
  return { __typename: 'Team', owner: org, repo: '', rest, load };
}
