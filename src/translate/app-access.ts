/** Asking a forge natively as an App itself, outside of any delivery: for connections whose key was just given. */
import type { ForgeEndpoint } from '../forges/endpoint.js';
import { createAppAuth } from '../forges/github/app-auth.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';
import { appCredential, type Credential } from './credential.js';
import { createForgeFetch, type Send } from './forge-fetch.js';
import { createNativeClient } from './native-client.js';
import { createRequestLimits } from './request-limits.js';

/** Signed by the App's key. @throws Error when the key is none */
export function openAppAccess(o: { log: Logger; fetch: Send }) {
  const clock = systemClock;
  const fetchFor = createForgeFetch({
    send: o.fetch,
    limits: createRequestLimits(clock),
    log: o.log,
    metrics: createMetrics(),
    clock,
  });
  return (endpoint: ForgeEndpoint, appId: string, privateKey: string, route?: OutboundRoute): NativeClient => {
    const auth = createAppAuth({
      appId,
      privateKey,
      apiUrl: endpoint.apiUrl,
      clock,
      send: (url, init) => fetchFor(credential)(url, init),
    });
    const credential: Credential = appCredential(endpoint, auth, route);
    return createNativeClient(fetchFor(credential), endpoint.apiUrl);
  };
}
