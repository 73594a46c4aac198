/** What the forge in memory holds, and how it looks in GitHub's shapes. */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../../src/forges/forge.js';
import { RouteFailure } from '../../../src/forges/kit/route.js';
import { issueComment, reviewComment } from '../../../src/forges/kit/shapes/comment.js';
import { commit } from '../../../src/forges/kit/shapes/commit.js';
import type * as inputs from '../../../src/forges/kit/shapes/inputs.js';
import { issue } from '../../../src/forges/kit/shapes/issue.js';
import { label } from '../../../src/forges/kit/shapes/label.js';
import { pullRequest } from '../../../src/forges/kit/shapes/pull-request.js';
import { review } from '../../../src/forges/kit/shapes/review.js';

export const base = { api: 'https://forge.example.com/api/v3', web: 'https://forge.example.com' };
export const OWNER = 'acme~tools';
export const REPO = 'web';
export const sha = (of: string | number): string => createHash('sha1').update(String(of)).digest('hex');
export const day = (number: number): string => `2026-01-${String(number).padStart(2, '0')}T00:00:00Z`;

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type Pull = Mutable<inputs.PullRequestInput>;
export type Issue = Mutable<inputs.IssueInput>;
export type Tree = Map<string, { mode: string; content: Buffer }>;
export interface Commit extends inputs.CommitInput {
  tree: Tree;
}
export type Parameters = Readonly<Record<string, unknown>>;

export const people: Readonly<Record<string, inputs.AccountInput>> = {
  anna: { id: 7, login: 'anna', name: 'Anna', email: 'anna@example.com' },
  ben: { id: 8, login: 'ben', name: 'Ben' },
  robot: { id: 9, login: 'robot', type: 'Bot' },
  [OWNER]: { id: 3, login: OWNER, type: 'Organization' },
};
export const person = (login: unknown): inputs.AccountInput =>
  people[String(login)] ?? fail(`There is no account ${login}.`);

export function fail(message: string): never {
  throw new Error(message);
}

export const repositoryInput: inputs.RepositoryInput = {
  id: 40,
  owner: person(OWNER),
  name: REPO,
  htmlUrl: 'https://forge.example.com/acme/tools/web',
  visibility: 'private',
  defaultBranch: 'main',
  description: 'The web',
  permissions: { admin: false, push: true, pull: true },
};

export type World = ReturnType<typeof createWorld>;

