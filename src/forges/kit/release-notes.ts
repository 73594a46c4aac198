/** GitHub's release notes: which pull requests a release holds, by the categories of `.github/release.yml`. */
import { parse } from 'yaml';
import { z } from 'zod';
import type { JsonObject } from '../forge.js';
import { accept } from './accept.js';
import { type RouteAnswer, type RouteContext, RouteFailure, type RouteRequest, unprocessable } from './route.js';

const wish = z.looseObject({
  tag_name: z.string().min(1),
  target_commitish: z.string().min(1).nullish(),
  previous_tag_name: z.string().min(1).nullish(),
  configuration_file_path: z.string().min(1).nullish(),
});

const texts = z.array(z.string()).nullish();
const exclusion = z.looseObject({ labels: texts, authors: texts }).nullish();
const configuration = z.looseObject({
  changelog: z
    .looseObject({
      exclude: exclusion,
      categories: z.array(z.looseObject({ title: z.string(), labels: texts, exclude: exclusion })).nullish(),
    })
    .nullish(),
});
type Changelog = NonNullable<z.output<typeof configuration>['changelog']>;
type Exclusion = z.output<typeof exclusion>;

const pullShape = z.looseObject({
  number: z.number(),
  title: z.string(),
  html_url: z.string(),
  merged_at: z.string().nullish(),
  updated_at: z.string(),
  merge_commit_sha: z.string().nullish(),
  head: z.looseObject({ sha: z.string().nullish() }).nullish(),
  user: z.looseObject({ login: z.string() }).nullish(),
  labels: z.array(z.looseObject({ name: z.string() })).nullish(),
});
type Pull = z.output<typeof pullShape>;

const REPO = '/repos/{owner}/{repo}';
const CONFIGURATIONS = ['.github/release.yml', '.github/release.yaml'];
const PER_PAGE = 100;
/** Of commits, and of pull requests that were closed. */
const MOST_PAGES = 10;
/** More authors than that are not looked up. */
const MOST_AUTHORS = 20;

const objectOf = (value: unknown): JsonObject =>
  (typeof value === 'object' && value !== null ? value : {}) as JsonObject;
const objectsIn = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.map(objectOf) : []);

interface Place {
  context: RouteContext;
  at: { owner: string | undefined; repo: string | undefined };
}

/** Undefined where there is no such thing. */
async function find({ context, at }: Place, route: string, parameters: JsonObject): Promise<JsonObject | undefined> {
  try {
    return objectOf(await context.github(`GET ${REPO}${route}`, { ...at, ...parameters }));
  } catch (error) {
    if (error instanceof RouteFailure && (error.status === 404 || error.status === 422)) return undefined;
    throw error;
  }
}

/** A file of settings that is none is no reason to have no notes: as on GitHub, it is refused. @throws RouteFailure 422 */
async function changelogOf(
  place: Place,
  given: string | null | undefined,
  ref: string,
): Promise<Changelog | undefined> {
  for (const path of given ? [given] : CONFIGURATIONS) {
    const file = await find(place, '/contents/{path}', { path, ref });
    if (typeof file?.content !== 'string') continue;
    let value: unknown;
    try {
      value = parse(Buffer.from(file.content, 'base64').toString('utf8'), { maxAliasCount: 10 });
    } catch (error) {
      throw new RouteFailure(422, `${path} is no YAML.`, { cause: error });
    }
    const parsed = configuration.safeParse(value ?? {});
    if (!parsed.success) throw unprocessable(`${path} is no configuration of release notes.`);
    return parsed.data.changelog ?? undefined;
  }
  if (given) throw unprocessable(`There is no file ${given}.`);
  return undefined;
}

/** SHAs of the commits of the release, and when the last release before it was made. */
async function commitsOf(place: Place, from: string | undefined, to: string): Promise<ReadonlySet<string>> {
  const shas = new Set<string>();
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const asked = { ...place.at, per_page: PER_PAGE, page };
    const listed =
      from === undefined
        ? objectsIn(await place.context.github(`GET ${REPO}/commits`, { ...asked, sha: to }))
        : objectsIn(
            objectOf(
              await place.context.github(`GET ${REPO}/compare/{basehead}`, { ...asked, basehead: `${from}...${to}` }),
            ).commits,
          );
    const before = shas.size;
    for (const { sha } of listed) shas.add(String(sha));
    // Where a comparison has no pages, the second is the first again.
    if (listed.length < PER_PAGE || shas.size === before) break;
  }
  return shas;
}

/** Merged with one of these commits, the first merged first. */
async function pullsOf(place: Place, commits: ReadonlySet<string>, since: string | undefined): Promise<Pull[]> {
  const found: Pull[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const sorting = { state: 'closed', sort: 'updated', direction: 'desc', per_page: PER_PAGE, page };
    const listed = z
      .array(pullShape)
      .parse(await place.context.github(`GET ${REPO}/pulls`, { ...place.at, ...sorting }));
    found.push(
      ...listed.filter(
        ({ merged_at: merged, merge_commit_sha: sha, head }) =>
          typeof merged === 'string' && (commits.has(sha ?? '') || commits.has(head?.sha ?? '')),
      ),
    );
    const last = listed.at(-1);
    if (listed.length < PER_PAGE || (since !== undefined && last !== undefined && last.updated_at < since)) break;
  }
  return found.sort((a, b) => String(a.merged_at).localeCompare(String(b.merged_at)));
}

const loginOf = ({ user }: Pull): string => user?.login ?? 'ghost';
const same = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase();

