/** A GitHub App's own signature (JWT) and the installation tokens it is given for it. */
import { createPrivateKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';

const MINUTE = 60_000;
/** Tokens live 60 minutes; the rest is for requests that are under way and for clocks that differ. */
const TOKEN_CACHE_MS = 50 * MINUTE;
/** A token younger than this is not replaced, so that a forge which refuses everything is not asked again and again. */
const RENEWAL_PAUSE_MS = 30_000;
const MAX_CACHED_TOKENS = 5_000;

/** These are answered to the App itself and not to one of its installations. */
const APP_ROUTES =
  /^\/(?:app|app\/.*|marketplace_listing\/.*|(?:orgs|users|enterprises)\/[^/]+\/installation|repos\/[^/]+\/[^/]+\/installation)$/;

/** `path` is relative to the API's base, without a query. */
export function needsAppSignature(path: string): boolean {
  return APP_ROUTES.test(path);
}

export interface TokenScope {
  installationId: bigint;
  /** Narrows the token to these repositories. */
  repositoryIds?: readonly bigint[];
  /** Narrows the token to these permissions, such as `{ contents: 'read' }`. */
  permissions?: Readonly<Record<string, string>>;
}

export interface InstallationToken {
  token: string;
  createdAt: Date;
  expiresAt: Date;
  /** As the forge told. */
  permissions?: Readonly<Record<string, string>>;
  repositorySelection?: string;
}

export interface AppAuth {
  readonly appId: string;
  /** The App's JWT: ten minutes long, of which one lies in the past for clocks that run behind ours. */
  signature(): Promise<{ token: string; expiresAt: Date }>;
  /** Cached 50 minutes; callers that come while one is being made share it. */
  installationToken(scope: TokenScope): Promise<InstallationToken>;
  /**
   * The forge answered 401 to this token. True when the next caller gets a new one, false when this one was made just
   * now and is kept.
   */
  reject(scope: TokenScope, token: string): Promise<boolean>;
}

export interface AppAuthOptions {
  appId: string;
  /** PEM, PKCS#1 or PKCS#8. */
  privateKey: string;
  apiUrl: string;
  clock: Clock;
  /** Sends a request that {@link AppAuth.signature} signs. */
  send(url: string, init: RequestInit): Promise<Response>;
}

const answerSchema = z.object({
  token: z.string().min(1),
  expires_at: z.coerce.date(),
  permissions: z.record(z.string(), z.string()).optional(),
  repository_selection: z.string().optional(),
});

/** @throws ForgewayError naming why the forge gave no token. */
async function refusal(response: Response, scope: TokenScope): Promise<ForgewayError> {
  const { status } = response;
  const details = { status, installation: scope.installationId.toString() };
  const limited = status === 429 || response.headers.has('retry-after');
  if (status === 401)
    return new ForgewayError('FORGEWAY_APP_REFUSED', 'The forge does not accept the signature of the App.', {
      details,
    });
  if (!limited && (status === 403 || status === 404 || status === 422))
    return new ForgewayError(
      'FORGEWAY_INSTALLATION_UNKNOWN',
      `Installation ${scope.installationId} gives no token: it was removed or suspended, or does not cover the repository.`,
      { details },
    );
  return new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', `The forge answered ${status} when asked for a token.`, {
    details,
  });
}

export function createAppAuth(o: AppAuthOptions): AppAuth {
  const key = createPrivateKey(o.privateKey);
  const tokens = new Map<string, Promise<InstallationToken>>();

  const cacheKey = (scope: TokenScope) =>
    JSON.stringify([
      scope.installationId.toString(),
      (scope.repositoryIds ?? []).map(String).sort(),
      Object.entries(scope.permissions ?? {}).sort(),
    ]);

  const mint = async (scope: TokenScope): Promise<InstallationToken> => {
    const createdAt = o.clock.now();
    const response = await o.send(`${o.apiUrl}/app/installations/${scope.installationId}/access_tokens`, {
      method: 'POST',
      headers: { accept: 'application/vnd.github+json', 'content-type': 'application/json' },
      body: JSON.stringify({
        ...(scope.repositoryIds && { repository_ids: scope.repositoryIds.map(Number) }),
        ...(scope.permissions && { permissions: scope.permissions }),
      }),
    });
    if (!response.ok) throw await refusal(response, scope);
    const answer = answerSchema.safeParse(await response.json().catch(() => undefined));
    if (!answer.success)
      throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', 'The forge answered a request for a token with no token.');
    const { token, expires_at: expiresAt, permissions, repository_selection: repositorySelection } = answer.data;
    return {
      ...{ token, createdAt, expiresAt },
      ...(permissions && { permissions }),
      ...(repositorySelection && { repositorySelection }),
    };
  };

  const isFresh = (token: InstallationToken) => {
    const now = o.clock.now().getTime();
    return now < token.createdAt.getTime() + TOKEN_CACHE_MS && now < token.expiresAt.getTime() - 5 * MINUTE;
  };

  return {
    appId: o.appId,
    async signature() {
      const now = Math.floor(o.clock.now().getTime() / 1_000);
      const expires = now + 540;
      const token = await new SignJWT()
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
        .setIssuer(o.appId)
        .setIssuedAt(now - 60)
        .setExpirationTime(expires)
        .sign(key);
      return { token, expiresAt: new Date(expires * 1_000) };
    },
    async installationToken(scope) {
      const name = cacheKey(scope);
      const cached = tokens.get(name);
      if (cached !== undefined) {
        const token = await cached;
        if (isFresh(token)) return token;
        // Whoever came first has replaced it already.
        if (tokens.get(name) !== cached) return this.installationToken(scope);
      }
      const minted = mint(scope);
      tokens.delete(name);
      tokens.set(name, minted);
      const oldest = tokens.keys().next();
      if (tokens.size > MAX_CACHED_TOKENS && !oldest.done) tokens.delete(oldest.value);
      minted.catch(() => {
        if (tokens.get(name) === minted) tokens.delete(name);
      });
      return minted;
    },
    async reject(scope, token) {
      const name = cacheKey(scope);
      const cached = tokens.get(name);
      if (cached === undefined) return true;
      const current = await cached;
      if (current.token !== token) return true;
      const age = o.clock.now().getTime() - current.createdAt.getTime();
      if (age < RENEWAL_PAUSE_MS) return false;
      if (tokens.get(name) === cached) tokens.delete(name);
      return true;
    },
  };
}
