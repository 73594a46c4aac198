/**
 * The text of a pull request that an agent has made. It is replaced when there is another, unless a person has written in it: it
 * carries a digest of itself, which forges do not show.
 */
import { createHash } from 'node:crypto';

const MARK = /\n*<!-- forgeway:text ([0-9a-f]{16}) -->\s*$/;

/** Forges end lines, and texts, as they like. */
const plain = (text: string): string => text.replaceAll('\r\n', '\n').trim();

const digest = (text: string): string => createHash('sha256').update(plain(text)).digest('hex').slice(0, 16);

export const signedText = (text: string): string => `${plain(text)}\n\n<!-- forgeway:text ${digest(text)} -->`;

/** Whether it is as it was written: nobody has changed it since. */
export function isOwnText(text: string): boolean {
  const match = MARK.exec(text);
  return match !== null && digest(text.slice(0, match.index)) === match[1];
}
