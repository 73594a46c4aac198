/**
 * Secrets that this process has had in its hands, by value: many have no shape by which they could be told from a commit's
 * SHA. Whoever reads, makes or is handed one says so here, and it is hidden wherever text leaves the process, in whatever
 * form somebody has written it down.
 */

/** A shorter one would be hidden in every other word, and protects nothing. */
const SHORTEST = 8;
/** Tokens that end within an hour come and go. */
const MOST = 5_000;
const START = 4;
/** Of a key in PEM form each line is a part that nobody should see. */
const LINE = 32;
const MASK = '[redacted]';

/** What an editor, a terminal or JSON puts between two characters: white space, written out or not. */
const SPACE = /\s+/g;

const state = {
  known: new Set<string>(),
  /** By their first characters. */
  forms: new Map<string, Set<string>>(),
  /** Which pairs of characters a form begins with: most places of a text are passed over by one look. */
  begins: new Uint8Array(1 << 16),
};

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

/** Each as it is written; the space in it is taken out for comparing alone. */
function formsOf(value: string): string[] {
  const base64 = base64Of(value);
  const all = [
    value,
    inAddress(value),
    ...base64,
    ...base64.flatMap((text) => [inAddress(text), text.replaceAll('+', '-').replaceAll('/', '_')]),
  ];
  return [...new Set(all)];
}

function add(value: string): void {
  for (const written of formsOf(value)) {
    const form = written.replace(SPACE, '');
    if (form.length < SHORTEST) continue;
    for (const start of new Set([written.slice(0, START), form.slice(0, START)])) {
      const same = state.forms.get(start);
      if (same === undefined) state.forms.set(start, new Set([form]));
      else same.add(form);
      state.begins[pairAt(start, 0)] = 1;
    }
  }
}

function forgetOldest(): void {
  const [...values] = state.known;
  state.known = new Set(values.slice(Math.floor(MOST / 2)));
  state.forms.clear();
  state.begins.fill(0);
  for (const value of state.known) add(value);
}

/** From now on `value` is hidden, and each line of it that is long enough to be a secret. Short ones are passed over. */
export function keepSecret(value: string | undefined): void {
  if (value === undefined) return;
  if (state.known.has(value)) return;
  const lines = value.split('\n').filter((line) => line.length >= LINE && line !== value && !line.startsWith('-----'));
  for (const one of [value, ...lines]) {
    if (one.length < SHORTEST || state.known.has(one)) continue;
    if (state.known.size >= MOST) forgetOldest();
    state.known.add(one);
    add(one);
  }
}

const isSpace = (code: number): boolean => code <= 0x20 || code === 0xa0;
const BACKSLASH = 0x5c;
const WRITTEN_SPACE = new Set(['n', 'r', 't']);
const QUOTES = new Set(["'", '"', '`']);
/** How Node prints a text of several lines. */
const JOINED = /(['"`])\s*\+\s*\1/y;

/** Where `form` ends that begins at `at`, whatever space and escapes are in it; half of it is enough where the text was cut. */
function endOf(text: string, at: number, form: string): number {
  let from = at;
  let done = 0;
  let matched = at;
  while (done < form.length) {
    if (from >= text.length) return done * 2 >= form.length ? matched : -1;
    const code = text.charCodeAt(from);
    if (code === form.charCodeAt(done)) {
      from += 1;
      done += 1;
      matched = from;
    } else if (done > 0 && isSpace(code)) from += 1;
    else if (done > 0 && QUOTES.has(text[from] ?? '')) {
      JOINED.lastIndex = from;
      if (!JOINED.test(text)) return -1;
      from = JOINED.lastIndex;
    } else if (done > 0 && code === BACKSLASH) {
      while (text.charCodeAt(from) === BACKSLASH) from += 1;
      const next = text[from] ?? '';
      if (WRITTEN_SPACE.has(next) && text[from] !== form[done]) from += 1;
      else if (WRITTEN_SPACE.has(next) && text[from + 1] === form[done] && text[from + 1] !== form[done + 1]) from += 1;
    } else return -1;
  }
  return from;
}

/** `text` without any secret that is known. Linear in its length, but for what looks like the beginning of one. */
export function hideKnownSecrets(text: string): string {
  const { begins, forms } = state;
  if (forms.size === 0) return text;
  let result = '';
  let copied = 0;
  for (let at = 0; at + START <= text.length; at += 1) {
    if (begins[pairAt(text, at)] === 0) continue;
    let longest = -1;
    for (const form of forms.get(text.slice(at, at + START)) ?? []) longest = Math.max(longest, endOf(text, at, form));
    if (longest === -1) continue;
    result += text.slice(copied, at) + MASK;
    copied = longest;
    at = longest - 1;
  }
  return copied === 0 ? text : result + text.slice(copied);
}
