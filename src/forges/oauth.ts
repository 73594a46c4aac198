/**
 * OAuth 2.0 as the forges speak it: what each descriptor tells of itself, and the requests and answers that are the same on
 * all of them. Nothing here sends anything, nor knows where tokens are kept.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { TokenFacts } from './administration.js';
import type { ForgeEndpoint } from './endpoint.js';
import { parseJson } from './kit/json-body.js';
import type { NativeClient } from './kit/native-client.js';
import { RouteFailure } from './kit/route.js';

/** Whom a token speaks for. Only the id says who somebody is: logins and e-mails are given to others in time. */
export interface ForgeIdentity {
  id: bigint;
  login: string;
  name: string | null;
  email: string | null;
  /** The forge says that the address was confirmed. An administrator of a self-hosted forge can make that up. */
  emailVerified: boolean;
  avatarUrl: string | null;
}

/** What an administrator registered on the forge. A public client has no secret. */
export interface OAuthClient {
  id: string;
  secret?: string;
}

export interface ForgeOAuth {
  /** Page where a person agrees. */
  authorizeUrl(endpoint: ForgeEndpoint): string;
  /** Gives tokens for a code or a refresh token. */
  tokenUrl(endpoint: ForgeEndpoint): string;
  /** How a grant is ended by the client; absent where only its owner can. */
  revocation?: {
    /** All of them, in order. Sending one again changes nothing. */
    requests(endpoint: ForgeEndpoint, client: OAuthClient, tokens: EndedTokens): readonly OAuthRequest[];
    /** Answers, beside success, that say that there is no such token any more. */
    gone: ReadonlySet<number>;
  };
  /** Page on which the owner of an account sees what has access to it, and ends it. */
  grantsUrl(endpoint: ForgeEndpoint): string;
  /** The only challenge that is accepted everywhere; a server that knows none ignores it. */
  pkce: 'S256';
  /** Each list is complete in itself. GitHub Apps ignore them: their permissions are the App's. */
  scopes: {
    /** Who somebody is. */
    signIn: readonly string[];
    /** The same, and which organizations, groups and teams they belong to. */
    membership: readonly string[];
    /** What the operations of the API need. */
    api: readonly string[];
  };
  /** Errors by which the forge says that a refresh token is used up, revoked or expired: asking again never helps. */
  deadGrant: ReadonlySet<string>;
  /** Asks who the token speaks for. @throws RouteFailure */
  identity(native: Pick<NativeClient, 'get'>): Promise<ForgeIdentity>;
  /** What its token is and may do, where that is not measured as of any other token. @throws RouteFailure 401 when it is refused */
  measure?(native: NativeClient): Promise<TokenFacts>;
}

/** Of one grant. */
export interface EndedTokens {
  accessToken: string;
  refreshToken?: string;
}

export interface OAuthRequest {
  url: string;
  init: { method: string; headers: Record<string, string>; body?: string };
}

