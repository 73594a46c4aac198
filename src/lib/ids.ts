/** Forge ids are 64-bit; JavaScript numbers are exact to 2^53. One codec, used wherever an id enters or leaves JSON. */

/** The id as a bigint. Throws RangeError for anything that is not a non-negative 63-bit integer. */
export function parseId(value: string | number | bigint): bigint {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError('id is not a safe integer');
  if (typeof value === 'string' && !/^\d{1,19}$/.test(value)) throw new RangeError('id is not a number');
  const id = BigInt(value);
  if (id < 0n || id > 9_223_372_036_854_775_807n) throw new RangeError('id is out of range');
  return id;
}

/** The id as a JSON number where that is exact, else as a string. */
export function formatId(id: bigint): number | string {
  return id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : id.toString();
}

/** First seven characters of a commit SHA, as people write it. */
export function shortSha(sha: string): string {
  return sha.slice(0, 7);
}
