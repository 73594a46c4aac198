/**
 * A time as GitHub writes it: whole seconds, Z. Gitea writes its server's zone, and Go's or Unix's zero for "never".
 * Undefined for those and for what is no time.
 */
export function time(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const ms = Date.parse(value);
  if (Number.isNaN(ms) || ms <= 0) return undefined;
  return `${new Date(ms).toISOString().slice(0, -5)}Z`;
}

/** The same where GitHub says null for "never" and the forge has said so. */
export const timeOrNull = (value: string | null | undefined): string | null | undefined =>
  value === undefined ? undefined : (time(value) ?? null);
