/**
 * Keeps tokens that end: whoever asks gets one that lives for another five minutes, and never has to think about the rest.
 * It does not know where tokens are kept nor how a forge is asked: both are callbacks, so it serves any program.
 */
import type { GrantedTokens } from '../../forges/oauth.js';
import { type Clock, systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';

export interface StoredTokens extends GrantedTokens {
  /** When the forge gave them. */
  grantedAt: Date;
  /** How often renewing them has failed since, and when last. */
  failures: number;
  failedAt?: Date;
  /** Somebody has to connect again: why, in one sentence for that person. Absent while they work. */
  ended?: string;
}

export type RefreshOutcome =
  | { kind: 'granted'; tokens: GrantedTokens }
  /** For good: asking again with the same refresh token never helps. */
  | { kind: 'ended'; reason: string }
  /** For now. */
  | { kind: 'failed'; reason: string };

/**
 * Where tokens live. `key` names one set of tokens. The three that write change something only while the refresh token is
 * still that of `previous`: whoever connected anew in between wins.
 */
export interface TokenStore {
  /** As stored now, never from a cache; undefined when there are none any more. */
  read(key: string): Promise<StoredTokens | undefined>;
  /** Resolves when they would survive the death of the machine. Failures are counted from zero again. */
  replace(key: string, previous: StoredTokens, tokens: GrantedTokens): Promise<void>;
  /** Notes that somebody has to connect again. */
  end(key: string, previous: StoredTokens, reason: string): Promise<void>;
  /** Counts one more failure. */
  failed(key: string, previous: StoredTokens, at: Date): Promise<void>;
  /** Runs it while nobody else does for the same key, in this or in any other process. Ends with the process. */
  lock<T>(key: string, run: () => Promise<T>): Promise<T>;
}

export interface TokenKeeperOptions extends TokenStore {
  /** Asks the forge, once. What it throws counts as `failed`. */
  refresh(key: string, refreshToken: string): Promise<RefreshOutcome>;
  clock?: Clock;
  log?: Logger;
}

export interface TokenKeeper {
  /**
   * An access token that is not about to end.
   * @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE when somebody has to connect again (`details.reconnect`),
   *   FORGEWAY_FORGE_UNREACHABLE when it has ended and the forge gives no other just now
   */
  token(key: string): Promise<string>;
  /** The forge answered 401 to this token. True when the next {@link token} is another one. */
  refused(key: string, accessToken: string): Promise<boolean>;
  /** Forgets what is cached of it: it was changed by this process. */
  forget(key: string): void;
}

/** Tokens are renewed this long before they end, so that no request is under way with one that ends. */
const EARLY_MS = 5 * 60_000;
/** A change made by another process takes effect within this time. */
const CACHE_MS = 10_000;
const MAX_CACHED = 5_000;
/** No token is renewed more often: not by a forge that refuses everything, nor by one whose tokens live a minute. */
const PAUSE_MS = 30_000;
/** After failures in a row: 1 s, 2 s, 4 s … */
const BACKOFF = { baseMs: 1_000, capMs: 60_000 };
/** The forge has given tokens that cannot be stored: the old refresh token may be void by now. */
const SAVE_ATTEMPTS = 4;

const reconnect = (reason: string) =>
  new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', reason, { details: { reconnect: true } });

export const EXPIRED = 'The token has expired and cannot be renewed: connect the account again.';

export function createTokenKeeper(o: TokenKeeperOptions): TokenKeeper {
  const clock = o.clock ?? systemClock;
  const cache = new Map<string, { at: number; tokens: StoredTokens }>();
  const flights = new Map<string, Promise<StoredTokens>>();
  /** Given by the forge and not stored yet, beside what they replace. */
  const unsaved = new Map<string, { previous: StoredTokens; tokens: GrantedTokens }>();
  const now = () => clock.now().getTime();

  const isAlive = ({ expiresAt }: StoredTokens) => expiresAt === undefined || expiresAt.getTime() > now();
  const endsWithin = ({ expiresAt }: StoredTokens, ms: number) =>
    expiresAt !== undefined && expiresAt.getTime() < now() + ms;
  const since = (date: Date | undefined) => (date === undefined ? Number.POSITIVE_INFINITY : now() - date.getTime());

  const canRenew = ({ refreshToken, refreshTokenExpiresAt }: StoredTokens) =>
    refreshToken !== undefined && (refreshTokenExpiresAt === undefined || refreshTokenExpiresAt.getTime() > now());

  /** Whether the forge may be asked yet. */
  const mayAsk = (tokens: StoredTokens, wasRefused: boolean): boolean => {
    if (since(tokens.grantedAt) < PAUSE_MS) return false;
    const backoff = Math.min(BACKOFF.baseMs * 2 ** (tokens.failures - 1), BACKOFF.capMs);
    return since(tokens.failedAt) >= Math.max(backoff, wasRefused ? PAUSE_MS : 0);
  };

  const keep = (key: string, tokens: StoredTokens): StoredTokens => {
    cache.delete(key);
    cache.set(key, { at: now(), tokens });
    const oldest = cache.keys().next();
    if (cache.size > MAX_CACHED && !oldest.done) cache.delete(oldest.value);
    return tokens;
  };

  const load = async (key: string): Promise<StoredTokens> => {
    const tokens = await o.read(key);
    if (tokens === undefined) {
      cache.delete(key);
      throw new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', 'The connection was removed.', {
        details: { removed: true },
      });
    }
    if (tokens.ended !== undefined) {
      cache.delete(key);
      throw reconnect(tokens.ended);
    }
    return keep(key, tokens);
  };

  const cached = (key: string): StoredTokens | undefined => {
    const known = cache.get(key);
    const age = known === undefined ? CACHE_MS : now() - known.at;
    // Near its end another process may have replaced it already, and the forge no longer take the old one.
    if (known === undefined || age < 0 || age >= CACHE_MS || endsWithin(known.tokens, EARLY_MS + CACHE_MS))
      return undefined;
    return known.tokens;
  };

  const save = async (key: string, previous: StoredTokens, tokens: GrantedTokens): Promise<void> => {
    unsaved.set(key, { previous, tokens });
    for (let attempt = 1; ; attempt += 1)
      try {
        await o.replace(key, previous, tokens);
        unsaved.delete(key);
        return;
      } catch (error) {
        o.log?.warn({ key, attempt, err: messageOf(error) }, 'new tokens could not be stored');
        if (attempt >= SAVE_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt));
      }
  };

  const end = async (key: string, tokens: StoredTokens, reason: string): Promise<StoredTokens> => {
    o.log?.warn({ key, reason }, 'a token cannot be renewed any more');
    await o.end(key, tokens, reason);
    // Read anew, since somebody may have connected again meanwhile; usually this throws the reason.
    return load(key);
  };

  const ask = async (key: string, refreshToken: string): Promise<RefreshOutcome> => {
    try {
      return await o.refresh(key, refreshToken);
    } catch (error) {
      return { kind: 'failed', reason: messageOf(error) };
    }
  };

  const unavailable = (reason: string) =>
    new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', `The token has ended and could not be renewed: ${reason}`);

  /** The tokens where there is nothing to do, undefined where they are to be renewed. @throws ForgewayError when they ended */
  const settled = (tokens: StoredTokens, wasRefused: boolean): StoredTokens | undefined => {
    if (!wasRefused && !endsWithin(tokens, EARLY_MS)) return tokens;
    if (!canRenew(tokens)) return isAlive(tokens) ? tokens : undefined;
    if (mayAsk(tokens, wasRefused)) return undefined;
    if (isAlive(tokens)) return tokens;
    throw unavailable('the forge was asked a moment ago.');
  };

  /** Decided anew by whoever holds the lock. */
  const renewHeld = async (key: string, refusedToken: string | undefined): Promise<StoredTokens> => {
    const tokens = await load(key);
    const pending = unsaved.get(key);
    if (pending !== undefined && pending.previous.refreshToken === tokens.refreshToken) {
      await save(key, tokens, pending.tokens);
      return load(key);
    }
    unsaved.delete(key);
    const good = settled(tokens, tokens.accessToken === refusedToken);
    if (good !== undefined) return good;
    const { refreshToken, refreshTokenExpiresAt } = tokens;
    if (refreshToken === undefined || !canRenew(tokens)) return end(key, tokens, EXPIRED);
    const outcome = await ask(key, refreshToken);
    if (outcome.kind === 'ended') return end(key, tokens, outcome.reason);
    if (outcome.kind === 'failed') {
      o.log?.warn({ key, reason: outcome.reason }, 'a token could not be renewed');
      await o.failed(key, tokens, clock.now());
      const counted = await load(key);
      if (isAlive(counted)) return counted;
      throw unavailable(outcome.reason);
    }
    // Some forges give no new refresh token: then the old one goes on.
    const kept = outcome.tokens.refreshToken === undefined ? { refreshToken, refreshTokenExpiresAt } : {};
    await save(key, tokens, { ...kept, ...outcome.tokens });
    return load(key);
  };

  /** Callers that come while it is under way share it. */
  const shared = (key: string, refusedToken?: string): Promise<StoredTokens> => {
    const running = flights.get(key);
    if (running !== undefined) return running;
    const run = async () => {
      const tokens = await load(key);
      const good = settled(tokens, tokens.accessToken === refusedToken);
      return good ?? o.lock(key, () => renewHeld(key, refusedToken));
    };
    const flight = run().finally(() => flights.delete(key));
    flights.set(key, flight);
    return flight;
  };

  return {
    token: async (key) => (cached(key) ?? (await shared(key))).accessToken,

    async refused(key, accessToken) {
      try {
        return (await shared(key, accessToken)).accessToken !== accessToken;
      } catch (error) {
        // The caller has the forge's own answer; why there is no other token is said to whoever asks for one next.
        if (error instanceof ForgewayError) return false;
        throw error;
      }
    },

    forget: (key) => void cache.delete(key),
  };
}
