/** What the forge says now: the payload that brought us here was only a hint (R19). */
import { z } from 'zod';
import { type Access, forgeActor } from '../../accounts/access/access.js';
import type { Permissions } from '../../accounts/permissions.js';
import { parseId, shortSha } from '../../lib/ids.js';
import type { MadeFor } from '../agent/made-for.js';
import { refusalOf } from '../sync/denied.js';
import type { ForgeOctokit } from '../sync/octokit.js';
import type { PreviewConfig } from './preview-config.js';
import type { PreviewRecord } from './preview-record.js';
import { CONFIG_PATH, parsePreviewConfig } from './repository-config.js';

const id = z.union([z.number(), z.string(), z.bigint()]).transform(parseId);

const pullRequestSchema = z.object({
  state: z.string(),
  labels: z.array(z.object({ name: z.string() })).default([]),
  head: z.object({ sha: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/), repo: z.object({ id }).nullish() }),
  base: z.object({ repo: z.object({ id }) }),
});

export interface PullRequestFacts {
  open: boolean;
  headSha: string;
  /** Undefined when the fork was deleted. */
  headRepositoryId: bigint | undefined;
  baseRepositoryId: bigint;
  labels: readonly string[];
}

const branchSchema = z.object({ commit: z.object({ sha: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/) }) });
const repositorySchema = z.object({ id });

/** The commit that a branch is at. Undefined when there is no such branch any more. */
export async function readBranch(
  octokit: ForgeOctokit,
  { owner, name }: { owner: string; name: string },
  branch: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/branches/{branch}', {
      ...{ owner, repo: name, branch },
      request: { signal },
    });
    return branchSchema.parse(data).commit.sha;
  } catch (error) {
    if (refusalOf(error)?.status === 404) return undefined;
    throw error;
  }
}

/** A branch as if it were a pull request of the repository itself: whoever pushed to it may write to it. */
async function readBranchFacts(
  octokit: ForgeOctokit,
  record: PreviewRecord,
  branch: string,
  signal: AbortSignal,
): Promise<PullRequestFacts | undefined> {
  const { owner, name } = record.repository;
  const headSha = await readBranch(octokit, record.repository, branch, signal);
  if (headSha === undefined) return undefined;
  const { data } = await octokit.request('GET /repos/{owner}/{repo}', { owner, repo: name, request: { signal } });
  const { id: remoteId } = repositorySchema.parse(data);
  return { open: true, headSha, headRepositoryId: remoteId, baseRepositoryId: remoteId, labels: [] };
}

/** What it is a preview of, as it is now. Undefined when there is no such pull request or branch any more. */
export async function readSubject(
  octokit: ForgeOctokit,
  record: PreviewRecord,
  signal: AbortSignal,
): Promise<PullRequestFacts | undefined> {
  const { owner, name } = record.repository;
  const { subject } = record;
  if (subject.kind === 'branch') return readBranchFacts(octokit, record, subject.branch, signal);
  try {
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...{ owner, repo: name, pull_number: subject.number },
      request: { signal },
    });
    const { state, head, base, labels } = pullRequestSchema.parse(data);
    return {
      open: state === 'open',
      headSha: head.sha,
      headRepositoryId: head.repo?.id,
      baseRepositoryId: base.repo.id,
      labels: labels.map((label) => label.name),
    };
  } catch (error) {
    const status = refusalOf(error)?.status;
    if (status === 404 || status === 410) return undefined;
    throw error;
  }
}

const fileSchema = z.union([
  z.string(),
  z
    .object({ content: z.string(), encoding: z.literal('base64') })
    .transform(({ content }) => Buffer.from(content, 'base64').toString('utf8')),
]);

/** What a request is sent with: an app's Octokit, or one of ours. */
export interface Asks {
  request(route: string, parameters: Record<string, unknown>): Promise<{ data: unknown }>;
}

/** A file of the default branch, never of a pull request's own (R11): without a ref the forge answers from there. */
export async function readRepositoryFile(
  octokit: Asks,
  { owner, name }: { owner: string; name: string },
  path: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/contents/{path}', {
      ...{ owner, repo: name, path },
      headers: { accept: 'application/vnd.github.raw+json' },
      ...(signal && { request: { signal } }),
    });
    return fileSchema.parse(data);
  } catch (error) {
    if (refusalOf(error)?.status === 404) return undefined;
    throw error;
  }
}

