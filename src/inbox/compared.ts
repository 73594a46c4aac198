/**
 * Deliveries as what follows the states before them. They do not come in the order in which things happened: one that was
 * overtaken is compared with the state of before it, and tells nothing that the difference of a later one told already.
 */
import type { Classification, ForgeEvent, JsonObject } from '../forges/forge.js';
import { storable } from '../forges/kit/storable-text.js';
import { messageOf } from '../lib/errors.js';
import { partOf } from './poll/pieces.js';
import type { Received } from './received.js';
import { isOlder, isReadAgain, type Kept, type Previous, snapshotKey, type ToldPart } from './snapshots.js';

/** Thrown for a delivery whose forge's code threw when it was compared. */
export class Unclassifiable extends Error {
  constructor(
    readonly delivery: Received,
    cause: unknown,
  ) {
    super(messageOf(cause), { cause });
  }
}

const TOLD = 'A webhook of later told it already.';

const eventsOf = (found: Classification): readonly ForgeEvent[] => (found.kind === 'events' ? found.events : []);

/**
 * What an event tells of that a later comparison would find as well: which label came, which base was left; undefined for others.
 * It is stored.
 */
function partToldBy({ action = '', change }: ForgeEvent): string | undefined {
  const part = partOf(action, change ?? {});
  if (part !== undefined) return storable(`${part.piece} ${part.what}`);
  const changes = change?.changes as { base?: { ref?: { from?: string } } } | undefined;
  const onlyBase = action === 'edited' && changes !== undefined && Object.keys(changes).join() === 'base';
  return onlyBase ? storable(`base ${changes.base?.ref?.from}`) : undefined;
}

/** What takes it back: that a label went is told by nobody who did not know that it came. */
const oppositeOf = (part: string): string =>
  part.replace(/ (came|went)$/, (_, what) => (what === 'came' ? ' went' : ' came'));

interface Found {
  classification: Classification;
  /** Version of the state that it was compared with; undefined where it was not. */
  comparedWith: string | undefined;
  /** What it tells of, for those that come late, also where that was told before. */
  told: readonly ToldPart[];
  /** What was told since that state and is not told again. */
  repeated: readonly ToldPart[];
  /** A later one of the same version came before it. */
  isOvertaken?: boolean;
}

const isSameTime = (left: string | undefined, right: string | undefined): boolean =>
  Date.parse(left ?? '') === Date.parse(right ?? '');

/** What a delivery is found to be beside the state that it is compared with. */
interface Comparison {
  deliveryId: bigint;
  version: string | undefined;
  comparedWith: string | undefined;
  classification: Classification;
  /** Parts that it tells without any state before it. */
  said: ReadonlySet<string | undefined>;
}

function comparison(delivery: Received, classification: Classification, comparedWith?: string): Comparison {
  const said = new Set(eventsOf(delivery.classification).map(partToldBy));
  return { deliveryId: delivery.id, version: delivery.snapshot?.updatedAt, comparedWith, classification, said };
}

/** When that happened: just then where the webhook says so by itself; a difference, at any time since the state before. */
function timeOf(part: string, { deliveryId, version, comparedWith, said }: Comparison): ToldPart | undefined {
  const at = Date.parse(version ?? '');
  if (version === undefined || Number.isNaN(at)) return undefined;
  const isDifference = comparedWith !== undefined && !said.has(part);
  const after = isDifference ? comparedWith : new Date(at - 1).toISOString();
  return { part, after, until: version, by: String(deliveryId) };
}

type Verdict = 'told' | 'left out' | { repeats: ToldPart };

/** What is left of it where each part is judged. */
function judged(comparison: Comparison, judge: (part: string, repeated: readonly ToldPart[]) => Verdict): Found {
  const { classification, comparedWith } = comparison;
  const told: ToldPart[] = [];
  const repeated: ToldPart[] = [];
  const events = eventsOf(classification).filter((event) => {
    const part = partToldBy(event);
    if (part === undefined) return true;
    const verdict = judge(part, repeated);
    if (verdict === 'left out') return false;
    const time = timeOf(part, comparison);
    if (time !== undefined) told.push(time);
    if (verdict === 'told') return true;
    repeated.push(verdict.repeats);
    return false;
  });
  const found = { comparedWith, told, repeated };
  if (classification.kind === 'ignored') return { ...found, classification };
  if (events.length === 0) return { ...found, classification: { kind: 'ignored', reason: TOLD } };
  return { ...found, classification: { ...classification, events } };
}

