/**
 * What a delivery becomes, as golden files hold it. One comparison for the shared suite and for every forge's own tests, so
 * that no forge is compared by less than the others.
 */
import {
  eachOf,
  type ForgeDescriptor,
  type ForgeEvent,
  type JsonObject,
  type TranslatePorts,
} from '../../src/forges/forge.js';

/** A delivery as the server sends it, what was kept of the object before, and what the API would answer. */
export interface NativeHook {
  eventType: string;
  payload: JsonObject;
  previous?: JsonObject;
  answers?: Readonly<Record<string, unknown>>;
}

/** Why it is ignored, or everything that apps are told. */
export interface Translated {
  ignored?: string;
  /** 'undefined' for a delivery that is of no repository. */
  repositoryId?: string;
  number?: number;
  events?: (ForgeEvent & { payload: JsonObject })[];
}

export const receivedAt = new Date('2026-03-02T10:00:05Z');

/** Everything that apps are told of a delivery: every event with its whole payload. */
export async function translatedBy(
  descriptor: ForgeDescriptor,
  { eventType, payload, previous }: NativeHook,
  ports: TranslatePorts,
  options: { confidential?: boolean } = {},
): Promise<Translated> {
  const classified = descriptor.classify(eventType, payload, { ...(previous && { previous }), ...options });
  if (classified.kind === 'ignored') return { ignored: classified.reason };
  const events: (ForgeEvent & { payload: JsonObject })[] = [];
  for (const event of classified.events) {
    // As it comes back from where it was stored.
    const stored = JSON.parse(JSON.stringify(event)) as ForgeEvent;
    const told = await descriptor.payload({ eventType, payload, receivedAt }, stored, ports);
    events.push(...eachOf(told).map((one) => ({ ...stored, payload: one })));
  }
  return {
    repositoryId: String(classified.repositoryId),
    ...(classified.number !== undefined && { number: classified.number }),
    events,
  };
}

/**
 * As golden files hold it. Addresses and node ids follow from the rest; they are proven by themselves and would make up two
 * thirds of the files. What is passed on as it came, under the forge's own name, stands in the delivery already.
 */
export function asGolden(told: Translated, { id }: Pick<ForgeDescriptor, 'id'>): unknown {
  return JSON.parse(
    JSON.stringify(told, (key, inner: unknown) => {
      if (key === id) return 'as it came';
      return /(?:^|_)url$|node_id$|^_links$/.test(key) ? undefined : inner;
    }),
  );
}