/**
 * The preview section of `.forgeway.yml` on the default branch; undefined when there is none.
 * @throws ForgewayError FORGEWAY_REPOSITORY_CONFIG_INVALID
 */
export async function readRepositoryConfig(
  octokit: ForgeOctokit,
  record: PreviewRecord,
  signal: AbortSignal,
): Promise<PreviewConfig | undefined> {
  const text = await readRepositoryFile(octokit, record.repository, CONFIG_PATH, signal);
  return text === undefined ? undefined : parsePreviewConfig(text);
}

/** Whether a commit has a file; false where the forge does not know the commit. */
export async function hasFile(
  octokit: ForgeOctokit,
  { owner, name }: { owner: string; name: string },
  file: { path: string; sha: string },
): Promise<boolean> {
  try {
    await octokit.request('GET /repos/{owner}/{repo}/contents/{path}', {
      ...{ owner, repo: name, path: file.path, ref: file.sha },
    });
    return true;
  } catch (error) {
    if (refusalOf(error)?.status === 404) return false;
    throw error;
  }
}

/** `trusted` is false for code of somebody who may not write, that somebody who may has approved. */
export type Verdict = { permitted: true; trusted: boolean } | { permitted: false; message: string };

const permitted = (trusted: boolean): Verdict => ({ permitted: true, trusted });

const refused = (message: string): Verdict => ({ permitted: false, message });

export interface Judges {
  permissions: Permissions;
  access: Access;
  /** Whether somebody who may has let the wanted commit of this very pull request run. */
  isApproved(record: PreviewRecord, number: number): Promise<boolean>;
  /** Whether an agent of ours made the wanted commit, and for whom. */
  madeFor(record: PreviewRecord): Promise<MadeFor | undefined>;
}

/**
 * Whether the wanted commit may run: because it was pushed to the repository itself by someone who may write to it now, or
 * because someone who may has approved this commit (R1, R6, R8, R9). Rejects when the forge cannot be asked: then nothing
 * runs, and it is asked again.
 */
export async function judge(
  record: PreviewRecord,
  facts: PullRequestFacts,
  octokit: ForgeOctokit,
  judges: Judges,
): Promise<Verdict> {
  if (facts.baseRepositoryId !== record.repository.remoteId) {
    return refused('The forge answered for another repository; nothing is run.');
  }
  const { desiredSha: sha, subject } = record;
  if (subject.kind === 'branch') return permitted(true);
  const commit = shortSha(sha);
  const isApproved = await judges.isApproved(record, subject.number);
  const untrusted = (why: string) =>
    isApproved
      ? permitted(false)
      : refused(
          `${why} Someone who may decide that here looks at ${commit} and comments \`/ok-to-test ${commit}\`; ` +
            'that holds for this commit alone.',
        );
  if (facts.headRepositoryId !== facts.baseRepositoryId) return untrusted('This pull request comes from a fork.');
  // What an agent made was pushed by us; it runs where whoever had it work may have code run.
  const made = await judges.madeFor(record);
  if (made !== undefined && made.account === null) return permitted(true);
  const actor = made?.account ?? record.actor;
  if (actor === null) {
    if (record.trustedSha === sha && !isApproved) return permitted(true);
    return untrusted(`The forge did not say who pushed ${commit}.`);
  }
  const { forge, host, remoteId, owner, name } = record.repository;
  const question = { repository: { forge, host, remoteId, owner, name }, user: actor, octokit };
  const answer = await judges.permissions.levelOf(question);
  if (answer.level === undefined && answer.because === 'error') throw answer.error;
  const decision = await judges.access.check(forgeActor(question, answer), 'preview.write', {
    organizationId: record.organizationId,
    name: `${owner}/${name}#${subject.number} at ${commit}`,
  });
  if (decision.allowed) return permitted(true);
  const did = made === undefined ? 'pushed' : 'had an agent make';
  return untrusted(`${actor.login} ${did} ${commit} and may not write to this repository.`);
}
