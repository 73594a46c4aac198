/** What every kind of hook is read with: check the fields, say what it is about, build the payload. */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { ForgewayError } from '../../../lib/errors.js';
import type { ClassifyOptions, ForgeEvent, JsonObject, NativeDelivery, TranslatePorts } from '../../forge.js';
import { time } from '../convert/read.js';

/** What a hook is about. `identity` tells it from another happening; without one the whole payload does. */
export type Finding =
  | { ignored: string }
  | { events: readonly ForgeEvent[]; repositoryId?: bigint; number?: number; identity?: unknown };

export interface Hook {
  /** Pure. */
  classify(payload: JsonObject, options: ClassifyOptions): Finding;
  /** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
  payload(delivery: NativeDelivery, event: ForgeEvent, ports: TranslatePorts): Promise<JsonObject>;
}

export const payloadInvalid = (what: string): ForgewayError => new ForgewayError('FORGEWAY_PAYLOAD_INVALID', what);

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

/** `object_attributes.iid is missing or of the wrong type` */
function problemOf(error: z.ZodError, payload: JsonObject): string {
  const path = error.issues[0]?.path ?? [];
  const name = path.join('.') || 'the payload';
  const value = path.reduce<unknown>(
    (at, key) => (isObject(at) ? (at as Record<PropertyKey, unknown>)[key] : at),
    payload,
  );
  return typeof value === 'number' && !Number.isSafeInteger(value)
    ? `${name} is not a whole number below 2^53, and would be another one here`
    : `${name} is missing or of the wrong type`;
}

const checks = new WeakMap<JsonObject, { type: z.ZodType; result: z.ZodSafeParseResult<unknown> }>();

/**
 * The payload under `type`. A delivery is read for what is kept of it and for what it is about, one after the other, and
 * checking costs a sixth of its translation: the last check of each payload is remembered.
 */
export function checked<T>(type: z.ZodType<T>, payload: JsonObject): z.ZodSafeParseResult<T> {
  const known = checks.get(payload);
  if (known?.type === type) return known.result as z.ZodSafeParseResult<T>;
  const result = type.safeParse(payload);
  checks.set(payload, { type, result });
  return result;
}

/** A hook whose payload is checked with `type` before anybody reads it. */
export function hook<T>(
  type: z.ZodType<T>,
  read: {
    classify(payload: T, options: ClassifyOptions): Finding;
    payload(payload: T, event: ForgeEvent, ports: TranslatePorts, delivery: NativeDelivery): Promise<JsonObject>;
  },
): Hook {
  return {
    classify(payload, options) {
      const parsed = checked(type, payload);
      return parsed.success ? read.classify(parsed.data, options) : { ignored: `${problemOf(parsed.error, payload)}.` };
    },
    async payload(delivery, event, ports) {
      const parsed = checked(type, delivery.payload);
      if (!parsed.success) throw payloadInvalid(`${event.name}: ${problemOf(parsed.error, delivery.payload)}`);
      return read.payload(parsed.data, event, ports, delivery);
    },
  };
}

/** Most identities are a list of texts and numbers, in which nothing is to be put in order. */
const isFlat = (value: unknown): boolean => Array.isArray(value) && !value.some(isObject);

/** Hash of a JSON value that does not depend on the order of keys. */
export function digest(value: unknown): string {
  const text = isFlat(value) ? JSON.stringify(value) : inOrder(value);
  return createHash('sha256')
    .update(text ?? '')
    .digest('hex')
    .slice(0, 32);
}

function inOrder(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner as JsonObject).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}

interface Opening {
  action?: string | null;
  state?: string | null;
  created_at?: string | null;
  updated_at?: string | null;
}

/** A hook is built a while after what it tells, and an account that merges by itself may be faster. */
const BUILT_WITHIN_MS = 3_600_000;

const isEnded = ({ action, state }: Opening): boolean =>
  action === 'open' && (state === 'closed' || state === 'merged');

/** Whether it is told to be opened and was closed long after it was: the button "Test" tells the newest one so, whatever became of it. */
export function isOver(told: Opening): boolean {
  const [created, updated] = [time(told.created_at), time(told.updated_at)].map((text) => Date.parse(text ?? ''));
  return isEnded(told) && !(Number(updated) - Number(created) < BUILT_WITHIN_MS);
}

export const OVER = 'It was closed long after it was opened: a test delivery of the webhook.';

/** As it was when it was opened, whatever became of it until its hook was built: GitHub opens nothing that is closed. */
export const asOpened = <T extends Opening>(told: T): T => (isEnded(told) ? { ...told, state: 'opened' } : told);

/** A commit that is none: 40 zeros, or 64 in a SHA-256 repository. */
export const isZero = (sha: string): boolean => /^0+$/.test(sha);
