import type { JsonObject } from '../forges/forge.js';
import type { DispatchAttempt, RunWrites } from '../lib/delivery-scope.js';

/** The one function the inbox is handed: what it calls for each row, and what it must be told back. */

export interface DispatchRow {
  id: bigint;
  deliveryId: bigint;
  deliveryKey: string;
  hookId: string;
  forge: string;
  host: string;
  organizationId: string;
  /** The native event name from the headers. */
  eventType: string;
  /** `webhook`, or who else reported it. */
  source: string;
  eventIndex: number;
  eventName: string;
  action: string | null;
  /** What changed, see ForgeEvent; null where the payload says it itself. */
  change: JsonObject | null;
  app: string;
  lane: string;
  /** See LaneRow. */
  writes: RunWrites;
  refresh: boolean;
  /** Attempts that began before this one. */
  attempts: number;
  /** What a write of this run must still be, to be sent. */
  attempt: DispatchAttempt;
  receivedAt: Date;
  /** Content type of the body, as the sender named it. */
  contentType: string;
  /** Raw body as received. */
  body: Buffer;
  /** The same, parsed already and for this run alone; absent: whoever needs it parses the body. */
  payload?: JsonObject;
}

export type DispatchResult = { kind: 'done' } | { kind: 'ignored'; reason: string };

export interface Dispatcher {
  /** Names of the apps that listen to this event. Empty: the delivery is ignored with that reason. */
  subscribers(eventName: string, action: string | undefined): readonly string[];
  /**
   * Runs one app on one event. Rejects when the app failed; `isPermanent` tells whether trying again can help.
   * `signal` aborts when the row has held its lane too long; the promise may still settle later and is then ignored.
   */
  run(row: DispatchRow, signal: AbortSignal): Promise<DispatchResult>;
  /** True for errors that repeat whatever we do (404, 422, 501, a payload that breaks its schema). */
  isPermanent(error: unknown): boolean;
}
