/** Renewing a token that a forge gave by OAuth: one request, and what its answer means. */
import type { RenewToken } from '../accounts/connections.js';
import type { RefreshOutcome } from '../accounts/tokens/keeper.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import { type OAuthClient, readTokenAnswer, tokenRequest } from '../forges/oauth.js';
import type { Clock } from '../lib/clock.js';
import type { Fetch } from './forge-fetch.js';
import { readLimited } from './read-limited.js';

/** The client that an administrator registered on an instance; undefined when there is none. */
export type FindOAuthClient = (instance: {
  organizationId: string;
  forge: string;
  host: string;
}) => Promise<OAuthClient | undefined>;

export interface TokenRenewalOptions {
  send: Fetch;
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
    const { host } = endpoint;
    if (forge.oauth === undefined) return { kind: 'failed', reason: `${forge.label} gives no tokens by OAuth.` };
    const client = await o.clientOf({ organizationId, forge: forge.id, host });
    if (client === undefined) return { kind: 'failed', reason: `no OAuth client is set up for ${host}.` };
    const sentAt = o.clock.now();
    const { url, init } = tokenRequest(forge.oauth, endpoint, client, { type: 'refresh', refreshToken });
    // A redirect would carry the refresh token and the client's secret to wherever it points.
    const signal = AbortSignal.timeout(o.timeoutMs ?? TIMEOUT_MS);
    const response = await o.send(url, { ...init, redirect: 'manual', signal });
    const whole = await readLimited(response, new URL(url), MAX_BYTES);
    const answer = readTokenAnswer(whole.status, await whole.text(), sentAt);
    if (answer.kind === 'granted') return answer;
    if (answer.kind === 'unclear') return { kind: 'failed', reason: answer.reason };
    return refusedBecause(forge, host, answer.error);
  };
}
