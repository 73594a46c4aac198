/** Renewing a token that a forge gave by OAuth: one request, and what its answer means. */
import type { RenewToken } from '../accounts/connections.js';
import { whyNotAsked } from '../accounts/sign-in/exchange.js';
import { oauthClientOf } from '../accounts/sign-in/oauth-clients.js';
import type { RefreshOutcome } from '../accounts/tokens/keeper.js';
import { createVault } from '../accounts/vault.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import { type OAuthClient, readTokenAnswer, tokenRequest } from '../forges/oauth.js';
import type { Clock } from '../lib/clock.js';
import { ForgewayError } from '../lib/errors.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import type { Send } from './forge-fetch.js';
import { readLimited } from './read-limited.js';

/**
 * The client that an administrator registered on an instance, and by which way it is reached; undefined when there is none.
 */
export type FindOAuthClient = (instance: {
  organizationId: string;
  forge: string;
  host: string;
  /** Of the pages below which tokens are asked for: the client of another address must not be told to it. */
  webUrl: string;
}) => Promise<(OAuthClient & { route?: OutboundRoute }) | undefined>;

/** The clients that people sign in with, which are the ones that administrators registered. @param o.store as the worker role */
export function registeredClients(o: { store: Store; keys: Pick<MasterKeys, 'versions'> }): FindOAuthClient {
  const vault = createVault(o.keys.versions);
  return (instance) => oauthClientOf(o.store.pool, vault, instance);
}

export interface TokenRenewalOptions {
  send: Send;
  clock: Clock;
  clientOf: FindOAuthClient;
  timeoutMs?: number;
}

/** Shorter than the lease of whoever renews. */
const TIMEOUT_MS = 15_000;
const MAX_BYTES = 64 * 1024;

/** What a refusal means for the person whose token it is. */
function refusedBecause(forge: ForgeDescriptor, host: string, error: string): RefreshOutcome {
  if (forge.oauth?.deadGrant.has(error))
    return {
      kind: 'ended',
      reason: `${forge.label} at ${host} gives no new token: access was revoked there, or not used for too long. Connect the account again.`,
    };
  return {
    kind: 'failed',
    reason: `${host} refuses the OAuth client (${error}): an administrator has to check its id and secret.`,
  };
}

export function createTokenRenewal(o: TokenRenewalOptions): RenewToken {
  return async ({ organizationId, forge, baseUrl }, refreshToken) => {
    const endpoint = forge.endpoint(baseUrl);
    const { host, webUrl } = endpoint;
    if (forge.oauth === undefined) return { kind: 'failed', reason: `${forge.label} gives no tokens by OAuth.` };
    const client = await o.clientOf({ organizationId, forge: forge.id, host, webUrl });
    if (client === undefined) return { kind: 'failed', reason: `no OAuth client is set up for ${host}.` };
    const sentAt = o.clock.now();
    const { route, ...credentials } = client;
    const { url, init } = tokenRequest(forge.oauth, endpoint, credentials, { type: 'refresh', refreshToken });
    // A redirect would carry the refresh token and the client's secret to wherever it points.
    const signal = AbortSignal.timeout(o.timeoutMs ?? TIMEOUT_MS);
    const sent = await o.send(url, { ...init, redirect: 'manual', signal }, route).catch((error: unknown) => {
      if (error instanceof ForgewayError) throw error;
      throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', whyNotAsked(host, error), { cause: error });
    });
    const whole = await readLimited(sent, new URL(url), MAX_BYTES);
    const answer = readTokenAnswer(whole.status, await whole.text(), sentAt);
    if (answer.kind === 'granted') return answer;
    if (answer.kind === 'unclear') return { kind: 'failed', reason: answer.reason };
    return refusedBecause(forge, host, answer.error);
  };
}
