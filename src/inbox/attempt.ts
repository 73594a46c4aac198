import type { JsonObject } from '../forges/forge.js';
import { ForgewayError } from '../lib/errors.js';
import type { Dispatcher, DispatchResult, DispatchRow } from './dispatch.js';
import type { LaneRow } from './row.js';

export type AttemptResult =
  | { kind: 'settled'; result: DispatchResult }
  | { kind: 'failed'; error: unknown; permanent: boolean; timedOut: boolean };

function dispatchRow(
  row: LaneRow,
  epoch: bigint | undefined,
  body: Buffer,
  payload: JsonObject | undefined,
): DispatchRow {
  return {
    id: row.id,
    deliveryId: row.deliveryId,
    deliveryKey: row.deliveryKey,
    hookId: row.hookId,
    forge: row.forge,
    host: row.host,
    organizationId: row.organizationId,
    eventType: row.eventType,
    source: row.source,
    eventIndex: row.eventIndex,
    eventName: row.eventName,
    action: row.action,
    change: row.change,
    app: row.app,
    lane: row.lane,
    writes: row.writes,
    refresh: row.refresh,
    urgent: row.urgency === 'now',
    attempts: Math.max(row.attempts - 1, 0),
    ...(epoch !== undefined && { attempt: { dispatchId: row.id, epoch, number: row.attempts } }),
    receivedAt: row.receivedAt,
    contentType: row.contentType,
    body,
    ...(payload && { payload }),
  };
}

/**
 * Runs one app on one event, for at most `timeoutMs`. Never rejects. After the time is over the signal aborts and the
 * handler, which cannot be stopped, is no longer waited for; what it does later is ignored.
 * @param epoch lease under which it begins; undefined: it is run ahead of its turn
 */
export function attempt(
  dispatcher: Dispatcher,
  row: LaneRow,
  epoch: bigint | undefined,
  body: Buffer,
  payload: JsonObject | undefined,
  timeoutMs: number,
  controller: AbortController,
): Promise<AttemptResult> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      const error = new ForgewayError(
        'FORGEWAY_HANDLER_TIMEOUT',
        `${row.app} did not finish ${row.eventName} within ${timeoutMs} ms`,
      );
      controller.abort(error);
      resolve({ kind: 'failed', error, permanent: false, timedOut: true });
    }, timeoutMs).unref();
    const fail = (error: unknown) => {
      clearTimeout(timer);
      resolve({ kind: 'failed', error, permanent: dispatcher.isPermanent(error), timedOut: false });
    };
    try {
      dispatcher.run(dispatchRow(row, epoch, body, payload), controller.signal).then((result) => {
        clearTimeout(timer);
        resolve({ kind: 'settled', result });
      }, fail);
    } catch (error) {
      fail(error);
    }
  });
}
