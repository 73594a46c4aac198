/**
 * What a row of a route table sends to its forge, as golden files hold it: for every row the calls that its tests make
 * anyway, one example for each kind of native request that it has. Ids, SHAs and times get names, so that a file changes
 * only when what is sent changes.
 */
import type { MediaType } from '../../src/forges/kit/route.js';

/** One native request, in the order in which they were started. `git` stands for a call of the git port. */
export interface SentRequest {
  method: string;
  /** Below the API base, encoded as it was sent; of git, the name of the operation. */
  path: string;
  /** Names that end in `[]` or come twice have lists. */
  query: Readonly<Record<string, string | string[]>>;
  /** Body; of git, what the operation was given. */
  json: unknown;
  /** 0 until it is answered. */
  status: number;
}

export interface AskedRequest {
  route: string;
  parameters: Readonly<Record<string, unknown>>;
  media: MediaType;
}

export interface ForgeNames {
  /** Parameters that every example has and none shows, such as the owner. */
  home?: Readonly<Record<string, string>>;
  /** Who or what a number is: `where` is the segment before it or the field that holds it. Undefined for what is made in tests. */
  nameOf?(where: string, id: string): string | undefined;
  /** Whether a field of a query or a body holds ids of the forge. */
  isId?(field: string): boolean;
  /** The forge's route for a request, such as `GET /projects/:id`. */
  routeOf?(method: string, path: string): string | undefined;
  /** The forge's number for one that apps see, where it is another. */
  nativeNumber?(number: string): string;
}

export interface NativeExample {
  /** What an app gave, without what the path of the route says. */
  asked?: unknown;
  accept?: string;
  sends: readonly SentLine[];
}

interface SentLine {
  request: string;
  query?: unknown;
  json?: unknown;
  /** Only of git. */
  given?: unknown;
  /** Only of what was refused. */
  answered?: number;
}

const SHA = /\b[0-9a-f]{40}\b/g;
const NOTHING = /^0+$/;
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g;
/** As `createMemoryRecords` counts. */
const RECORD = /\b70000\d{5}\b/g;
const ORIGIN = /https?:\/\/127\.0\.0\.1:\d+/g;
const LONGEST = 160;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Names of what differs from run to run or from test to test, the same within one example. */
function createNames(asked: AskedRequest, forge: ForgeNames) {
  const given = new Map<string, string>();
  const taken = new Map<string, number>();
  const text = JSON.stringify(asked.parameters);

  function name(value: string, as: string): string {
    const known = given.get(value);
    if (known !== undefined) return known;
    const count = (taken.get(as) ?? 0) + 1;
    taken.set(as, count);
    const made = count === 1 ? `{${as}}` : `{${as} ${count}}`;
    given.set(value, made);
    return made;
  }

  const id = (where: string, value: string): string => {
    const known = forge.nameOf?.(where, value);
    return known === undefined ? name(value, 'id') : `{${known}}`;
  };

  function inText(value: string, as = 'sha'): string {
    const named = value
      .replace(SHA, (sha) => (NOTHING.test(sha) ? sha : name(sha, as)))
      .replace(RECORD, (record) => name(record, 'record'))
      .replace(ORIGIN, '{forge}')
      .replace(TIME, (time) => (text.includes(time) ? time : '{time}'));
    return named.length > LONGEST ? `${named.slice(0, LONGEST / 2)}… (${named.length} characters)` : named;
  }

  function inJson(value: unknown, field: string, as?: string): unknown {
    if (value instanceof Date) return '{time}';
    if (typeof value === 'string' && !(forge.isId?.(field) && /^[1-9]\d*$/.test(value))) return inText(value, as);
    if ((typeof value === 'number' && value > 0) || typeof value === 'string')
      return forge.isId?.(field) ? id(field, String(value)) : value;
    if (Array.isArray(value)) return value.map((one) => inJson(one, field, as));
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inJson(inner, key, as && key)]));
  }

  const inPath = (path: string): string => {
    const segments = path.split('/');
    return segments
      .map((one, at) => {
        const [, number, ending] = /^([1-9]\d*)((?:\.\w+)?)$/.exec(one) ?? [];
        return number === undefined ? inText(one) : `${id(segments[at - 1] ?? '', number)}${ending}`;
      })
      .join('/');
  };

  return { name, inPath, inJson };
}

