/** Whether we have written something on a forge: what can be read can be copied, so that its words alone show nothing. */
import { refusalOf } from './denied.js';
import type { ForgeOctokit } from './octokit.js';

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

export const numberOf = (value: unknown, field: string): number | undefined => {
  const found = isObject(value) ? value[field] : undefined;
  return typeof found === 'number' ? found : undefined;
};

/** Who wrote something, in GitHub's shapes. */
export interface ForgeAuthor {
  login: string | undefined;
  userId: number | undefined;
  /** The App that wrote it, where the forge says. */
  appId: number | undefined;
}

export function authorOf(data: unknown): ForgeAuthor {
  const user = isObject(data) ? data.user : undefined;
  const login = isObject(user) ? user.login : undefined;
  return {
    login: typeof login === 'string' ? login : undefined,
    userId: numberOf(user, 'id'),
    appId: numberOf(isObject(data) ? data.performed_via_github_app : undefined, 'id'),
  };
}

/** Who we are to the forge: the account that the token belongs to, or where it is an App's, that and its bot. */
export interface ForgeIdentity {
  appId?: number | undefined;
  userId?: number | undefined;
  login: string;
}

/** @throws Error when the forge does not say */
export async function ourIdentity(octokit: ForgeOctokit, signal: AbortSignal): Promise<ForgeIdentity> {
  // First, since every forge is given an App's answer, and only GitHub has one; there its token is no person's.
  try {
    const { data } = await octokit.request('GET /user', { request: { signal } });
    if (isObject(data) && typeof data.login === 'string') return { userId: numberOf(data, 'id'), login: data.login };
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
  }
  const { data } = await octokit.request('GET /app', { request: { signal } });
  if (isObject(data) && typeof data.slug === 'string')
    return { appId: numberOf(data, 'id'), login: `${data.slug}[bot]` };
  throw new Error('the forge does not say which account writes our comments');
}

/** Whether it was written by us. No person can have a login that ends in `[bot]`. */
export function isBy({ appId, userId, login }: ForgeIdentity, author: ForgeAuthor): boolean {
  if (userId !== undefined && author.userId !== undefined) return author.userId === userId;
  if (author.appId !== undefined && appId !== undefined && author.appId !== appId) return false;
  return author.login?.toLowerCase() === login.toLowerCase();
}
