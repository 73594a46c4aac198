/** Reads the JSON of a stored webhook body, with the limits that keep later code safe from a hostile one. */
import { isAscii, isUtf8 } from 'node:buffer';
import type { JsonObject } from '../forge.js';

/** Deepest nesting that is read. V8 parses a million levels, but whoever walks the result recursively overflows. */
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** 2^53 has sixteen digits. */
const LONG = 16;

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

interface BodyForm {
  isTooDeep: boolean;
  /** Whether there is a number of so many digits that JavaScript may round it. */
  hasLongInteger: boolean;
}

/** One pass over the bytes. Brackets and digits inside strings do not count. */
function formOf(body: Buffer): BodyForm {
  const form = { isTooDeep: false, hasLongInteger: false };
  let depth = 0;
  let digits = 0;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at] ?? 0;
    if (byte === QUOTE) at = endOfString(body, at + 1);
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > MAX_DEPTH) return { ...form, isTooDeep: true };
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    digits = byte >= 0x30 && byte <= 0x39 ? digits + 1 : 0;
    if (digits === LONG) form.hasLongInteger = true;
  }
  return form;
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

/** Keys that change an object's prototype when somebody copies them with Object.assign; escapes can hide them. */
const MAY_HIDE_PROTO = /__proto__|\\u005f/i;

/** Depth is limited before, so that walking is safe. */
function withoutProto(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutProto);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => key !== '__proto__');
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutProto(inner)]));
}

const BYTE_ORDER_MARK = /^\uFEFF/;

/** Undefined when it is not UTF-8. Checking first and converting then is a fraction of what a TextDecoder takes. */
function textOf(body: Buffer): string | undefined {
  if (isAscii(body)) return body.toString('latin1');
  return isUtf8(body) ? body.toString('utf8').replace(BYTE_ORDER_MARK, '') : undefined;
}

/** The JSON object in `body`, or in one sentence why there is none. Never throws. */
export function readJsonObject(body: Buffer): { payload: JsonObject } | { invalid: string } {
  const { isTooDeep, hasLongInteger } = formOf(body);
  if (isTooDeep) return { invalid: `The body is nested deeper than ${MAX_DEPTH} levels.` };
  const text = textOf(body);
  if (text === undefined) return { invalid: 'The body is not UTF-8.' };
  let value: unknown;
  try {
    value = hasLongInteger ? parseExactly(text) : JSON.parse(text);
    if (MAY_HIDE_PROTO.test(text)) value = withoutProto(value);
  } catch {
    return { invalid: 'The body is not JSON.' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { invalid: 'The body is JSON, but not an object.' };
  return { payload: value as JsonObject };
}