/** A query as it is the same in every run. */
const steady = (query: SentRequest['query']): string =>
  JSON.stringify(Object.entries(query)).replace(SHA, '').replace(TIME, '');

/** Reads that are under way together come in any order: between two writes they are sorted. */
function settled(sent: readonly SentRequest[], routeOf: (one: SentRequest) => string): SentRequest[] {
  const isRead = ({ method }: SentRequest) => method === 'GET' || method === 'HEAD';
  const keyOf = (one: SentRequest) => `${routeOf(one)} ${steady(one.query)}`;
  const groups: SentRequest[][] = [];
  for (const one of sent) {
    const last = groups.at(-1);
    if (isRead(one) && last?.every(isRead)) last.push(one);
    else groups.push([one]);
  }
  return groups
    .flatMap((group) =>
      group.map((one) => ({ one, key: keyOf(one) })).sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)),
    )
    .map(({ one }) => one);
}

function exampleOf(asked: AskedRequest, sent: readonly SentRequest[], forge: ForgeNames): NativeExample {
  const { name, inPath, inJson } = createNames(asked, forge);
  const shown: [string, unknown][] = [];
  for (const [key, value] of Object.entries(asked.parameters)) {
    if (value === undefined || forge.home?.[key] === value) continue;
    const isNumber = asked.route.includes(`{${key}}`) && /^\d+$/.test(String(value));
    if (isNumber) {
      name(String(value), key);
      name(forge.nativeNumber?.(String(value)) ?? String(value), `native ${key}`);
      continue;
    }
    const inside = inJson(value, key, key);
    if (inside !== `{${key}}` || !asked.route.includes(`{${key}}`)) shown.push([key, inside]);
  }
  return {
    ...(shown.length > 0 && { asked: Object.fromEntries(shown) }),
    ...(asked.media !== 'json' && { accept: asked.media }),
    sends: sent.map(({ method, path, query, json, status }) => ({
      request: method === 'git' ? `git ${path}` : `${method} ${inPath(path.replace(/\?.*$/, ''))}`,
      ...(Object.keys(query).length > 0 && { query: inJson(query, '') }),
      ...(json !== undefined && { [method === 'git' ? 'given' : 'json']: inJson(json, '') }),
      ...(status >= 300 && { answered: status }),
    })),
  };
}

export interface NativeExamples {
  add(asked: AskedRequest, sent: readonly SentRequest[]): void;
  /** Of these rows, by route; undefined where none was added. */
  of(routes: readonly string[]): Readonly<Record<string, readonly NativeExample[] | undefined>>;
}

/** Keeps an example when it has a native request that no example of the row before it had. */
export function createNativeExamples(forge: ForgeNames): NativeExamples {
  const kept = new Map<string, { seen: Set<string>; examples: NativeExample[] }>();
  const routeOf = ({ method, path }: SentRequest) =>
    forge.routeOf?.(method, path.replace(/\?.*$/, '')) ?? `${method} ${path}`;
  const kindOf = (one: SentRequest): string => {
    const { json } = one;
    const fields = isObject(json) ? Object.keys(json).filter((key) => json[key] !== undefined) : [];
    return [routeOf(one), ...Object.keys(one.query).sort(), '', ...fields.sort()].join(' ');
  };
  return {
    add(asked, sent) {
      const row = kept.get(asked.route) ?? { seen: new Set<string>(), examples: [] };
      kept.set(asked.route, row);
      const kinds = sent.map(kindOf);
      if (row.examples.length > 0 && kinds.every((kind) => row.seen.has(kind))) return;
      for (const kind of kinds) row.seen.add(kind);
      row.examples.push(exampleOf(asked, settled(sent, routeOf), forge));
    },
    of: (routes) => Object.fromEntries([...routes].sort().map((route) => [route, kept.get(route)?.examples])),
  };
}
