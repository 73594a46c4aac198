/**
 * Text of a repository inside a comment of ours: shown as it is, and never acted upon. It must not start markup, break
 * the table, hide itself, notify a person, or leave a reference on another issue.
 */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '|': '&#124;',
  '`': '&#96;',
  '\\': '&#92;',
  '*': '&#42;',
  _: '&#95;',
  '~': '&#126;',
  '[': '&#91;',
  ']': '&#93;',
  $: '&#36;',
};

/** Control characters, zero-width characters, and those that reverse the direction of what follows. */
const INVISIBLE = /[\p{Cc}\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]+/gu;
/** Breaks a word for programs that look for references, invisibly for people. */
const BREAK = '\u200B';

/** `text` for a table cell or a line of a comment. */
export function escapeText(text: string): string {
  return text
    .replace(INVISIBLE, ' ')
    .trim()
    .replace(/[&<>"|`\\*_~[\]$]/g, (character) => ENTITIES[character] ?? character)
    .replace(/@(?=\S)/g, `@${BREAK}`)
    .replace(/(?<!&)#(?=\d)/g, `#${BREAK}`)
    .replace(/\b(gh)-(?=\d)/gi, `$1${BREAK}-`)
    .replace(/:\/\//g, `:${BREAK}//`)
    .replace(/\bwww\./gi, (word) => `${word.slice(0, -1)}${BREAK}.`)
    .replace(/\b[0-9a-f]{40}\b/gi, (sha) => `${sha.slice(0, 7)}${BREAK}${sha.slice(7)}`);
}

/** What a person is to type: small letters, digits and dashes, so that whoever wrote it can do nothing else by it. */
const TYPED = /`(\/[a-z][a-z0-9-]{0,40}(?: [a-z0-9-]{1,64}){0,4})`/;

/** A sentence outside of a table, in which commands in backticks stay what they are: the exact line to type. */
export const escapeSentence = (text: string): string =>
  text
    .split(TYPED)
    // Every second part is what stood between backticks. At its edges a part keeps its spaces, which `escapeText` takes away.
    .map((part, index) => (index % 2 === 1 ? `\`${part}\`` : part.replace(/\S(?:[\s\S]*\S)?/, escapeText)))
    .join('')
    .replace(/\s+/g, ' ')
    .trim();

/** The address for a Markdown link, or undefined when it is not one that may be offered. */
export function linkTarget(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, username, password } = new URL(url);
  if ((protocol !== 'https:' && protocol !== 'http:') || username !== '' || password !== '') return undefined;
  return url.replace(/[\s\p{Cc}()<>|"'`\\*@[\]]/gu, (character) =>
    [...new TextEncoder().encode(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}
