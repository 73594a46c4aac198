/** Longest description a commit status may have. */
export const DESCRIPTION_LIMIT = 140;

/** On one line and at most `limit` UTF-16 units, without cutting a character in two. */
export function shorten(text: string, limit: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  if (line.length <= limit) return line;
  return `${withoutHalf(line.slice(0, limit - 1))}…`;
}

/** Drops the first half of a surrogate pair from the end. */
function withoutHalf(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
}
