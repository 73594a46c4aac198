/** The two requests of a sign-in that leave this machine: the code for a token, and the token for who it speaks for. */
import { parseJson } from '../../forges/kit/json-body.js';
import { RouteFailure } from '../../forges/kit/route.js';
import { type ForgeIdentity, type GrantedTokens, readTokenAnswer, tokenRequest } from '../../forges/oauth.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { askOnce, type Fetch } from '../../lib/outbound/ask-once.js';
import type { OutboundRoute } from '../../lib/outbound/outbound.js';
import type { OAuthClientAccess, SignInClient } from './oauth-clients.js';

export type { Fetch } from '../../lib/outbound/ask-once.js';

const failed = (message: string, cause?: unknown) => new ForgewayError('FORGEWAY_SIGN_IN_FAILED', message, { cause });

const MOST_CAUSES = 5;

/** Why a request for a token or with one got no answer, and what the administrator does where that is clear. */
export function whyNotAsked(host: string, error: unknown): string {
  let current = error;
  // By its shape: it may have passed through code of another realm.
  for (let depth = 0; depth < MOST_CAUSES && typeof current === 'object' && current !== null; depth += 1) {
    const message = 'message' in current ? String(current.message) : '';
    if (/certificate/i.test(message))
      return `The certificate of ${host} is not trusted here (${message}). An administrator gives the one of its authority at /setup or with \`forgeway sign-in clients add --ca-file\`.`;
    current = 'cause' in current ? current.cause : undefined;
  }
  return `${host} could not be asked: ${messageOf(error)}.`;
}

async function ask(
  fetch: Fetch,
  url: string,
  init: RequestInit,
  route: OutboundRoute | undefined,
): Promise<{ status: number; text: string }> {
  try {
    return await askOnce(fetch, url, init, route);
  } catch (error) {
    if (error instanceof ForgewayError) throw error;
    throw failed(whyNotAsked(new URL(url).host, error), error);
  }
}

/**
 * Exchanges a code. It is sent once: a code that the forge has seen is worth nothing more.
 * @throws ForgewayError FORGEWAY_SIGN_IN_FAILED
 */
export async function exchangeCode(
  fetch: Fetch,
  client: SignInClient,
  { secret, route }: OAuthClientAccess,
  grant: { code: string; verifier: string; redirectUri: string },
): Promise<GrantedTokens> {
  const { oauth, endpoint, clientId } = client;
  const sentAt = new Date();
  const oauthClient = { id: clientId, ...(secret !== undefined && { secret }) };
  const { url, init } = tokenRequest(oauth, endpoint, oauthClient, { type: 'code', ...grant });
  const { status, text } = await ask(fetch, url, init, route);
  const answer = readTokenAnswer(status, text, sentAt);
  if (answer.kind === 'granted') return answer.tokens;
  throw failed(
    answer.kind === 'refused'
      ? `${endpoint.host} refused the code: ${answer.error}.`
      : `${endpoint.host}: ${answer.reason}`,
  );
}

/** @throws ForgewayError FORGEWAY_SIGN_IN_FAILED; RouteFailure where the forge's answer is not as documented */
export function askIdentity(
  fetch: Fetch,
  client: SignInClient,
  { accessToken, route }: { accessToken: string; route?: OutboundRoute | undefined },
): Promise<ForgeIdentity> {
  const { endpoint, oauth } = client;
  return oauth.identity({
    async get(path) {
      const headers = {
        accept: 'application/json',
        authorization: `Bearer ${accessToken}`,
        'user-agent': 'forgeway',
      };
      const { status, text } = await ask(fetch, `${endpoint.apiUrl}${path}`, { headers }, route);
      if (status !== 200) throw new RouteFailure(status < 400 ? 502 : status, `${endpoint.host} answered ${status}.`);
      return parseJson(text);
    },
  });
}