/** The address a browser is sent to. `verifier` is the secret half of PKCE, 43 to 128 letters. */
export function authorizationUrl(
  oauth: ForgeOAuth,
  endpoint: ForgeEndpoint,
  o: { client: OAuthClient; redirectUri: string; state: string; scopes: readonly string[]; verifier: string },
): string {
  const url = new URL(oauth.authorizeUrl(endpoint));
  const parameters = {
    response_type: 'code',
    client_id: o.client.id,
    redirect_uri: o.redirectUri,
    state: o.state,
    scope: o.scopes.join(' '),
    code_challenge: createHash('sha256').update(o.verifier).digest('base64url'),
    code_challenge_method: oauth.pkce,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

export type OAuthGrant =
  | { type: 'code'; code: string; redirectUri: string; verifier: string }
  | { type: 'refresh'; refreshToken: string };

/** The request for tokens; its answer is read by {@link readTokenAnswer}. It changes something: send it once. */
export function tokenRequest(
  oauth: ForgeOAuth,
  endpoint: ForgeEndpoint,
  client: OAuthClient,
  grant: OAuthGrant,
): OAuthRequest {
  const form: Record<string, string> =
    grant.type === 'code'
      ? {
          grant_type: 'authorization_code',
          code: grant.code,
          redirect_uri: grant.redirectUri,
          code_verifier: grant.verifier,
        }
      : { grant_type: 'refresh_token', refresh_token: grant.refreshToken };
  return formRequest(oauth.tokenUrl(endpoint), client, form);
}

/** A form with the client's name and secret in it, which every forge accepts. */
export function formRequest(url: string, client: OAuthClient, form: Record<string, string>): OAuthRequest {
  const body = new URLSearchParams({
    ...form,
    client_id: client.id,
    ...(client.secret !== undefined && { client_secret: client.secret }),
  });
  return {
    url,
    init: {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: body.toString(),
    },
  };
}

export interface GrantedTokens {
  accessToken: string;
  /** Absent where tokens live until they are revoked. */
  refreshToken?: string;
  expiresAt?: Date;
  refreshTokenExpiresAt?: Date;
  /** Absent when the forge does not say. */
  scopes?: readonly string[];
}

export type TokenAnswer =
  | { kind: 'granted'; tokens: GrantedTokens }
  /** The forge understood and said no. */
  | { kind: 'refused'; error: string; description: string }
  /** It may have given tokens all the same: broken, overloaded, or a proxy's page. */
  | { kind: 'unclear'; reason: string };

const seconds = z.coerce.number().int().positive().max(4_000_000_000).optional().catch(undefined);
const granted = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional().catch(undefined),
  expires_in: seconds,
  refresh_token_expires_in: seconds,
  scope: z.string().optional().catch(undefined),
});
const refused = z.object({ error: z.string().min(1), error_description: z.string().optional().catch(undefined) });

/**
 * What a token request was answered. Errors are looked for in the body first: GitHub sends them with status 200.
 * Lifetimes are counted from `sentAt`, our own clock before the request left, so that no token is thought to live longer
 * than it does.
 */
export function readTokenAnswer(status: number, text: string, sentAt: Date): TokenAnswer {
  const data = jsonOf(text);
  const no = refused.safeParse(data);
  if (status < 500 && status !== 429 && no.success)
    return { kind: 'refused', error: no.data.error, description: no.data.error_description ?? '' };
  const yes = granted.safeParse(data);
  if (status >= 200 && status < 300 && yes.success) {
    const { access_token, refresh_token, expires_in, refresh_token_expires_in, scope } = yes.data;
    const after = (life: number) => new Date(sentAt.getTime() + life * 1_000);
    const tokens: GrantedTokens = {
      accessToken: access_token,
      ...(refresh_token !== undefined && { refreshToken: refresh_token }),
      ...(expires_in !== undefined && { expiresAt: after(expires_in) }),
      ...(refresh_token_expires_in !== undefined && { refreshTokenExpiresAt: after(refresh_token_expires_in) }),
      ...(scope !== undefined && { scopes: scope.split(/[\s,]+/).filter((one) => one !== '') }),
    };
    return { kind: 'granted', tokens };
  }
  // What a client gets that the forge does not know, or that may not ask for tokens.
  if (status === 401 || status === 403 || status === 404)
    return { kind: 'refused', error: `http_${status}`, description: '' };
  return { kind: 'unclear', reason: `The forge answered ${status} without a token.` };
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    // A page, or a body that was cut off: whatever it is, it holds no token.
    return undefined;
  }
}

const emails = z.array(
  z.object({ email: z.string(), primary: z.boolean().catch(false), verified: z.boolean().catch(false) }),
);

/** The main address of an account on a forge that lists addresses. Without the scope for it there is none to tell. */
export async function primaryEmail(
  native: Pick<NativeClient, 'get'>,
): Promise<Pick<ForgeIdentity, 'email' | 'emailVerified'>> {
  try {
    const list = emails.safeParse(await native.get('/user/emails'));
    const main = list.data?.find((one) => one.primary);
    return { email: main?.email ?? null, emailVerified: main?.verified ?? false };
  } catch (error) {
    if (error instanceof RouteFailure && (error.status === 403 || error.status === 404))
      return { email: null, emailVerified: false };
    throw error;
  }
}

/** An answer about the account itself that is not as documented: nobody may be signed in by it. */
export const notAnIdentity = () => new RouteFailure(502, 'The forge did not say whom the token belongs to.');
