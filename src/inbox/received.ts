import type pg from 'pg';
import type { Classification, ForgeDescriptor, JsonObject, Snapshot } from '../forges/forge.js';
import type { Telling } from '../forges/poll.js';
import { isOwn } from '../lib/delivery-source.js';
import { type BodyEncoding, type BodyRecord, bodyColumns, bodyOf, withBodies } from './body-text.js';
import { readClassification } from './snapshots.js';
import { APP_HEADER, classifySynthesised } from './synthesised.js';

/** What a hook says of its deliveries. */
export interface ReceivedHook {
  organizationId: string;
  /** The connection that it belongs to. */
  connectionId: string | null;
  /** The App that it belongs to. */
  appId: string | null;
  /** The one repository at which it was made, by the forge's own number; null: it tells of many, or which is not known. */
  repositoryId: bigint | null;
}

/** A delivery that waits to be assigned, with what its content says. */
export interface Received {
  id: bigint;
  hookId: string;
  /** Undefined when it is no longer there. */
  hook: ReceivedHook | undefined;
  forge: string;
  host: string;
  deliveryKey: string;
  eventType: string;
  contentType: string;
  source: string;
  /** The one app that hears of it; undefined: all that listen. */
  onlyApp: string | undefined;
  receivedAt: Date;
  body: Buffer;
  /** What was parsed from the body; undefined when there is nothing to read in it. */
  payload: JsonObject | undefined;
  /** Not final until it was compared with the state before, see `compared.ts`. */
  classification: Classification;
  /** Classifies it once more, as what follows this state; undefined where nothing can follow from one. */
  classifyAfter: ((state: JsonObject) => Classification) | undefined;
  /** The state it tells of an object, to be kept for the next delivery; undefined on forges that always say what changed. */
  snapshot: Snapshot | undefined;
  /** What it says of time, where the poller may have reported the same; undefined for what no forge sent. */
  telling: Telling | undefined;
  /** Version of the state that it was compared with; undefined where it was not. */
  comparedWith: string | undefined;
  /** Classified before: what it was found to be then stands, since what it was compared with has been replaced. */
  again: boolean;
  /** It came before, and has dispatch rows since then. */
  hasDispatches: boolean;
  /** What its forge's code threw, which must never throw: this one is given up, and nobody behind it waits. */
  failure: unknown;
}

interface Record_ extends BodyRecord {
  id: bigint | string;
  hook_id: string;
  forge: string;
  host: string;
  delivery_key: string;
  event_type: string;
  source: string;
  received_at: Date;
  content_type: string | null;
  only_app: string | null;
  classification: unknown;
  organization_id: string | null;
  connection_id: string | null;
  app_id: string | null;
  hook_repository_id: bigint | string | null;
  confidential: boolean;
  has_dispatches: boolean;
}

const MOST_ROWS = 100;
/** As stored. Packed bodies are longer in memory, but {@link MOST_ROWS} of them are bounded by the longest that is packed. */
const MOST_BYTES = 8 * 1024 * 1024;

/**
 * The oldest deliveries that nobody has assigned, as many as fit; always at least one when there is any.
 */
function readingOf(encoding: BodyEncoding): { name: string; text: string; values: unknown[] } {
  return {
    name: `inbox_received_${encoding}`,
    text: `SELECT w.id, w.hook_id, w.forge, w.host, w.delivery_key, w.event_type, w.source, w.received_at,
        w.headers->>'content-type' AS content_type, w.headers->>'${APP_HEADER}' AS only_app, ${bodyColumns(encoding)}, w.classification,
        h.organization_id, h.connection_id, h.app_id, h.remote_repository_id AS hook_repository_id,
        coalesce(h.confidential, false) AS confidential,
        EXISTS (SELECT FROM dispatch d WHERE d.delivery_id = w.id) AS has_dispatches
      FROM (
        SELECT r.*, sum(coalesce(octet_length(r.body), 0)) OVER (ORDER BY r.id) - coalesce(octet_length(r.body), 0) AS before
        FROM (
          SELECT id, hook_id, forge, host, delivery_key, event_type, source, received_at, headers, body, body_coding,
            classification
          FROM webhook_delivery WHERE status = 'received' ORDER BY id LIMIT $1
        ) r
      ) w
      LEFT JOIN hook h ON h.id = w.hook_id
      WHERE w.before < $2 ORDER BY w.id`,
    values: [MOST_ROWS, MOST_BYTES],
  };
}

