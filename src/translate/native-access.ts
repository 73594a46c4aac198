/** Asking a forge natively outside of any delivery: for commands that connect forges and look after their hooks. */
import type { OpenConnection } from '../accounts/connections.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import { type Clock, systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import { connectionCredential } from './credential.js';
import { createForgeFetch, type Send } from './forge-fetch.js';
import { createNativeClient } from './native-client.js';
import { createRequestLimits } from './request-limits.js';

/** Requests with a connection's token, through the same guard of origins, times, sizes and limits as an app's. */
export function openNativeAccess(o: { log: Logger; clock?: Clock; fetch: Send }) {
  const clock = o.clock ?? systemClock;
  const fetchFor = createForgeFetch({
    send: o.fetch,
    limits: createRequestLimits(clock),
    log: o.log,
    metrics: createMetrics(),
    clock,
  });
  return (connection: OpenConnection): NativeClient => {
    const credential = connectionCredential(connection);
    return createNativeClient(fetchFor(credential), credential.endpoint.apiUrl, connection.forge.failureMessage);
  };
}
