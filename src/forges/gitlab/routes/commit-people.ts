/**
 * Commits with the accounts of their people. REST names people only; GitLab's GraphQL says whose account an address belongs
 * to, as it shows beside a commit: nothing is guessed from names or e-mails here. Asked once a day for each address.
 *
 * @see https://docs.gitlab.com/api/graphql/reference/#commit
 */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import type { ForgeRecord } from '../../kit/records.js';
import { type RouteContext, RouteFailure } from '../../kit/route.js';
import * as shape from '../../kit/shapes/commit.js';
import type { AccountInput } from '../../kit/shapes/inputs.js';
import { commitInput, type NativeCommit } from '../convert/commit.js';
import { read } from '../convert/read.js';
import { account } from '../convert/user.js';
import { GRAPHQL } from '../poll.js';
import type { Place } from './place.js';

/** Record: key is an address, data `{ account, askedAt }`; the account is null when GitLab knows none. */
const KIND = 'commit_person';
const KEPT_MS = 24 * 3_600_000;
/** More in one query would be too much for GitLab. */
const MOST_ASKED = 20;

const user = z
  .object({
    id: z.string().transform((gid) => gid.replace(/^.*\//, '')),
    username: z.string(),
    name: z.string().nullish(),
    avatarUrl: z.string().nullish(),
    webUrl: z.string().optional(),
  })
  .transform(({ id, username, name, avatarUrl, webUrl }) =>
    account({
      id: Number.isSafeInteger(Number(id)) ? Number(id) : id,
      username,
      name,
      avatar_url: avatarUrl,
      web_url: webUrl,
    }),
  );
const found = z.object({ lastCommit: z.object({ sha: z.string(), author: user.nullish() }).nullish() }).nullish();
const answer = z.object({
  data: z.object({ project: z.object({ repository: z.record(z.string(), found).nullish() }).nullish() }).nullish(),
});

const lower = (email: string | null | undefined): string => (email ?? '').toLowerCase();

/** What GitLab says of each of these commits; those that it does not tell are left out. */
async function ask(context: RouteContext, place: Place, commits: readonly NativeCommit[]) {
  const parts = commits.map(
    ({ id }, at) =>
      `c${at}: tree(ref: ${JSON.stringify(id)}) { lastCommit { sha author { id username name avatarUrl webUrl } } }`,
  );
  const query = `query people($path: ID!) { project(fullPath: $path) { repository { ${parts.join(' ')} } } }`;
  const variables = JSON.stringify({ path: place.path });
  const { data } = read(answer, await context.native.get(GRAPHQL, { query, variables }), 'people of commits');
  const told = data?.project?.repository ?? {};
  const people = new Map<string, AccountInput | null>();
  for (const [at, commit] of commits.entries()) {
    const last = told[`c${at}`]?.lastCommit;
    // Of a merge git may name another commit as the last that changed something.
    if (last?.sha === commit.id) people.set(lower(commit.author_email), last.author ?? null);
  }
  return people;
}

const isFresh = (context: RouteContext, { data }: ForgeRecord): boolean =>
  context.clock.now().getTime() - Number(data.askedAt) < KEPT_MS;

/** Accounts by the addresses of these commits, in lower case; null or nothing where there is none. */
export async function accountsOf(context: RouteContext, place: Place, commits: readonly NativeCommit[]) {
  const emails = new Set(commits.flatMap((one) => [lower(one.author_email), lower(one.committer_email)]));
  const people = new Map<string, AccountInput | null>();
  for (const email of emails) {
    const known = email === '' ? undefined : await context.records.get(KIND, email);
    if (known !== undefined && isFresh(context, known)) people.set(email, known.data.account as AccountInput | null);
  }
  const unknown = new Map<string, NativeCommit>();
  for (const commit of commits) {
    const email = lower(commit.author_email);
    const before = unknown.get(email);
    const isPlain = (commit.parent_ids ?? []).length < 2;
    if (email !== '' && !people.has(email) && (before === undefined || isPlain)) unknown.set(email, commit);
  }
  if (unknown.size === 0) return people;
  try {
    const told = await ask(context, place, [...unknown.values()].slice(0, MOST_ASKED));
    const askedAt = context.clock.now().getTime();
    await context.records.putAll(
      KIND,
      [...told].map(([key, known]) => ({ key, data: { account: known, askedAt } as JsonObject })),
    );
    for (const [email, known] of told) people.set(email, known);
  } catch (error) {
    if (!(error instanceof RouteFailure)) throw error;
    // A token without GraphQL: GitHub, too, has commits of nobody.
    context.log.debug({ status: error.status }, 'GitLab did not say whose commits these are');
  }
  return people;
}

type More = Partial<ReturnType<typeof commitInput>>;

/** Shows these commits as GitHub does. */
export async function commitsShown(
  context: RouteContext,
  place: Place,
  commits: readonly NativeCommit[],
): Promise<(commit: NativeCommit, more?: More) => JsonObject> {
  const people = await accountsOf(context, place, commits);
  const web = `${context.base.web}/${place.path}`;
  return (commit, more = {}) => {
    const input = commitInput(commit, web);
    const { author, committer = author } = input;
    return shape.commit(context.base, place.owner, place.repo, {
      ...input,
      author: { ...author, account: people.get(lower(author.email)) ?? null },
      committer: { ...committer, account: people.get(lower(committer.email)) ?? null },
      ...more,
    });
  };
}

export const shownCommit = async (
  context: RouteContext,
  place: Place,
  commit: NativeCommit,
  more?: More,
): Promise<JsonObject> => (await commitsShown(context, place, [commit]))(commit, more);

/** A list of them. */
export async function shownCommits(context: RouteContext, place: Place, commits: readonly NativeCommit[]) {
  const show = await commitsShown(context, place, commits);
  return commits.map((commit) => show(commit));
}
