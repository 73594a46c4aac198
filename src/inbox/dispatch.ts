import type { JsonObject } from '../forges/forge.js';
import type { DispatchAttempt, RunWrites } from '../lib/delivery-scope.js';

/** The one function the inbox is handed: what it calls for each row, and what it must be told back. */

/** What a row is about, before it has a number. */
export interface PreparedRow {
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
  receivedAt: Date;
  /** Content type of the body, as the sender named it. */
  contentType: string;
  /** Raw body as received. */
  body: Buffer;
  /** The same, parsed already and for this run alone; absent: whoever needs it parses the body. */
  payload?: JsonObject;
}

export interface DispatchRow extends PreparedRow {
  id: bigint;
  lane: string;
  /** See LaneRow. */
  writes: RunWrites;
  refresh: boolean;
  /** Only what in it is urgent is to be done, since a pause covers it or its turn has not come; then it is run once more. */
  urgent: boolean;
  /** Attempts that began before this one. */
  attempts: number;
  /** What a write of this run must still be, to be sent. Absent: it is run ahead of its turn, and is no attempt. */
  attempt?: DispatchAttempt;
}

export type DispatchResult = { kind: 'done' } | { kind: 'ignored'; reason: string };

export interface Dispatcher {
  /** Names of the apps that listen to this event. Empty: the delivery is ignored with that reason. */
  subscribers(eventName: string, action: string | undefined): readonly string[];
  /**
   * This event will most likely be run in a moment, when it is written down that it is: what needs nothing but reading may
   * begin. It is never needed, and `run` may not follow.
   */
  prepare?(row: PreparedRow): void;
  /**
   * Runs one app on one event. Rejects when the app failed; `isPermanent` tells whether trying again can help.
   * `signal` aborts when the row has held its lane too long; the promise may still settle later and is then ignored.
   */
  run(row: DispatchRow, signal: AbortSignal): Promise<DispatchResult>;
  /**
   * Whether an app does something on such an event that waits for no pause and for nothing before it: tells by what was received, as
   * text, whether it may be in there. Undefined: all of it waits.
   */
  urgent?(app: string, eventName: string, action: string | null): ((received: string) => boolean) | undefined;
  /** True for errors that repeat whatever we do (404, 422, 501, a payload that breaks its schema). */
  isPermanent(error: unknown): boolean;
}
