/** Says what was lost, done twice, done unasked, out of order or left lying, from three independent records. Pure. */
import type { Effect } from './effects.js';

/** What somebody did, and what must come of it. */
export interface Happening {
  forge: string;
  token: string;
  /** Keys of effects that must be there exactly once. */
  once: readonly string[];
  /** Keys that must be there at least once: repeating them changes nothing. */
  atLeastOnce: readonly string[];
}

/** A pull request, as `repository#number`. */
export interface Heads {
  forge: string;
  pull: string;
  /** Oldest first. */
  shas: readonly string[];
  closed: boolean;
}

/** The same as Forgeway's own mirror has it in the end. */
export interface MirrorRow {
  forge: string;
  pull: string;
  headSha: string;
  state: string;
}

export interface SentDelivery {
  forge: string;
  id: string;
  event: string;
  accepted: boolean;
}

/** A row of the inbox, with its dispatch rows that are not finished well. */
export interface InboxRow {
  forge: string;
  id: string;
  source: string;
  status: string;
  reason: string;
  open: readonly { app: string; status: string; error: string }[];
}

/** A write of an app, with the event that it came of. Times in milliseconds since 1970. */
export interface WriteRow {
  forge: string;
  /** GitHub's. */
  route: string;
  status: string;
  sends: number;
  firstAt: number;
  lastAt: number;
  app: string;
  event: string;
  attempts: number;
  /** Of the delivery, as `delivery` is its key. */
  source: string;
  delivery: string;
}

export interface Records {
  happenings: readonly Happening[];
  heads: readonly Heads[];
  deliveries: readonly SentDelivery[];
  effects: readonly Effect[];
  inbox: readonly InboxRow[];
  mirror: readonly MirrorRow[];
  writes: readonly WriteRow[];
}

/** Each a list of sentences. */
export interface Verdict {
  lost: string[];
  unexpected: string[];
  duplicated: string[];
  disorder: string[];
  zombie: string[];
  /** Given up. With the faults of a run, which all pass, nothing may be. */
  dead: string[];
}

const FINAL: ReadonlySet<string> = new Set(['done', 'ignored', 'dead']);
/** What apps write about one thing once, in whatever words. */
const SINGLE = /^(?:effect|comment):/;
/** The status that is set on the head that the forge has at that moment. */
const HEAD = /^status:chaos\/head:(.+)$/;

const keyed = ({ forge, key }: { forge: string; key: string }): string => `${forge} ${key}`;
const succeeded = ({ status }: Effect): boolean => status >= 200 && status < 300;

