/**
 * What must hold for every delivery, whatever is in it: it is read or said to be unreadable; it is ignored with a reason or
 * has events; everything that would be stored can be stored; and its translation succeeds. Of a forge that speaks GitHub's
 * language it may also say that the payload is invalid: of another, classifying is to have found that out.
 */
import {
  type Classification,
  eachOf,
  type ForgeEvent,
  type JsonObject,
  type Snapshot,
} from '../../src/forges/forge.js';
import { forges } from '../../src/forges/registry.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { portsOf, receivedAt, type Subject } from '../conformance/forge/subjects.js';

/** How it ended: ignored, refused when it was translated, or told to apps. */
export type End = 'ignored' | 'refused' | 'told';

/** A rule that does not hold. */
class Broken extends Error {}

export function must(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new Broken(rule);
}

/** What a column of type text or jsonb refuses: NUL, and in jsonb half a character. */
export const UNSTORABLE = /\\u(?:0000|d[89a-f])/i;
/** PostgreSQL's. */
const MOST_BIGINT = 9_223_372_036_854_775_807n;

function mustBeStorable(value: unknown, what: string): void {
  must(!UNSTORABLE.test(JSON.stringify(value) ?? ''), `${what} cannot be stored`);
}

const isId = (id: bigint | undefined): boolean => id === undefined || (id >= 0n && id <= MOST_BIGINT);

function mustBeSnapshot({ repositoryId, number, updatedAt, state }: Snapshot): void {
  must(isId(repositoryId), 'the repository of the snapshot fits no bigint');
  must(Number.isSafeInteger(number) && number > 0, 'the number of the snapshot is none');
  must(updatedAt === undefined || typeof updatedAt === 'string', 'the time of the snapshot is no text');
  mustBeStorable(state, 'the state of the snapshot');
}

function mustBeClassified(classified: Exclude<Classification, { kind: 'ignored' }>): void {
  const { events, repositoryId, installationId, number, semanticKey } = classified;
  must(events.length > 0, 'it is neither ignored nor an event');
  must(isId(repositoryId) && isId(installationId), 'an id fits no bigint');
  must(number === undefined || (Number.isSafeInteger(number) && number > 0), 'the number is none');
  mustBeStorable([events.map(({ change }) => change), semanticKey], 'what is kept of the events');
  for (const { name, action } of events) {
    must(/^[\w.]+$/.test(name), 'the name of the event is none');
    must(action === undefined || (action !== '' && !action.includes('\u0000')), 'the action is none');
  }
}

/** The forge has events of its own, whose translation is ours. The one that the tests made up checks nothing beforehand. */
const isTranslated = ({ descriptor }: Subject): boolean =>
  forges.has(descriptor.id) && descriptor.eventSupport !== undefined;

/** Translated, or refused in the one way there is. */
async function isTold(subject: Subject, payload: JsonObject, eventType: string, event: ForgeEvent, connected: boolean) {
  // As it comes back from where it was stored.
  const stored = JSON.parse(JSON.stringify(event)) as ForgeEvent;
  const delivery = { eventType, payload, receivedAt };
  try {
    const made = await subject.descriptor.payload(delivery, stored, portsOf(subject, {}, connected));
    for (const one of eachOf(made))
      must(typeof one === 'object' && one !== null && !Array.isArray(one), 'what apps are told is no object');
    JSON.stringify(made);
    return true;
  } catch (error) {
    if (!(error instanceof ForgewayError) || error.code !== 'FORGEWAY_PAYLOAD_INVALID') throw error;
    must(error.message !== '', 'it is refused without a reason');
    must(!isTranslated(subject), `it was let through and then refused: ${error.message}`);
    return false;
  }
}

interface SurviveOptions {
  previous?: JsonObject;
  confidential?: boolean;
  /** Whether a token is connected; each of them is tried. */
  tokens?: readonly boolean[];
  /** Most events that are translated. */
  most?: number;
}

/** Classifies and translates a payload that was read. @throws what went wrong */
export async function survives(
  subject: Subject,
  eventType: string,
  payload: JsonObject,
  { previous, confidential = true, tokens = [true, false], most = 5 }: SurviveOptions = {},
): Promise<End> {
  const { descriptor } = subject;
  const snapshot = descriptor.snapshot?.(eventType, payload);
  if (snapshot !== undefined) mustBeSnapshot(snapshot);
  const classified = descriptor.classify(eventType, payload, { ...(previous && { previous }), confidential });
  if (classified.kind === 'ignored') {
    must(/\S/.test(classified.reason) && !classified.reason.includes('\u0000'), 'it is ignored without a reason');
    return 'ignored';
  }
  mustBeClassified(classified);
  let told = false;
  for (const event of classified.events.slice(0, most))
    for (const connected of tokens) if (await isTold(subject, payload, eventType, event, connected)) told = true;
  return told ? 'told' : 'refused';
}
