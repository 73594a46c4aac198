/**
 * Finds secrets in a text by value, in whatever form somebody has written them down: for an address, in base64, in JSON,
 * folded over lines. The work is bounded by the length of the text, whatever is looked for and whatever stands in it: people
 * of other tenants choose both.
 */

/** A shorter one would be found in every other word. */
export const SHORTEST = 8;
const MASK = '[redacted]';
/** A text that has so much of the beginning of a secret has the secret. */
const HEAD = 24;
/** Forms with the same beginning that are told apart, and how far, for where one ends. */
const MOST_ALIKE = 4;
const LONGEST_COMPARED = 256;

/** What an editor, a terminal or JSON puts between two characters: white space, written out or not, and joined quotes. */
const JOINED = /(['"`])\s*\+\s*\1/y;
const BACKSLASH = 0x5c;
const WRITTEN_SPACE = new Set(['n', 'r', 't']);
const QUOTES = new Set(["'", '"', '`']);
/** What goes on after the beginning of a secret is a part of it. */
const TOKEN = /[\w+/=%.~-]*/y;

const isSpace = (code: number): boolean => code <= 0x20 || code === 0xa0;
const pairAt = (text: string, at: number): number => ((text.charCodeAt(at) << 8) ^ text.charCodeAt(at + 1)) & 0xffff;

/** Of base64 what is there whatever stood before the secret; a basic credential has a user name there. */
function base64Of(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8');
  return [0, 1, 2].map((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const rest = (shift + bytes.length) % 3;
    return whole.slice(shift === 0 ? 0 : shift + 1, rest === 0 ? undefined : -1);
  });
}

/** Half a surrogate pair has no form in an address. */
const inAddress = (text: string): string => encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\uFFFD'));
const lowerEscapes = (text: string): string => text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** As some write JSON, and backslashes are passed over when texts are compared. */
const inCode = (sign: string): string => `u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;

function formsOf(value: string): Set<string> {
  const base64 = base64Of(value);
  const addresses = [value, ...base64].map(inAddress);
  const hex = Buffer.from(value, 'utf8').toString('hex');
  return new Set([
    value,
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    ...addresses.flatMap((text) => [text, lowerEscapes(text), inAddress(text), lowerEscapes(inAddress(text))]),
    value.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign),
    value.replace(/[&<>']/g, inCode),
    hex,
    hex.toUpperCase(),
    ...(/^[0-9a-f]+$/.test(value) ? [value.toUpperCase()] : []),
  ]);
}

/** Where the character after that at `at` begins, past what stands between characters; `at` itself where nothing does. */
function pastSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (isSpace(code)) at += 1;
    else if (code === BACKSLASH) {
      while (text.charCodeAt(at) === BACKSLASH) at += 1;
      if (WRITTEN_SPACE.has(text[at] ?? '')) at += 1;
      else return at;
    } else if (QUOTES.has(text[at] ?? '')) {
      JOINED.lastIndex = at;
      if (!JOINED.test(text)) return at;
      at = JOINED.lastIndex;
    } else return at;
  }
}

/** Characters of `text` from `at` on that are compared, at most `most`, and where each ends. */
function walk(text: string, at: number, most: number): { seen: string; ends: number[] } {
  const ends: number[] = [];
  let seen = '';
  for (let from = at; seen.length < most && from < text.length; ) {
    const next = seen === '' ? from : pastSpace(text, from);
    if (next >= text.length) break;
    seen += text[next];
    from = next + 1;
    ends.push(from);
  }
  return { seen, ends };
}

export interface SecretTable {
  add(value: string): void;
  clear(): void;
  /** `text` without any of them. */
  hide(text: string): string;
}

export function createSecretTable(): SecretTable {
  /** Which pairs of characters a form begins with: most places of a text are passed over by one look. */
  const begins = new Uint8Array(1 << 16);
  /** Forms by their first {@link SHORTEST} characters, some of those that have the same. */
  const starts = new Map<string, string[]>();
  /** By as much of each as decides, by its length. */
  const heads = new Map<number, Map<string, string[]>>();
  let lengths: number[] = [];

  function put(map: Map<string, string[]>, key: string, form: string): void {
    const alike = map.get(key);
    if (alike === undefined) map.set(key, [form]);
    else if (alike.length < MOST_ALIKE && !alike.includes(form)) alike.push(form);
  }

  /** Where it ends that begins here; -1 when nothing does. */
  function endAt(text: string, at: number): number {
    const start = walk(text, at, SHORTEST);
    if (start.seen.length < SHORTEST || !starts.has(start.seen)) return -1;
    const { seen, ends } = walk(text, at, HEAD);
    for (const length of lengths) {
      const alike = seen.length < length ? undefined : heads.get(length)?.get(seen.slice(0, length));
      if (alike === undefined) continue;
      const end = ends[length - 1] ?? text.length;
      return length < HEAD ? end : Math.max(end, wholeEnd(text, at, alike, end));
    }
    // The text was cut in the middle of it; half is enough.
    const isCut = (ends.at(-1) ?? 0) >= text.length && seen.length < HEAD;
    const half =
      isCut && starts.get(start.seen)?.some((form) => form.startsWith(seen) && seen.length * 2 >= form.length);
    return half ? text.length : -1;
  }

  function wholeEnd(text: string, at: number, alike: readonly string[], headEnd: number): number {
    const { seen, ends } = walk(text, at, LONGEST_COMPARED);
    const whole = alike.filter((form) => seen.startsWith(form)).map((form) => ends[form.length - 1] ?? headEnd);
    if (whole.length > 0) return Math.max(...whole);
    const common = Math.max(...alike.map((form) => commonLength(form, seen)));
    TOKEN.lastIndex = ends[common - 1] ?? headEnd;
    TOKEN.test(text);
    return TOKEN.lastIndex;
  }

  return {
    add(value) {
      for (const written of formsOf(value)) {
        const { seen: form } = walk(written, 0, LONGEST_COMPARED);
        if (form.length < SHORTEST) continue;
        begins[pairAt(written, 0)] = 1;
        begins[pairAt(form, 0)] = 1;
        const length = Math.min(form.length, HEAD);
        const ofLength = heads.get(length) ?? new Map<string, string[]>();
        heads.set(length, ofLength);
        put(ofLength, form.slice(0, length), form);
        put(starts, form.slice(0, SHORTEST), form);
      }
      // The longest first: a secret may begin with another one.
      lengths = [...heads.keys()].sort((one, other) => other - one);
    },
    clear() {
      begins.fill(0);
      starts.clear();
      heads.clear();
      lengths = [];
    },
    hide(text) {
      if (starts.size === 0) return text;
      let result = '';
      let copied = 0;
      for (let at = 0; at + SHORTEST / 2 <= text.length; at += 1) {
        if (begins[pairAt(text, at)] === 0) continue;
        const end = endAt(text, at);
        if (end === -1) continue;
        result += text.slice(copied, at) + MASK;
        copied = end;
        at = end - 1;
      }
      return copied === 0 ? text : result + text.slice(copied);
    },
  };
}

function commonLength(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let at = 0;
  while (at < most && one[at] === other[at]) at += 1;
  return at;
}
