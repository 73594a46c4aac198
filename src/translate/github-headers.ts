/** What GitHub says in the headers of every answer, where the answer is ours: apps log it, and some wait by it. */
import { randomBytes } from 'node:crypto';
import { mediaOf } from '../forges/kit/router.js';

const HOUR_S = 3_600;

/**
 * What an app may still ask for. The limits of a forge are kept by us, and where it says no its own words are passed on: an app
 * is told that it may go on.
 */
export function budgetAt(now: Date): { limit: number; used: number; remaining: number; reset: number } {
  return { limit: 5_000, used: 0, remaining: 5_000, reset: Math.floor(now.getTime() / 1_000) + HOUR_S };
}

/** Which of GitHub's budgets a path below the API's base is counted against. */
function resourceOf(path: string): string {
  if (path.startsWith('/search/code')) return 'code_search';
  if (path.startsWith('/search/')) return 'search';
  return path.startsWith('/graphql') ? 'graphql' : 'core';
}

/** `vnd.github.v3.raw` is told as `param=raw`. */
function mediaType(accept: string | null): string {
  const media = mediaOf(accept);
  return media === 'json' || media === 'file' ? 'github.v3; format=json' : `github.v3; param=${media}; format=json`;
}

/** As GitHub's look, so that whoever searches logs for one finds it. */
function requestId(): string {
  const hex = randomBytes(16).toString('hex').toUpperCase();
  return [hex.slice(0, 4), hex.slice(4, 10), hex.slice(10, 17), hex.slice(17, 24), hex.slice(24)].join(':');
}

/** The answer itself, with the headers that it lacks. */
export function withGitHubHeaders(
  answer: Response,
  { path, accept, now }: { path: string; accept: string | null; now: Date },
): Response {
  const { headers } = answer;
  const budget = budgetAt(now);
  const isLimited = answer.status === 429 || headers.has('retry-after') || headers.has('x-ratelimit-remaining');
  const lacking: Readonly<Record<string, string>> = {
    'x-github-media-type': mediaType(accept),
    'x-github-request-id': requestId(),
    ...(!isLimited && {
      'x-ratelimit-limit': `${budget.limit}`,
      'x-ratelimit-remaining': `${budget.remaining}`,
      'x-ratelimit-reset': `${budget.reset}`,
      'x-ratelimit-resource': resourceOf(path),
      'x-ratelimit-used': `${budget.used}`,
    }),
  };
  for (const [name, value] of Object.entries(lacking)) if (!headers.has(name)) headers.set(name, value);
  return answer;
}
