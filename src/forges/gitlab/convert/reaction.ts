import { z } from 'zod';
import { id } from './read.js';
import { nativeUser } from './user.js';

export const nativeAward = z.looseObject({ id, name: z.string(), user: nativeUser, created_at: z.string() });
export type NativeAward = z.output<typeof nativeAward>;

/** GitHub's eight reactions by the names of GitLab's emoji. */
const emoji: Readonly<Record<string, string>> = {
  '+1': 'thumbsup',
  '-1': 'thumbsdown',
  laugh: 'laughing',
  confused: 'confused',
  heart: 'heart',
  hooray: 'tada',
  rocket: 'rocket',
  eyes: 'eyes',
};

export const emojiOf = (content: string): string | undefined =>
  Object.hasOwn(emoji, content) ? emoji[content] : undefined;

/** Undefined for one of the thousand emoji that are no reaction on GitHub. */
export const contentOf = (name: string): string | undefined =>
  Object.keys(emoji).find((content) => emoji[content] === name);
