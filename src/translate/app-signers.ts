/** Apps that sign with keys of their own, each once per process, whichever of its installations is spoken for. */
import { createHash } from 'node:crypto';
import type { ForgeEndpoint } from '../forges/endpoint.js';
import { type AppAuth, createAppAuth } from '../forges/github/app-auth.js';
import type { Clock } from '../lib/clock.js';
import { ForgewayError } from '../lib/errors.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';
import { appCredential, type Credential } from './credential.js';
import type { Fetch } from './forge-fetch.js';

export interface AppSigner {
  auth: AppAuth;
  /** Speaks as the App itself. */
  credential: Credential;
}

export interface AppSigners {
  /** @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE when the key cannot be read */
  of(endpoint: ForgeEndpoint, appId: string, privateKey: string, route?: OutboundRoute): AppSigner;
}

/** Keys that were replaced leave theirs behind; more than this many Apps take turns. */
const MAX_KEPT = 1_000;

export function createAppSigners(o: { clock: Clock; fetchFor(credential: Credential): Fetch }): AppSigners {
  const kept = new Map<string, AppSigner>();

  const open = (endpoint: ForgeEndpoint, appId: string, privateKey: string, route?: OutboundRoute): AppSigner => {
    const options = {
      appId,
      privateKey,
      apiUrl: endpoint.apiUrl,
      clock: o.clock,
      // It asks for tokens in its own name, through the same fetch as everything else.
      send: (url: string, init: RequestInit): Promise<Response> => o.fetchFor(credential)(url, init),
    };
    let auth: AppAuth;
    try {
      auth = createAppAuth(options);
    } catch (cause) {
      throw new ForgewayError(
        'FORGEWAY_CONNECTION_UNUSABLE',
        `The private key of App ${appId} on ${endpoint.host} cannot be read: enter the whole PEM file again.`,
        { cause },
      );
    }
    const credential = appCredential(endpoint, auth, route);
    return { auth, credential };
  };

  return {
    of(endpoint, appId, privateKey, route) {
      // Its tokens are asked for by the same way.
      const secret = createHash('sha256')
        .update(JSON.stringify([privateKey, route]))
        .digest('base64');
      const key = JSON.stringify([endpoint.apiUrl, appId, secret]);
      const known = kept.get(key);
      if (known !== undefined) return known;
      const signer = open(endpoint, appId, privateKey, route);
      kept.set(key, signer);
      const oldest = kept.keys().next();
      if (kept.size > MAX_KEPT && !oldest.done) kept.delete(oldest.value);
      return signer;
    },
  };
}