function isExcluded(pull: Pull, by: Exclusion): boolean {
  const labels = (pull.labels ?? []).map(({ name }) => name);
  return (
    (by?.labels ?? []).some((name) => labels.includes(name)) ||
    (by?.authors ?? []).some((login) => same(login, loginOf(pull)))
  );
}

/** The part of each category that has anything; those of no category come last, without a heading of their own. */
function changes(pulls: readonly Pull[], changelog: Changelog | undefined): string[] {
  const line = (pull: Pull) => `* ${pull.title} by @${loginOf(pull)} in ${pull.html_url}`;
  const left = pulls.filter((pull) => !isExcluded(pull, changelog?.exclude));
  const categories = changelog?.categories ?? [];
  if (categories.length === 0) return left.map(line);
  const sections = categories.map(({ title, labels, exclude }) => {
    const isIn = (pull: Pull) =>
      !isExcluded(pull, exclude) &&
      (labels ?? []).some((name) => name === '*' || (pull.labels ?? []).some((label) => label.name === name));
    const taken = left.filter(isIn);
    for (const pull of taken) left.splice(left.indexOf(pull), 1);
    return taken.length === 0 ? [] : [`### ${title}`, ...taken.map(line)];
  });
  return [...sections.flat(), ...(left.length > 0 ? ['### Other Changes', ...left.map(line)] : [])];
}

/** The first pull request of each author who had none merged before these. */
async function newcomers({ context, at }: Place, pulls: readonly Pull[]): Promise<string[]> {
  const lines: string[] = [];
  const authors = new Map<string, Pull[]>();
  for (const pull of pulls) authors.set(loginOf(pull), [...(authors.get(loginOf(pull)) ?? []), pull]);
  for (const [login, own] of [...authors].slice(0, MOST_AUTHORS)) {
    const q = `repo:${at.owner}/${at.repo} is:pr is:merged author:${login}`;
    const all = objectOf(await context.github('GET /search/issues', { q, per_page: 1 })).total_count;
    if (all === own.length && own[0]) lines.push(`* @${login} made their first contribution in ${own[0].html_url}`);
  }
  return lines;
}

export interface PagesOfHistory {
  /** Below the page of the repository: what lies between two tags, and what led to one. */
  between(from: string, to: string): string;
  until(tag: string): string;
}

/** @throws RouteFailure 422 for a target that is not there, 404 without the repository */
export async function releaseNotes(
  request: RouteRequest,
  context: RouteContext,
  pages: PagesOfHistory,
): Promise<RouteAnswer> {
  const { owner, repo } = request.params;
  const place: Place = { context, at: { owner, repo } };
  const repository = objectOf(await context.github(`GET ${REPO}`, place.at));
  const wished = accept('Release', wish, request.body);
  const tagOf = (tag: string) => find(place, '/git/ref/{ref}', { ref: `tags/${tag}` });
  const isTagged = (await tagOf(wished.tag_name)) !== undefined;
  const target = isTagged ? wished.tag_name : (wished.target_commitish ?? String(repository.default_branch));
  if ((await find(place, '/commits/{ref}', { ref: target })) === undefined)
    throw unprocessable('Invalid target_commitish parameter');
  if (wished.previous_tag_name && (await tagOf(wished.previous_tag_name)) === undefined)
    throw unprocessable('Invalid previous_tag parameter');
  const releases = objectsIn(await context.github(`GET ${REPO}/releases`, { ...place.at, per_page: PER_PAGE }));
  const isBefore = ({ tag_name: tag, draft }: JsonObject) =>
    draft !== true && (wished.previous_tag_name ? tag === wished.previous_tag_name : tag !== wished.tag_name);
  const previous = releases.find(isBefore);
  const from = wished.previous_tag_name ?? (previous === undefined ? undefined : String(previous.tag_name));

  const changelog = await changelogOf(place, wished.configuration_file_path, target);
  const since = typeof previous?.created_at === 'string' ? previous.created_at : undefined;
  const pulls = await pullsOf(place, await commitsOf(place, from, target), since);
  const shown = changes(pulls, changelog);
  const first = await newcomers(place, pulls);
  const web = String(repository.html_url);
  const range = from === undefined ? pages.until(wished.tag_name) : pages.between(from, wished.tag_name);
  const body = [
    ...(shown.length > 0 ? [`## What's Changed\n${shown.join('\n')}`] : []),
    ...(first.length > 0 ? [`## New Contributors\n${first.join('\n')}`] : []),
    `**Full Changelog**: ${web}/${range}`,
  ];
  return { data: { name: wished.tag_name, body: body.join('\n\n') } };
}

/**
 * Name and text of a release whose app asked for `generate_release_notes`: its own text comes first, as on GitHub. Without
 * that wish they are what the app sent.
 */
export async function withNotes(
  request: RouteRequest,
  context: RouteContext,
): Promise<{ name?: string | undefined; body?: string | undefined }> {
  const { generate_release_notes: wanted, name, body, tag_name, target_commitish } = request.body;
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  const own = { name: text(name), body: text(body) };
  if (wanted !== true) return own;
  const asked = { ...request.params, tag_name, ...(text(target_commitish) && { target_commitish }) };
  const notes = objectOf(await context.github(`POST ${REPO}/releases/generate-notes`, asked));
  const texts = [own.body, text(notes.body)].filter((one) => one !== undefined);
  return { name: own.name ?? text(notes.name), body: texts.join('\n\n') };
}
