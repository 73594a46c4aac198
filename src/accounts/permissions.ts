/**
 * Who may run what (decision 14). The forge is asked at the time of execution for the person who sent the webhook, by
 * account id; what a payload says about a person's rights is never believed. No answer means no.
 */
import { z } from 'zod';
import type { Clock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';

/** GitHub's words for a right, from most to least. */
const LEVELS = ['admin', 'maintain', 'write', 'triage', 'read', 'none'] as const;
export type PermissionLevel = (typeof LEVELS)[number];

/** True when `level` is `least` or more. */
export const permissionAtLeast = (level: PermissionLevel, least: PermissionLevel): boolean =>
  LEVELS.indexOf(level) <= LEVELS.indexOf(least);

/** Whatever can ask a forge in GitHub's language, such as an Octokit. */
export interface PermissionApi {
  request(route: string, parameters: Record<string, unknown>): Promise<{ data: unknown }>;
}

export interface PermissionQuestion {
  repository: { forge: string; host: string; remoteId: bigint; owner: string; name: string };
  /** From the webhook's sender. The login asks, the id decides. */
  user: { id: bigint; login: string };
  octokit: PermissionApi;
}

export type PermissionAnswer =
  /** `askedAt`: when the forge said so. */
  | { level: PermissionLevel; askedAt: Date }
  /** The login belongs to another account now. */
  | { level: undefined; because: 'identity' }
  /** The forge could not be asked; `error` is for the log and `message` for a person. */
  | { level: undefined; because: 'error'; message: string; error: unknown };

export interface Permissions {
  /** Their right in the repository, as the forge says now. Never rejects: a failure to find out is an answer without a level. */
  levelOf(question: PermissionQuestion): Promise<PermissionAnswer>;
}

const CACHE_MS = 60_000;
const MAX_CACHED = 10_000;

const answerSchema = z.object({
  permission: z.string(),
  role_name: z.string().nullish(),
  user: z.object({ id: z.union([z.number(), z.string()]).transform(String) }),
});

function isLevel(value: unknown): value is PermissionLevel {
  return (LEVELS as readonly unknown[]).includes(value);
}

/** `permission` knows four words and folds maintain into write; `role_name` is finer, or a custom role's own name. */
function levelOf(permission: string, roleName: string | null | undefined): PermissionLevel {
  if (isLevel(roleName)) return roleName;
  return isLevel(permission) ? permission : 'none';
}

interface Finding {
  level: PermissionLevel;
  userId: string;
}

interface Kept {
  at: number;
  finding: Promise<Finding>;
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'status' in error && error.status === 404;
}

async function ask(question: PermissionQuestion): Promise<Finding> {
  const route = 'GET /repos/{owner}/{repo}/collaborators/{username}/permission';
  const { owner, name: repo } = question.repository;
  let data: unknown;
  try {
    ({ data } = await question.octokit.request(route, { owner, repo, username: question.user.login }));
  } catch (error) {
    // Nobody of this name has any right here, which is an answer and not a failure to get one.
    if (isNotFound(error)) return { level: 'none', userId: question.user.id.toString() };
    throw error;
  }
  const answer = answerSchema.parse(data);
  return { level: levelOf(answer.permission, answer.role_name), userId: answer.user.id };
}

/** Answers are kept for at most a minute, by ids; failures are not kept. Callers at the same time share one question. */
export function createPermissions(o: { clock: Clock }): Permissions {
  const findings = new Map<string, Kept>();

  const find = (question: PermissionQuestion): Kept => {
    const { forge, host, remoteId } = question.repository;
    const key = JSON.stringify([forge, host, remoteId.toString(), question.user.id.toString()]);
    const now = o.clock.now().getTime();
    const known = findings.get(key);
    // A clock that was set back must not make an old answer live on.
    if (known !== undefined && now >= known.at && now - known.at < CACHE_MS) return known;
    const finding = ask(question);
    const entry = { at: now, finding };
    findings.delete(key);
    findings.set(key, entry);
    const oldest = findings.keys().next();
    if (findings.size > MAX_CACHED && !oldest.done) findings.delete(oldest.value);
    finding.catch(() => {
      if (findings.get(key) === entry) findings.delete(key);
    });
    return entry;
  };

  return {
    async levelOf(question) {
      try {
        const { at, finding } = find(question);
        const { level, userId } = await finding;
        return userId === question.user.id.toString()
          ? { level, askedAt: new Date(at) }
          : { level: undefined, because: 'identity' };
      } catch (error) {
        const message = `The forge could not be asked for the rights of ${question.user.login}: ${messageOf(error)}`;
        return { level: undefined, because: 'error', message, error };
      }
    },
  };
}