/** State and how it looks in GitHub's shapes. */
export function createWorld() {
  const w = {
    commits: new Map<string, Commit>(),
    /** Commits of the default branch, newest first. */
    history: [] as string[],
    refs: new Map<string, string>(),
    blobs: new Map<string, Buffer>(),
    trees: new Map<string, Tree>(),
    pulls: new Map<number, Pull>(),
    pullsOfCommit: new Map<string, number[]>(),
    issues: new Map<number, Issue>(),
    labels: [] as Mutable<inputs.LabelInput>[],
    milestones: [] as inputs.MilestoneInput[],
    comments: new Map<number, { number: number; input: Mutable<inputs.CommentInput>; minimized?: string }>(),
    reviews: new Map<number, inputs.ReviewInput[]>(),
    threads: new Map<number, { resolved: boolean; comments: inputs.ReviewCommentInput[] }[]>(),
    files: new Map<number, inputs.FileInput[]>(),
    reactions: new Map<string, { id: number; content: string; user: JsonObject; created_at: string }[]>(),
    releases: [] as inputs.ReleaseInput[],
    statuses: new Map<string, inputs.CommitStatusInput[]>(),
    runs: new Map<string, inputs.CheckRunInput[]>(),
    protection: new Map<string, JsonObject>(),
    locks: new Map<number, string>(),
    autoMerge: new Map<number, JsonObject>(),
    next: 1_000,
  };
  const id = () => {
    w.next += 1;
    return w.next;
  };
  const shapeCommit = (of: Commit): JsonObject => {
    const stats = of.stats ?? { additions: 3, deletions: 1 };
    return commit(base, OWNER, REPO, { ...of, stats, treeSha: treeSha(of.tree) });
  };
  const treeSha = (tree: Tree): string => {
    const name = sha([...tree].map(([path, one]) => `${path} ${one.mode} ${one.content.toString('hex')}`).join('\n'));
    w.trees.set(name, tree);
    for (const { content } of tree.values()) w.blobs.set(sha(content.toString('hex')), content);
    return name;
  };
  const addCommit = (name: string, more: Partial<Commit> = {}): string => {
    const own = sha(name);
    w.commits.set(own, {
      sha: own,
      message: `${name}\n\nWhy ${name}.`,
      htmlUrl: `https://forge.example.com/acme/tools/web/commit/${own}`,
      author: { name: 'Anna', email: 'anna@example.com', date: day(1), account: person('anna') },
      tree: new Map(),
      ...more,
    });
    return own;
  };
  const atRef = (ref: unknown): Commit => {
    const name = String(ref);
    const found =
      name === 'HEAD' ? w.refs.get('heads/main') : (w.refs.get(`heads/${name}`) ?? w.refs.get(`tags/${name}`) ?? name);
    return w.commits.get(found ?? '') ?? failRoute(422, 'No commit found');
  };
  const failRoute = (status: number, message: string): never => {
    throw new RouteFailure(status, message);
  };
  const pull = (number: unknown): Pull => w.pulls.get(Number(number)) ?? failRoute(404, 'Not Found');
  const shapePull = (input: Pull): JsonObject => {
    const auto = w.autoMerge.get(input.number);
    return { ...pullRequest(base, { ...input, commits: commitsOf(input).length }), ...(auto && { auto_merge: auto }) };
  };
  const commitsOf = (input: Pull): string[] =>
    [...w.pullsOfCommit].filter(([, numbers]) => numbers.includes(input.number)).map(([name]) => name);
  const countComments = (number: number) => [...w.comments.values()].filter((one) => one.number === number).length;
  const asIssue = (number: number): JsonObject => {
    const locked = w.locks.has(number);
    const own = w.issues.get(number);
    if (own !== undefined) return issue(base, OWNER, REPO, { ...own, locked, comments: countComments(number) });
    const { id: _id, ...of } = pull(number);
    const { htmlUrl, mergedAt, draft } = of;
    return issue(base, OWNER, REPO, {
      ...of,
      id: 90_000 + number,
      locked,
      comments: countComments(number),
      pullRequest: { htmlUrl, mergedAt, draft },
    });
  };
  const shapeComment = (one: { input: inputs.CommentInput; minimized?: string }): JsonObject => ({
    ...issueComment(base, OWNER, REPO, one.input),
    ...(one.minimized !== undefined && { minimized: true, minimized_reason: one.minimized }),
  });
  const commentAt = (of: unknown) => w.comments.get(Number(of)) ?? failRoute(404, 'Not Found');
  const labelNamed = (name: unknown): inputs.LabelInput => {
    const found = w.labels.find((one) => one.name === name);
    if (found !== undefined) return found;
    const made = { id: id(), name: String(name), color: 'ededed' };
    w.labels.push(made);
    return made;
  };
  const conversation = (number: unknown): Pull | Issue => w.issues.get(Number(number)) ?? pull(number);
  const shapeLabel = (one: inputs.LabelInput) => label(base, OWNER, REPO, one);
  const isStrings = (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((one) => typeof one === 'string');
  const strings = (value: unknown): string[] =>
    isStrings(value) ? value : fail(`${JSON.stringify(value)} is no list of names.`);
  const shapeReview = (one: inputs.ReviewInput) => review(base, OWNER, REPO, one, 'api');
  const pageOf = <T>(all: readonly T[], p: Parameters): readonly T[] => {
    const [page, perPage] = [Number(p.page ?? 1), Number(p.per_page ?? 30)];
    if (perPage > 100) fail('GitHub gives at most 100 items a page.');
    return all.slice((page - 1) * perPage, page * perPage);
  };
  const sorted = <T extends { createdAt?: string }>(all: readonly T[], p: Parameters): readonly T[] => {
    const up = all.toSorted((a, b) => String(a.createdAt).localeCompare(String(b.createdAt)));
    return p.direction === 'asc' ? up : up.toReversed();
  };
  const inState = (all: Iterable<Pull | Issue>, p: Parameters) =>
    [...all].filter((one) => p.state === 'all' || one.state === (p.state ?? 'open'));
  const applyAttributes = (to: Pull | Issue, p: Parameters) => {
    if (p.title !== undefined) to.title = String(p.title);
    if (p.body !== undefined) to.body = String(p.body);
    if (p.state === 'open' || p.state === 'closed') to.state = p.state;
    if (p.labels !== undefined) to.labels = strings(p.labels).map(labelNamed);
    if (p.assignees !== undefined) to.assignees = strings(p.assignees).map(person);
    if (p.milestone !== undefined) to.milestone = w.milestones.find((one) => one.number === p.milestone) ?? null;
  };
  const reactionsAt = (subject: string) => {
    const found = w.reactions.get(subject) ?? [];
    w.reactions.set(subject, found);
    return found;
  };
  const threadsAt = (number: unknown) => w.threads.get(Number(number)) ?? [];
  const reviewCommentAt = (comment: unknown) =>
    [...w.threads.values()]
      .flat()
      .flatMap((one) => one.comments)
      .find((one) => one.id === Number(comment)) ?? failRoute(404, 'Not Found');
  const shapeReviewComment = (one: inputs.ReviewCommentInput) => reviewComment(base, OWNER, REPO, one);
  return {
    w,
    id,
    shapeCommit,
    treeSha,
    addCommit,
    atRef,
    failRoute,
    pull,
    shapePull,
    commitsOf,
    countComments,
    asIssue,
    shapeComment,
    commentAt,
    labelNamed,
    conversation,
    shapeLabel,
    isStrings,
    strings,
    shapeReview,
    pageOf,
    sorted,
    inState,
    applyAttributes,
    reactionsAt,
    threadsAt,
    reviewCommentAt,
    shapeReviewComment,
  };
}
