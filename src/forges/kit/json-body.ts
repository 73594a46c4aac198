/** Reads the JSON of a stored webhook body, with the limits that keep later code safe from a hostile one. */
import type { JsonObject } from '../forge.js';

/** Deepest nesting that is read. V8 parses a million levels, but whoever walks the result recursively overflows. */
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** One pass over the bytes: is anything nested deeper than allowed? Brackets inside strings do not count. */
function isTooDeep(body: Buffer): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return false;
}

/** Keys that change an object's prototype when somebody copies them with Object.assign; escapes can hide them. */
const MAY_HIDE_PROTO = /__proto__|\\u005f/i;

/** The JSON object in `body`, or in one sentence why there is none. Never throws. */
export function readJsonObject(body: Buffer): { payload: JsonObject } | { invalid: string } {
  if (isTooDeep(body)) return { invalid: `The body is nested deeper than ${MAX_DEPTH} levels.` };
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return { invalid: 'The body is not UTF-8.' };
  }
  try {
    value = MAY_HIDE_PROTO.test(text)
      ? JSON.parse(text, (key, inner: unknown) => (key === '__proto__' ? undefined : inner))
      : JSON.parse(text);
  } catch {
    return { invalid: 'The body is not JSON.' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { invalid: 'The body is JSON, but not an object.' };
  return { payload: value as JsonObject };
}