/** One that was overtaken: compared with the state of before it, without what was told since, and without what came and went untold. */
function overtaken(delivery: Received, classifyAfter: (state: JsonObject) => Classification, kept: Kept): Found {
  const version = delivery.snapshot?.updatedAt;
  const before = kept.earlier.find(({ updatedAt }) => isOlder(updatedAt, version));
  const later = [kept, ...kept.earlier].filter(({ updatedAt }) => isOlder(version, updatedAt));
  const gone = new Set(later.flatMap(({ state }) => eventsOf(classifyAfter(state)).map(partToldBy)));
  const wasToldToGo = (part: string) =>
    kept.told.some((one) => one.part === oppositeOf(part) && !isOlder(one.until, version));
  const found = before === undefined ? delivery.classification : classifyAfter(before.state);
  const compared_ = comparison(delivery, found, before?.updatedAt);
  return judged(compared_, (part, repeated) => {
    if (!compared_.said.has(part) && gone.has(part) && !wasToldToGo(part)) return 'left out';
    const repeats = kept.told.find(
      (one) =>
        one.part === part && !repeated.includes(one) && !isOlder(version, one.after) && !isOlder(one.until, version),
    );
    return repeats === undefined ? 'told' : { repeats };
  });
}

/**
 * Whether a delivery of the second of the kept state shows what there was before it. Of several changes of one second a single webhook
 * told, which overtook the others; one that takes some of that back, and not all, is one of those.
 */
function isBeforeIn(told: readonly ToldPart[], { classification, said }: Comparison): boolean {
  const parts = eventsOf(classification).map(partToldBy);
  const takesBack = (part: string) => parts.some((one) => one !== undefined && oppositeOf(one) === part);
  const taken = told.filter(({ part }) => takesBack(part) && !said.has(oppositeOf(part)));
  return taken.some(({ by }) => by !== undefined && told.some((one) => one.by === by && !takesBack(one.part)));
}

/** What a delivery is after what was kept of its object. */
function follow(delivery: Received, classifyAfter: (state: JsonObject) => Classification, kept: Kept): Found {
  const version = delivery.snapshot?.updatedAt;
  if (isOlder(version, kept.updatedAt) || isReadAgain(kept, delivery.id))
    return overtaken(delivery, classifyAfter, kept);
  const isNewer = isOlder(kept.updatedAt, version);
  const last = comparison(delivery, classifyAfter(kept.state), kept.updatedAt);
  const ofThatSecond = kept.told.filter(({ until }) => isSameTime(until, kept.updatedAt));
  const inThatSecond = (part: string) => ofThatSecond.find((one) => one.part === part);
  const isBefore = !isNewer && isBeforeIn(ofThatSecond, last);
  const found = judged(last, (part) => {
    if (last.said.has(part)) return 'told';
    // A second has room for several states, of which the one that came last need not be the last one.
    const isTakenBack = inThatSecond(oppositeOf(part)) !== undefined;
    if (!isNewer && isTakenBack && (isBefore || last.said.size > 0)) return 'left out';
    const repeats = isTakenBack ? undefined : inThatSecond(part);
    return repeats === undefined ? 'told' : { repeats };
  });
  if (isBefore) return { ...found, isOvertaken: true };
  const isNothing = found.classification.kind === 'ignored' && !isNewer;
  const isOvertaken = isNothing && kept.earlier.some(({ updatedAt }) => isOlder(updatedAt, version));
  return isOvertaken ? overtaken(delivery, classifyAfter, kept) : found;
}

/**
 * The deliveries as what follows the states that were kept, and each other, of the same objects.
 * @throws Unclassifiable
 */
export function compared(deliveries: readonly Received[], previous: Previous): Received[] {
  return deliveries.map((delivery) => {
    const { hookId, snapshot, classifyAfter } = delivery;
    // One that was compared before has left its state then.
    if (snapshot === undefined || classifyAfter === undefined) return delivery;
    const kept = previous.get(snapshotKey(hookId, snapshot));
    let found: Found;
    try {
      found = kept
        ? follow(delivery, classifyAfter, kept)
        : judged(comparison(delivery, delivery.classification), () => 'told');
    } catch (cause) {
      throw new Unclassifiable(delivery, cause);
    }
    const { classification, comparedWith, isOvertaken = false, ...told } = found;
    // The next delivery of this batch is compared with this one.
    const isUnread = comparedWith === undefined && classification.kind === 'ignored';
    previous.keep({ deliveryId: delivery.id, hookId, snapshot, telling: { ...told, isUnread, isOvertaken } });
    return { ...delivery, classification, comparedWith };
  });
}
