/** What a server's own word for its version says about whether it is one that is supported. */

export interface OldestVersion {
  /** Of the program, for a person. */
  label: string;
  /** Major and minor number. */
  oldest: readonly [number, number];
}

/** `1.22.0+dev-3-gabc` and `v18.6.0-ee` begin with them; `development` does not. */
const NUMBERS = /^v?(\d{1,6})\.(\d{1,6})/;

/** Longer ones are no versions, and are not repeated whole. */
const LONGEST_SHOWN = 40;

/**
 * One sentence for a version that is older than what is supported, and for one that is no number or that the server does not tell:
 * builds of somebody's own, which are mostly young, so that they are taken for current ones. None for any other.
 */
export function versionWarnings(version: string, { label, oldest: [major, minor] }: OldestVersion): string[] {
  const [, is, has] = NUMBERS.exec(version) ?? [];
  const least = minor === 0 ? String(major) : `${major}.${minor}`;
  if (is === undefined || has === undefined) {
    const told =
      version === '' ? 'does not tell its version' : `tells "${version.slice(0, LONGEST_SHOWN)}" as its version`;
    return [
      `${label} ${told}: it is taken for a current one. If it is older than ${least}, events may lack fields, and requests may fail.`,
    ];
  }
  const isOlder = Number(is) < major || (Number(is) === major && Number(has) < minor);
  return isOlder
    ? [
        `${label} ${version} is older than ${least}, the oldest that is supported: events may lack fields, and requests may fail. Update the server.`,
      ]
    : [];
}
