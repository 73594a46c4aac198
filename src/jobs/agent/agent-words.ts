/**
 * What an agent wrote, where a forge acts on words: titles, descriptions, reviews, messages of commits. It may have been told
 * by a stranger what to write. It stays readable Markdown, and calls nobody, and refers to no issue but the one it was made
 * for: a reference behind the right word closes an issue on merging.
 */

/** Breaks a word for programs that look for references, invisibly for people. */
const BREAK = '\u200B';
/** A person, a team, everybody; not the middle of an address. */
const MENTION = /(?<![A-Za-z0-9_.+-])@(?=[A-Za-z0-9])/g;
const NUMBER = /(?<!&)#(?=(\d+))/g;
const OTHER_FORM = /\b(gh)-(?=\d)/gi;
const ADDRESS = /\b(https?):\/\/(?=\S{0,300}\/(?:issues|work_items)\/\d)/gi;

/** @param own the number that may be referred to */
export const quietWords = (text: string, own: number): string =>
  text
    .replace(MENTION, `@${BREAK}`)
    .replace(NUMBER, (sign, digits: string) => (Number(digits) === own ? sign : `#${BREAK}`))
    .replace(OTHER_FORM, `$1${BREAK}-`)
    .replace(ADDRESS, `$1:${BREAK}//`);
