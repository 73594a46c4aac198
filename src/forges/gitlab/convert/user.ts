import { z } from 'zod';
import type { AccountInput } from '../../kit/shapes/inputs.js';
import { id } from './read.js';

export const nativeUser = z.looseObject({
  id,
  username: z.string(),
  name: z.string().nullish(),
  avatar_url: z.string().nullish(),
  web_url: z.string().optional(),
  public_email: z.string().nullish(),
  bot: z.boolean().optional(),
});
export type NativeUser = z.output<typeof nativeUser>;

/** Accounts that GitLab makes for access tokens, and its own; only the user API says `bot`. */
const BOT =
  /^(project_\d+_bot|group_\d+_bot|service_account_|gitlab-.*-bot$|gitlabduo$|duo-(developer|code-review)(-|$)|ghost$|alert-bot$|support-bot$|security-bot$)/i;

export const isBot = (username: string): boolean => BOT.test(username);

export const account = (user: NativeUser): AccountInput => ({
  id: user.id,
  login: user.username,
  name: user.name ?? null,
  email: user.public_email || null,
  avatarUrl: user.avatar_url ?? null,
  htmlUrl: user.web_url,
  type: user.bot === true || isBot(user.username) ? 'Bot' : 'User',
});

export const accountOrNull = (user: NativeUser | null | undefined): AccountInput | null =>
  user ? account(user) : null;
