/** Reads the JSON of a stored webhook body, with the limits that keep later code safe from a hostile one. */
import { isAscii, isUtf8, transcode } from 'node:buffer';
import type { JsonObject } from '../forge.js';

/** Deepest nesting that is read. V8 parses a million levels, but whoever walks the result recursively overflows. */
const MAX_DEPTH = 64;
/** Each level that is open costs the parser memory: the depth of a longer body is counted before it is parsed. */
const LONGEST_UNCOUNTED = 256 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Where the string that begins before `from` ends; most are short, and are looked through without leaving the loop. */
function endOfString(body: Buffer, from: number): number {
  let at = from;
  for (const near = Math.min(from + 64, body.length); at < near && body[at] !== QUOTE; at += 1)
    if (body[at] === BACKSLASH) at += 1;
  while (at < body.length && body[at] !== QUOTE) {
    const quote = body.indexOf(QUOTE, at);
    if (quote === -1) return body.length;
    let escapes = quote;
    while (escapes > at && body[escapes - 1] === BACKSLASH) escapes -= 1;
    // An even number of backslashes escapes itself.
    at = (quote - escapes) % 2 === 0 ? quote : quote + 1;
  }
  return at;
}

/** One pass over the bytes. Brackets inside strings do not count. */
function isTooDeep(body: Buffer): boolean {
  let depth = 0;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at] ?? 0;
    if (byte === QUOTE) at = endOfString(body, at + 1);
    else if (byte === 0x7b || byte === 0x5b) depth += 1;
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** Strings, and numbers as JSON writes them. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** A number of so many digits, and not a text: what stands before a value in JSON stands before it. */
const MAY_HOLD_LONG_INTEGER = /\d{16}(?<=(?:^|[:[,\s])-?\d{16})/;
/** Whole numbers that JavaScript may round. */
const LONG_INTEGER = /^-?\d{16,}$/;

/** As {@link parseJson}, for a text that has long numbers. */
function parseExactly(text: string): unknown {
  const exact = text.replace(TOKENS, (token) =>
    LONG_INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token,
  );
  return JSON.parse(exact);
}

/**
 * JSON as JSON.parse reads it, but whole numbers beyond 2^53 become strings: forges' ids reach that far, and a rounded id
 * is somebody else's. @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  return MAY_HOLD_LONG_INTEGER.test(text) ? parseExactly(text) : JSON.parse(text);
}

interface Form {
  isTooDeep: boolean;
  /** It has a number that may have been rounded. */
  isRounded: boolean;
  /** It has a key that changes an object's prototype when somebody copies it with Object.assign. */
  hasProto: boolean;
}

/** Notes in `form` what is to be known of a parsed value. Its values are far fewer than the bytes that it was read from. */
function look(value: unknown, depth: number, form: Form): void {
  if (typeof value === 'number') {
    if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) form.isRounded = true;
  } else if (typeof value === 'object' && value !== null) {
    if (depth > MAX_DEPTH) form.isTooDeep = true;
    else if (Array.isArray(value)) for (const inner of value) look(inner, depth + 1, form);
    else
      for (const key in value) {
        if (key === '__proto__') form.hasProto = true;
        look((value as Record<string, unknown>)[key], depth + 1, form);
      }
  }
}

/** Depth is limited before, so that walking is safe. */
function withoutProto(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutProto);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== '__proto__');
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutProto(inner)]));
}

const BYTE_ORDER_MARK = 0xfeff;

/** Undefined when it is not UTF-8. Checked first, converted then: by way of UTF-16 it takes a fifth of what `toString` does. */
function textOf(body: Buffer): string | undefined {
  if (isAscii(body)) return body.toString('latin1');
  if (!isUtf8(body)) return undefined;
  const text = transcode(body, 'utf8', 'utf16le').toString('utf16le');
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

/** The JSON object in `body`, or in one sentence why there is none. Never throws. */
export function readJsonObject(body: Buffer): { payload: JsonObject } | { invalid: string } {
  const tooDeep = { invalid: `The body is nested deeper than ${MAX_DEPTH} levels.` };
  if (body.length > LONGEST_UNCOUNTED && isTooDeep(body)) return tooDeep;
  const text = textOf(body);
  if (text === undefined) return { invalid: 'The body is not UTF-8.' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { invalid: 'The body is not JSON.' };
  }
  const form: Form = { isTooDeep: false, isRounded: false, hasProto: false };
  look(value, 1, form);
  if (form.isTooDeep) return tooDeep;
  if (form.isRounded) value = parseExactly(text);
  if (form.hasProto) value = withoutProto(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { invalid: 'The body is JSON, but not an object.' };
  return { payload: value as JsonObject };
}
