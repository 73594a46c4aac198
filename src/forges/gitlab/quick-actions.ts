/**
 * Texts in which GitLab looks for orders. A line such as `/merge` or `/assign @x` in a comment or a description is carried out,
 * as whoever wrote it, also when it came by the API; on GitHub it is a line of text, and apps write what others have told
 * them: the words of an agent, a title, a log. So a line that could be such an order carries an invisible word joiner before
 * its slash on GitLab, and looks the same. In code, too, where what GitLab takes for it may not be what others do, as between other
 * fences than three backticks in its older versions; it is shown then, and cannot be applied by a click. Blocks that are code to
 * everybody stay as they are, since a suggested change of `.gitignore` is applied as it is written.
 */
import { changeProse, markdownParts, withoutSuggestions } from '../../lib/code-blocks.js';
import { toGitHubText, toNativeText } from './references.js';

const WORD_JOINER = '\u2060';
/** By its form and not by name: names come and go with versions and plans. A path has another slash. */
const ORDER = /^([ \t]*)(?=\u2060*\/[a-z_]+(?:[ \t\r]|$))/gim;
const GUARDED = /^([ \t]*)\u2060(?=\u2060*\/[a-z_]+(?:[ \t\r]|$))/gim;

/** A comment or description of an app as GitLab gets it. Undone by {@link toGitHubBody}, but for what cannot be applied any more. */
export function toNativeBody(text: string): string {
  const native = toNativeText(text);
  const body = changeProse(native, (prose) => prose.replace(ORDER, `$1${WORD_JOINER}`));
  return body === native || markdownParts(native, 'plain') !== undefined ? body : withoutSuggestions(body);
}

/** A comment or description on GitLab as apps see it; what a person wrote there stays as it is. */
export function toGitHubBody(text: string): string {
  const body = toGitHubText(text);
  return body.includes(WORD_JOINER) ? changeProse(body, (prose) => prose.replace(GUARDED, '$1')) : body;
}