export function check({ happenings, heads, deliveries, effects, inbox, mirror, writes }: Records): Verdict {
  const verdict: Verdict = { lost: [], unexpected: [], duplicated: [], disorder: [], zombie: [], dead: [] };
  const done = effects.filter(succeeded);
  const counts = new Map<string, number>();
  for (const effect of done) counts.set(keyed(effect), (counts.get(keyed(effect)) ?? 0) + 1);

  const wanted = new Set<string>();
  for (const { forge, token, once, atLeastOnce } of happenings)
    for (const key of [...once, ...atLeastOnce]) {
      wanted.add(keyed({ forge, key }));
      if (!counts.has(keyed({ forge, key }))) verdict.lost.push(`${forge}: ${key}, for ${token}`);
    }
  const single = new Set(happenings.flatMap(({ forge, once }) => once.map((key) => keyed({ forge, key }))));
  for (const [key, count] of counts) {
    const [, name = ''] = /^\S+ (.*)$/s.exec(key) ?? [];
    if (count > 1 && (single.has(key) || SINGLE.test(name))) {
      const times = done.filter((effect) => keyed(effect) === key);
      verdict.duplicated.push(`${key}, ${count} times: ${times.map((effect) => traced(effect, writes)).join('; ')}`);
    }
    if (name.startsWith('effect:') && !wanted.has(key)) verdict.unexpected.push(key);
  }

  const known = new Map(inbox.map((row) => [`${row.forge} ${row.id}`, row]));
  const sent = new Set<string>();
  for (const { forge, id, event, accepted } of deliveries) {
    sent.add(`${forge} ${id}`);
    if (accepted && !known.has(`${forge} ${id}`)) verdict.lost.push(`${forge}: delivery ${id} (${event}) has no row`);
    if (!accepted) verdict.lost.push(`${forge}: delivery ${id} (${event}) was never accepted`);
  }
  for (const row of inbox) {
    if (row.source === 'webhook' && !sent.has(`${row.forge} ${row.id}`))
      verdict.unexpected.push(`${row.forge} delivery ${row.id}, which nobody sent`);
    const unfinished = row.open.filter(({ status }) => !FINAL.has(status));
    if (!FINAL.has(row.status) || unfinished.length > 0)
      verdict.zombie.push(`${row.forge} delivery ${row.id}: ${row.status} ${told(unfinished)}`);
    if (row.status === 'dead') verdict.dead.push(`${row.forge} delivery ${row.id}: ${row.reason} ${told(row.open)}`);
  }

  const mirrored = new Map(mirror.map((row) => [`${row.forge} ${row.pull}`, row]));
  for (const { forge, pull, shas, closed } of heads) {
    const row = mirrored.get(`${forge} ${pull}`);
    const wants = `${shas.at(-1)} ${closed ? 'closed' : 'open'}`;
    const has = row === undefined ? 'nothing' : `${row.headSha} ${row.state}`;
    if (has !== wants) verdict.lost.push(`${forge}: the mirror has ${has} of ${pull}, and not ${wants}`);
  }

  const places = new Map(
    heads.flatMap(({ forge, pull, shas }) => shas.map((sha, at) => [`${forge} ${sha}`, { forge, pull, at }] as const)),
  );
  const newest = new Map<string, number>();
  for (const { forge, key } of done) {
    const place = places.get(`${forge} ${HEAD.exec(key)?.[1]}`);
    if (place === undefined) continue;
    const pull = `${forge}: ${place.pull}`;
    const last = newest.get(pull) ?? -1;
    if (place.at < last) verdict.disorder.push(`${pull} was told of head ${place.at + 1} after head ${last + 1}`);
    newest.set(pull, Math.max(place.at, last));
  }
  return verdict;
}

/** A write was recorded before the forge carried it out, and its answer not long after. */
const AFTER_MS = 5_000;
const KIND = /[^/]+$/;

/** When an effect came about, and which writes it may have been: enough to go on from a log alone. */
function traced({ forge, at, method, path, answered }: Effect, writes: readonly WriteRow[]): string {
  const kind = method === 'POST' ? (KIND.exec(path)?.[0] ?? '').replace('notes', 'comments') : '';
  const near = writes.filter(
    (write) =>
      write.forge === forge && write.route.endsWith(kind) && write.firstAt <= at && at <= write.lastAt + AFTER_MS,
  );
  const by = near.map(
    ({ app, event, attempts, sends, status, source, delivery }) =>
      `${app} at ${event} of ${source} ${delivery} (${status}, sent ${sends} times in ${attempts} attempts)`,
  );
  return `at ${new Date(at).toISOString()}${answered ? '' : ', its answer lost'} by ${by.join(' or ') || 'nobody known'}`;
}

const told = (rows: InboxRow['open']): string =>
  rows.map(({ app, status, error }) => `[${app} ${status} ${error}]`).join(' ');

export const kinds = ['lost', 'unexpected', 'duplicated', 'disorder', 'zombie', 'dead'] as const;

/** The first of each kind, up to `most`, and how many more there are. */
export const sentences = (verdict: Verdict, most: number): string[] =>
  kinds.flatMap((kind) => {
    const shown = verdict[kind].slice(0, most).map((line) => `${kind}: ${line}`);
    const more = verdict[kind].length - shown.length;
    return more > 0 ? [...shown, `${kind}: ${more} more`] : shown;
  });