/** What the content of a delivery says, as far as it can be read at all. */
type Content = { payload: JsonObject; descriptor: ForgeDescriptor | undefined } | { ignored: string };

function contentOf(descriptor: ForgeDescriptor | undefined, record: Record_, body: Buffer): Content {
  if (isOwn(record.source)) return { payload: JSON.parse(body.toString('utf8')) as JsonObject, descriptor };
  if (!descriptor) return { ignored: 'Its forge is not known.' };
  if (record.body === null) return { ignored: 'Its body is no longer stored.' };
  const content = descriptor.parse(record.content_type ?? '', body);
  return 'invalid' in content ? { ignored: content.invalid } : { payload: content.payload, descriptor };
}

function classify(record: Record_, content: Content, previous?: JsonObject): Classification {
  if ('ignored' in content) return { kind: 'ignored', reason: content.ignored };
  const { payload, descriptor } = content;
  if (isOwn(record.source) || descriptor === undefined)
    return classifySynthesised(record.source, record.event_type, payload);
  const { confidential } = record;
  return descriptor.classify(record.event_type, payload, { confidential, ...(previous && { previous }) });
}

const hookOf = ({ organization_id, connection_id, app_id, hook_repository_id }: Record_): ReceivedHook | undefined =>
  organization_id === null
    ? undefined
    : {
        organizationId: organization_id,
        connectionId: connection_id,
        appId: app_id,
        repositoryId: hook_repository_id === null ? null : BigInt(hook_repository_id),
      };

/** A column of type integer: what is beyond it is no forge's number, and looking for it would fail for the whole batch. */
const MOST_NUMBER = 2_147_483_647;

/** Whether a pull request or issue may have this number. */
export const isNumber = (number: number): boolean => Number.isInteger(number) && number > 0 && number <= MOST_NUMBER;

/** What `read` answers, or what it threw. */
function attempted<T>(read: () => T): { value: T; failure?: undefined } | { value?: undefined; failure: unknown } {
  try {
    return { value: read() };
  } catch (failure) {
    return { failure };
  }
}

const UNREAD = 'it could not be read';

/** Reads the next batch, and classifies it as far as is possible without the states before; empty when there is nothing to do. */
export async function readReceived(
  client: pg.PoolClient,
  forges: ReadonlyMap<string, ForgeDescriptor>,
): Promise<Received[]> {
  const { records, encoding } = await withBodies(async (tried) => ({
    records: (await client.query<Record_>(readingOf(tried))).rows,
    encoding: tried,
  }));
  const read = records.map((record) => {
    const { value, failure } = attempted(() => {
      const body = bodyOf(record, encoding);
      const content = contentOf(forges.get(record.forge), record, body);
      const sent = !isOwn(record.source) && 'payload' in content;
      const told = sent ? content.descriptor?.snapshot?.(record.event_type, content.payload) : undefined;
      const telling = sent ? content.descriptor?.poll?.telling(record.event_type, content.payload) : undefined;
      return { body, content, snapshot: told && isNumber(told.number) ? told : undefined, telling };
    });
    return {
      record,
      failure,
      ...(value ?? { body: Buffer.alloc(0), content: { ignored: UNREAD }, snapshot: undefined, telling: undefined }),
    };
  });
  return read.map(({ record, body, content, snapshot, telling, failure: unreadable }) => {
    const { value, failure = unreadable } = attempted(() => {
      const known = readClassification(record.classification);
      return { again: known !== undefined, classification: known ?? classify(record, content) };
    });
    const again = value?.again ?? false;
    return {
      id: BigInt(record.id),
      hookId: record.hook_id,
      hook: hookOf(record),
      forge: record.forge,
      host: record.host,
      deliveryKey: record.delivery_key,
      eventType: record.event_type,
      contentType: record.content_type ?? '',
      source: record.source,
      onlyApp: isOwn(record.source) ? (record.only_app ?? undefined) : undefined,
      receivedAt: record.received_at,
      body,
      payload: 'payload' in content ? content.payload : undefined,
      classification: value?.classification ?? { kind: 'ignored', reason: UNREAD },
      classifyAfter: snapshot && !again ? (state) => classify(record, content, state) : undefined,
      snapshot,
      telling,
      comparedWith: undefined,
      again,
      hasDispatches: record.has_dispatches,
      failure,
    };
  });
}
