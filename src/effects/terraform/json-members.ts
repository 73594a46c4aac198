/**
 * The members of an object in JSON, without reading what is in them: the schemas of a large provider are a hundred megabytes, of
 * which a plan needs a few kilobytes, and reading all of it takes ten times that in memory.
 */

export interface JsonMember {
  name: string;
  /** The bytes of its value, still JSON. */
  value: Buffer;
}

const [QUOTE, ESCAPE, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const SPACES: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]);

const unexpected = (at: number) => new SyntaxError(`unexpected JSON at byte ${at}`);

function afterSpaces(bytes: Buffer, from: number): number {
  let at = from;
  while (SPACES.has(bytes[at])) at += 1;
  return at;
}

/** @param from where its first quote is; answers the place behind the last one */
function afterString(bytes: Buffer, from: number): number {
  for (let end = bytes.indexOf(QUOTE, from + 1); end >= 0; end = bytes.indexOf(QUOTE, end + 1)) {
    let before = end - 1;
    while (bytes[before] === ESCAPE) before -= 1;
    if ((end - before) % 2 === 1) return end + 1;
  }
  throw unexpected(from);
}

function afterValue(bytes: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = afterString(bytes, at);
      if (depth === 0) return at;
      continue;
    }
    if (byte === CLOSE || byte === CLOSE_LIST) {
      // Of what is around it: a number or a word has ended.
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (byte === OPEN || byte === OPEN_LIST) depth += 1;
    else if (depth === 0 && (byte === COMMA || SPACES.has(byte))) return at;
    at += 1;
  }
  throw unexpected(from);
}

/** In their order. Values are looked at only as far as it takes to find their ends. @throws SyntaxError when it is no object */
export function* jsonMembers(bytes: Buffer): Generator<JsonMember> {
  let at = afterSpaces(bytes, 0);
  if (bytes[at] !== OPEN) throw unexpected(at);
  at = afterSpaces(bytes, at + 1);
  if (bytes[at] === CLOSE) return;
  for (;;) {
    if (bytes[at] !== QUOTE) throw unexpected(at);
    const nameEnd = afterString(bytes, at);
    const name: unknown = JSON.parse(bytes.toString('utf8', at, nameEnd));
    at = afterSpaces(bytes, nameEnd);
    if (bytes[at] !== COLON) throw unexpected(at);
    at = afterSpaces(bytes, at + 1);
    const end = afterValue(bytes, at);
    yield { name: String(name), value: bytes.subarray(at, end) };
    at = afterSpaces(bytes, end);
    if (bytes[at] === CLOSE) return;
    if (bytes[at] !== COMMA) throw unexpected(at);
    at = afterSpaces(bytes, at + 1);
  }
}
