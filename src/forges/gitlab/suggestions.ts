/**
 * Suggested changes. A block ```` ```suggestion ```` of a comment on several lines is meant to replace all of them on GitHub, and the last
 * one alone on GitLab, which is told how many above it by `suggestion:-2+0`.
 */

/** Where a comment stands, as apps see it. */
interface Lines {
  line?: number | null | undefined;
  side?: 'LEFT' | 'RIGHT' | undefined;
  startLine?: number | null | undefined;
  startSide?: 'LEFT' | 'RIGHT' | undefined;
}

/** Lines above the one that it stands on; a suggestion is for lines that are there after the change. */
function above({ line, side, startLine, startSide = side }: Lines): number {
  const isAfter = side === 'RIGHT' && startSide === 'RIGHT';
  return isAfter && line != null && startLine != null && startLine < line ? line - startLine : 0;
}

const FENCE = '^([ \\t>]*(?:`{3,}|~{3,})[ \\t]*suggestion)';
const PLAIN = new RegExp(`${FENCE}(?=[ \\t\\r]*$)`, 'gim');

/** The text of a comment at these lines, as GitLab gets it. Undone by {@link toGitHubSuggestions}. */
export function toNativeSuggestions(text: string, lines: Lines): string {
  const more = above(lines);
  return more === 0 ? text : text.replace(PLAIN, `$1:-${more}+0`);
}

/** The same as apps see it. One that replaces other lines than those of its comment stays as it is: GitHub has no words for it. */
export function toGitHubSuggestions(text: string, lines: Lines): string {
  const more = above(lines);
  return more === 0 ? text : text.replace(new RegExp(`${FENCE}:-${more}\\+0(?=[ \\t\\r]*$)`, 'gim'), '$1');
}
