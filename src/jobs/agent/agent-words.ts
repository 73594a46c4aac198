/**
 * What an agent wrote, where a forge acts on words: titles, descriptions, reviews, messages of commits. It may have been told
 * by a stranger what to write. It stays readable Markdown, and calls nobody, and refers to no issue but the one it was made
 * for: a reference behind the right word closes an issue on merging.
 */
import { markdownParts, withoutSuggestions } from '../../lib/code-blocks.js';

/** Breaks a word for programs that look for references, invisibly for people. */
const BREAK = '\u200B';
/** A person, a team, everybody; not the middle of an address. */
const MENTION = /(?<![A-Za-z0-9_.+-])@(?=[A-Za-z0-9])/g;
const NUMBER = /(?<!&)#(?=(\d+))/g;
const OTHER_FORM = /\b(gh)-(?=\d)/gi;
const ADDRESS = /\b(https?):\/\/(?=\S{0,300}\/(?:issues|work_items)\/\d)/gi;

/** Everywhere, in code too: forges look through the messages of commits, and some through descriptions, as if they were no Markdown. */
export const quietWords = (text: string, own: number): string =>
  text
    .replace(MENTION, `@${BREAK}`)
    .replace(NUMBER, (sign, digits: string) => (Number(digits) === own ? sign : `#${BREAK}`))
    .replace(OTHER_FORM, `$1${BREAK}-`)
    .replace(ADDRESS, `$1:${BREAK}//`);

/**
 * The same for what is only shown, as the remarks of a review: blocks of code stay as they are, since people copy them, and apply what
 * they suggest by a click. Where it is not certain what is code everything is made quiet, and then nothing can be applied.
 */
export function quietRemark(text: string, own: number): string {
  const parts = markdownParts(text);
  if (parts !== undefined) return parts.map((part) => (part.isCode ? part.text : quietWords(part.text, own))).join('');
  const quiet = quietWords(text, own);
  return quiet === text ? text : withoutSuggestions(quiet);
}
