/**
 * Patterns of paths, branches and labels: `*` stands for anything within one part, `**` for any number of parts, `?` for one
 * character. Matched without backtracking over the whole, so that no pattern takes long.
 */

/** One part against one part of a pattern, in the time of their product. */
function partMatches(pattern: string, part: string): boolean {
  // `possible[j]`: the pattern so far stands for the first j characters.
  let possible = [true, ...Array<boolean>(part.length).fill(false)];
  for (const sign of pattern) {
    const next = Array<boolean>(part.length + 1).fill(false);
    if (sign === '*') {
      let any = false;
      for (let j = 0; j <= part.length; j += 1) {
        any ||= possible[j] ?? false;
        next[j] = any;
      }
    } else {
      for (let j = 0; j < part.length; j += 1)
        next[j + 1] = (possible[j] ?? false) && (sign === '?' || sign === part[j]);
    }
    possible = next;
  }
  return possible[part.length] ?? false;
}

/** Whether a pattern stands for a whole path; one that ends with `/` for everything below it. */
export function patternMatches(pattern: string, path: string): boolean {
  const wanted = (pattern.endsWith('/') ? `${pattern}**` : pattern).replace(/^\//, '').split('/');
  const parts = path.split('/');
  let possible = [true, ...Array<boolean>(parts.length).fill(false)];
  for (const [index, one] of wanted.entries()) {
    const next = Array<boolean>(parts.length + 1).fill(false);
    if (one === '**') {
      // At the end it stands for something; before the end also for nothing.
      let any = false;
      const isLast = index === wanted.length - 1;
      for (let j = 0; j <= parts.length; j += 1) {
        if (isLast) next[j] = any;
        any ||= possible[j] ?? false;
        if (!isLast) next[j] = any;
      }
    } else {
      for (let j = 0; j < parts.length; j += 1)
        next[j + 1] = (possible[j] ?? false) && partMatches(one, parts[j] ?? '');
    }
    possible = next;
  }
  return possible[parts.length] ?? false;
}

/** Whether one of them does; a later pattern with `!` takes back what an earlier one gave. */
export function someMatches(patterns: readonly string[], path: string): boolean {
  let matches = false;
  for (const pattern of patterns)
    if (pattern.startsWith('!')) matches &&= !patternMatches(pattern.slice(1), path);
    else matches ||= patternMatches(pattern, path);
  return matches;
}

export const isExact = (pattern: string): boolean => !/[*?]/.test(pattern) && !pattern.startsWith('!');
