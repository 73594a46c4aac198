/**
 * Times as apps write them to GitHub, which takes a day for its first moment, and UTC where no offset is given. JavaScript takes
 * the zone of its machine there, and other forges refuse or ignore both.
 */
const TIME = /^\d{4}-\d{2}-\d{2}(?<clock>[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?(?<offset>Z|[+-]\d{2}:?\d{2})?$/i;

/** Parameters of lists that are times. */
const TIMES = ['since', 'until', 'before'] as const;

/** Milliseconds since 1970; undefined for what is no time. */
export function momentOf(text: string): number | undefined {
  const { clock, offset } = TIME.exec(text)?.groups ?? {};
  if (clock === undefined && (offset !== undefined || !TIME.test(text))) return undefined;
  const at = Date.parse(clock === undefined || offset !== undefined ? text : `${text}Z`);
  return Number.isNaN(at) ? undefined : at;
}

/** As every forge reads it: `2026-02-01T00:00:00Z`, with a fraction where there is one. */
export const toUtc = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

/** A query whose times every forge can read. What is no time stands as it was, to be refused by the forge. */
export function withUtcTimes(query: Readonly<Record<string, string>>): Record<string, string> {
  const read: Record<string, string> = { ...query };
  for (const name of TIMES) {
    const at = momentOf(read[name] ?? '');
    if (at !== undefined) read[name] = toUtc(at);
  }
  return read;
}
