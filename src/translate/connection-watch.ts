/**
 * Learns from the answers to everybody's requests what has become of a connection. A refusal of the token is confirmed by
 * asking who it is, since one refused request may have other reasons; a host counts as unreachable when its circuit opens.
 */

import { isTokenRefused } from '../accounts/connecting/probe.js';
import { type ConnectionState, noteState, refusedState } from '../accounts/connection-state.js';
import type { OpenConnection } from '../accounts/connections.js';
import type { Clock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import type { ForgeWatch, Send } from './forge-fetch.js';
import { openNativeAccess } from './native-access.js';
import { routeShape } from './route-shape.js';

export interface ConnectionWatchOptions {
  store: Store;
  log: Logger;
  clock: Clock;
  /** Asks the forge who the token is. True when it is refused. */
  isRefused(connection: OpenConnection): Promise<boolean>;
  /** It is opened anew by the next who needs it. */
  forget(connectionId: string): void;
}

/** The same is not said, and not asked, again within this time. */
const AGAIN_MS = 30_000;
const LONGEST_SCOPE = 200;

export function createConnectionWatch(o: ConnectionWatchOptions): ForgeWatch {
  const said = new Map<string, number>();

  const isNews = (connectionId: string, what: string): boolean => {
    const key = `${connectionId} ${what}`;
    const now = o.clock.now().getTime();
    const last = said.get(key);
    if (last !== undefined && now >= last && now - last < AGAIN_MS) return false;
    said.set(key, now);
    return true;
  };

  const note = async (connection: OpenConnection, status: ConnectionState, reason: string | null): Promise<void> => {
    const { id, organizationId } = connection;
    if (!(await noteState(o.store, organizationId, id, status, reason))) return;
    o.forget(id);
    o.log.warn({ connection: id, forge: connection.forge.id, host: connection.host, status }, 'a connection changed');
  };

  /** Beside the request that showed it, which has its answer and waits for nothing. */
  const beside = (connection: OpenConnection, work: () => Promise<void>): void => {
    work().catch((error: unknown) => {
      // The next answer shows it again.
      said.clear();
      o.log.warn({ connection: connection.id, reason: messageOf(error) }, 'the state of a connection was not noted');
    });
  };

  const confirmRefusal = async (connection: OpenConnection): Promise<void> => {
    if (!(await o.isRefused(connection))) return;
    const { expiresAt } = connection;
    const status = refusedState(expiresAt, o.clock.now());
    const when = status === 'expired' ? ` It ended on ${expiresAt?.toISOString().slice(0, 10)}.` : '';
    await note(connection, status, `The forge refuses the token.${when}`);
  };

  return {
    answered(connection, method, path, response) {
      if (response.status === 401) {
        if (isNews(connection.id, 'refused')) beside(connection, () => confirmRefusal(connection));
        return;
      }
      if (connection.status === 'unreachable' && isNews(connection.id, 'answers'))
        beside(connection, () => note(connection, 'active', null));
      if (response.status !== 403) return;
      const copy = response.clone();
      beside(connection, async () => {
        const scope = connection.forge.administration?.missingScope?.(await copy.text())?.slice(0, LONGEST_SCOPE);
        if (scope === undefined || !isNews(connection.id, `scope ${scope}`)) return;
        const request = `${method} ${routeShape(path)}`;
        await note(connection, 'insufficient_scope', `The token lacks the scope ${scope}, which ${request} needs.`);
      });
    },
    unanswered(connection, reason) {
      if (isNews(connection.id, 'silent')) beside(connection, () => note(connection, 'unreachable', reason));
    },
  };
}

/** Asks without being watched: what a probe tries on purpose is often refused. */
export function createRefusalCheck(o: { log: Logger; clock: Clock; fetch: Send }): ConnectionWatchOptions['isRefused'] {
  const nativeOf = openNativeAccess(o);
  return (connection) => isTokenRefused(connection, nativeOf);
}
