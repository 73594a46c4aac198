/** One change to a JSON text, as plain JSON: it can be printed, stored, left out and made again. */
import type { JsonObject } from '../../src/forges/forge.js';
import type { Random } from './random.js';
import { JUNK, KEYS, type Meaning, meaningOf, nested, VALUES } from './values.js';

export type Path = readonly (string | number)[];

export type Mutation =
  | { do: 'drop'; at: Path }
  /** Replaced by a text, which need not be JSON. */
  | { do: 'set'; at: Path; json: string }
  | { do: 'swap'; at: Path; with: Path }
  /** The same key once more, behind it. */
  | { do: 'repeat'; at: Path; json: string }
  | { do: 'rename'; at: Path; key: string }
  /** A key more in the object that stands there. */
  | { do: 'add'; at: Path; key: string; json: string }
  | { do: 'wrap'; at: Path; levels: number }
  /** A text or list that is as many times as long. */
  | { do: 'grow'; at: Path; times: number }
  /** Bytes of the text that was written: the rest is missing, or one of them is another. */
  | { do: 'cut'; share: number }
  | { do: 'byte'; share: number; value: number };

export interface Place {
  path: Path;
  meaning: Meaning;
}

/** Every place of a value, the value itself not among them. */
export function placesOf(value: unknown, path: Path = []): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]): Place[] => {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    return [{ path: at, meaning: meaningOf(key, inner) }, ...placesOf(inner, at)];
  });
}

/** Written as it stands. */
class Verbatim {
  constructor(readonly json: string) {}
}

function write(value: unknown): string {
  if (value instanceof Verbatim) return value.json;
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}:${write(inner)}`)
    .join(',')}}`;
}

/** Longer texts find nothing that these do not, and take their time. */
const LONGEST = 2_000_000;

function grown(value: unknown, times: number): unknown {
  if (Array.isArray(value)) return Array.from({ length: Math.min(times, 5_000) }, () => value).flat();
  const text = typeof value === 'string' ? value || 'x' : write(value);
  return text.repeat(Math.max(1, Math.min(times, Math.floor(LONGEST / text.length))));
}

type Holder = Record<string | number, unknown>;

function holderOf(root: unknown, path: Path): Holder | undefined {
  let node = root;
  for (const key of path.slice(0, -1)) {
    if (typeof node !== 'object' || node === null || node instanceof Verbatim || !Object.hasOwn(node, key))
      return undefined;
    node = (node as Holder)[key];
  }
  const last = path.at(-1);
  const isHolder = typeof node === 'object' && node !== null && !(node instanceof Verbatim);
  return isHolder && last !== undefined && Object.hasOwn(node as object, last) ? (node as Holder) : undefined;
}

/** An own key, whatever its name. */
function define(holder: Holder, key: string | number, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

function changed(root: unknown, mutation: Mutation): void {
  if (mutation.do === 'cut' || mutation.do === 'byte') return;
  const key = mutation.at.at(-1);
  const holder = holderOf(root, mutation.at);
  if (holder === undefined || key === undefined) return;
  const value = holder[key];
  switch (mutation.do) {
    case 'drop':
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      return;
    case 'set':
      define(holder, key, new Verbatim(mutation.json));
      return;
    case 'swap': {
      const other = holderOf(root, mutation.with);
      const otherKey = mutation.with.at(-1);
      if (other === undefined || otherKey === undefined) return;
      const [mine, theirs] = [write(value), write(other[otherKey])];
      define(holder, key, new Verbatim(theirs));
      // One may stand in the other.
      if (holderOf(root, mutation.with) === other) define(other, otherKey, new Verbatim(mine));
      return;
    }
    case 'repeat':
      if (!Array.isArray(holder))
        define(holder, key, new Verbatim(`${write(value)},${JSON.stringify(key)}:${mutation.json}`));
      return;
    case 'rename':
      if (Array.isArray(holder)) return;
      delete holder[key];
      define(holder, mutation.key, value);
      return;
    case 'add':
      if (typeof value === 'object' && value !== null && !(value instanceof Verbatim) && !Array.isArray(value))
        define(value as Holder, mutation.key, new Verbatim(mutation.json));
      return;
    case 'wrap':
      define(holder, key, new Verbatim(nested(mutation.levels, write(value))));
      return;
    case 'grow':
      define(holder, key, grown(value instanceof Verbatim ? value.json : value, mutation.times));
      return;
  }
}

/** The JSON text of `payload` with all of the changes, those that find no place left out. `payload` stays as it is. */
export function mutated(payload: JsonObject, mutations: readonly Mutation[]): Buffer {
  const root = structuredClone(payload);
  for (const mutation of mutations) changed(root, mutation);
  let body = Buffer.from(write(root));
  for (const mutation of mutations) {
    if (mutation.do === 'cut') body = body.subarray(0, Math.floor(body.length * mutation.share));
    if (mutation.do === 'byte' && body.length > 0)
      body[Math.min(body.length - 1, Math.floor(body.length * mutation.share))] = mutation.value;
  }
  return body;
}

/** How often each kind of change is made, in parts of a hundred. */
const KINDS = [
  ...Array<'drop'>(16).fill('drop'),
  ...Array<'set'>(34).fill('set'),
  ...Array<'junk'>(14).fill('junk'),
  ...Array<'swap'>(12).fill('swap'),
  ...Array<'wrap'>(5).fill('wrap'),
  ...Array<'repeat'>(5).fill('repeat'),
  ...Array<'rename'>(3).fill('rename'),
  ...Array<'add'>(4).fill('add'),
  ...Array<'grow'>(4).fill('grow'),
  'cut' as const,
  ...Array<'byte'>(2).fill('byte'),
];

/** A change to one of `places`, by chance; mostly to one of those that are `read`. */
export function drawMutation(random: Random, places: readonly Place[], read: readonly Place[] = places): Mutation {
  const { path: at, meaning } = random.pick(read.length > 0 && random.chance(75) ? read : places);
  const json = () => random.pick(random.chance(70) ? VALUES[meaning] : JUNK);
  const kind = random.pick(KINDS);
  switch (kind) {
    case 'drop':
      return { do: 'drop', at };
    case 'set':
      return { do: 'set', at, json: random.pick(VALUES[meaning]) };
    case 'junk':
      return { do: 'set', at, json: random.pick(JUNK) };
    case 'swap': {
      // Mostly with one that means the same, which is then believed.
      const same = random.chance(70) ? places.filter((place) => place.meaning === meaning) : places;
      return { do: 'swap', at, with: random.pick(same).path };
    }
    case 'wrap':
      return { do: 'wrap', at, levels: random.pick([1, 1, 2, 50, 64, 10_000]) };
    case 'repeat':
      return { do: 'repeat', at, json: json() };
    case 'rename':
      return { do: 'rename', at, key: random.pick(KEYS) };
    case 'add':
      return { do: 'add', at, key: random.pick(KEYS), json: json() };
    case 'grow':
      return { do: 'grow', at, times: random.pick([10, 100, 100, 1_000, 1_000, 100_000]) };
    case 'cut':
      return { do: 'cut', share: random.below(1_000) / 1_000 };
    case 'byte':
      return { do: 'byte', share: random.below(10_000) / 10_000, value: random.below(256) };
  }
}
