/** What a server's own word for its version says about whether it is one that is supported. */

export interface OldestVersion {
  /** Of the program, for a person. */
  label: string;
  /** Major and minor number. */
  oldest: readonly [number, number];
}

/** `1.22.0+dev-3-gabc` and `v18.6.0-ee` begin with them; `development` does not. */
const NUMBERS = /^v?(\d{1,6})\.(\d{1,6})/;

/**
 * One sentence for a version that is older than what is supported; none for a newer one, nor for one that the server does not tell
 * or that is no number: those are builds of somebody's own, and mostly young.
 */
export function versionWarnings(version: string, { label, oldest: [major, minor] }: OldestVersion): string[] {
  const [, is, has] = NUMBERS.exec(version) ?? [];
  if (is === undefined || has === undefined) return [];
  const isOlder = Number(is) < major || (Number(is) === major && Number(has) < minor);
  const least = minor === 0 ? String(major) : `${major}.${minor}`;
  return isOlder
    ? [
        `${label} ${version} is older than ${least}, the oldest that is supported: events may lack fields, and requests may fail. Update the server.`,
      ]
    : [];
}
