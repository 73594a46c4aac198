/**
 * How often a caller may ask: a bucket for each, which fills at an even pace. Counted in this process: there is one server,
 * and a restart forgives.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Actor, payerOf } from '../accounts/access/actor.js';
import { addressKey } from '../accounts/sign-in/limits.js';
import { ForgewayError } from '../lib/errors.js';

const WINDOW_SECONDS = 60;
/** Beyond it those who have not asked for longest are forgotten, so that many addresses cannot fill the memory. */
const MOST_KEYS = 50_000;

export interface RateLimits {
  /** Requests in a minute of one person, with all their tokens, or of one token of an organization. 0: as many as they like. */
  perCaller: number;
  /** Of one address, for those who do not say who they are, or say it wrongly. 0: as many as they like. */
  perAddress: number;
  /** Of the client, see `clientAddress`. */
  addressOf(request: FastifyRequest): string;
  /** Milliseconds that only grow; default `performance.now`. */
  now?(): number;
}

export interface Taken {
  allowed: boolean;
  limit: number;
  /** Whole requests that are left at once. */
  remaining: number;
  /** Until all of them are. */
  resetSeconds: number;
  /** Until this one would be allowed; 0 when it was. Of what is more than a bucket holds, which never is: until it is full. */
  retryAfterSeconds: number;
}

/** At most `limit` at once, and as many in a minute on average. */
export function createBuckets(limit: number, now: () => number): (key: string, cost: number) => Taken {
  const perMs = limit / (WINDOW_SECONDS * 1_000);
  const buckets = new Map<string, { left: number; at: number }>();
  return (key, cost) => {
    const at = now();
    const known = buckets.get(key) ?? { left: limit, at };
    const full = Math.min(limit, known.left + (at - known.at) * perMs);
    const allowed = full >= cost;
    const left = allowed ? full - cost : full;
    // Set anew, so that the map stays in the order of the last request.
    buckets.delete(key);
    buckets.set(key, { left, at });
    if (buckets.size > MOST_KEYS) buckets.delete(buckets.keys().next().value as string);
    const seconds = (missing: number) => Math.max(0, Math.ceil(missing / perMs / 1_000));
    return {
      allowed,
      limit,
      remaining: Math.floor(left),
      resetSeconds: seconds(limit - left),
      retryAfterSeconds: allowed ? 0 : Math.max(1, seconds(Math.min(cost, limit) - left)),
    };
  };
}

export interface RateLimiter {
  /** Counts the request and says so in headers. Answers the refusal when it is one too many. */
  take(request: FastifyRequest, reply: FastifyReply, cost: number): Promise<ForgewayError | undefined>;
}

/** `caller` rejects for those who are not known. */
export function createRateLimiter(
  { perCaller, perAddress, addressOf, now = () => performance.now() }: RateLimits,
  caller: (request: FastifyRequest) => Promise<Actor>,
): RateLimiter {
  const ofCallers = createBuckets(perCaller, now);
  const ofAddresses = createBuckets(perAddress, now);
  const known = async (request: FastifyRequest): Promise<string | undefined> => {
    try {
      const actor = await caller(request);
      return actor.kind === 'anonymous' ? undefined : payerOf(actor);
    } catch {
      // Told by what they have asked for, which waits for the same answer: not known, or not to be found out now.
      return undefined;
    }
  };
  return {
    async take(request, reply, cost) {
      const name = await known(request);
      const limit = name === undefined ? perAddress : perCaller;
      if (limit === 0) return undefined;
      const taken = name === undefined ? ofAddresses(addressKey(addressOf(request)), cost) : ofCallers(name, cost);
      reply.headers({
        'ratelimit-policy': `${limit};w=${WINDOW_SECONDS}`,
        'ratelimit-limit': String(limit),
        'ratelimit-remaining': String(taken.remaining),
        'ratelimit-reset': String(taken.resetSeconds),
      });
      if (taken.allowed) return undefined;
      const { retryAfterSeconds } = taken;
      reply.header('retry-after', String(retryAfterSeconds));
      if (cost > limit)
        return new ForgewayError(
          'FORGEWAY_RATE_LIMITED',
          `A batch of ${cost} calls is more than the ${limit} requests of a minute. Send smaller ones.`,
          { details: { retryAfterSeconds } },
        );
      return new ForgewayError(
        'FORGEWAY_RATE_LIMITED',
        `There were more than ${limit} requests in a minute. Wait ${retryAfterSeconds} s.`,
        { details: { retryAfterSeconds } },
      );
    },
  };
}
