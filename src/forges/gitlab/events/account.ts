/** People, bots and owners as hooks name them. */
import type { JsonObject } from '../../forge.js';
import { ghost, user } from '../../kit/shapes/account.js';
import type { ShapeBase } from '../../kit/shapes/base.js';
import type { AccountInput, Id } from '../../kit/shapes/inputs.js';
import { isBot } from '../convert/user.js';
import type { NativeAccount } from '../schema.js';

/** Instances without a CDN give avatars as paths. */
const avatarOf = (base: ShapeBase, url: string | null | undefined): string | null =>
  url && URL.canParse(url, base.web) ? url : null;

/** An account by its username; undefined without one, since its display name is no login. Very old hooks send no id. */
export function accountInput(base: ShapeBase, native: NativeAccount | null | undefined): AccountInput | undefined {
  if (!native?.username) return undefined;
  return {
    id: native.id ?? 0,
    login: native.username,
    avatarUrl: avatarOf(base, native.avatar_url),
    type: isBot(native.username) ? 'Bot' : 'User',
  };
}

/** An account that was read in GitHub's language, as an input again. */
export function knownAccount(known: JsonObject | undefined): AccountInput | undefined {
  const { id, login, type, avatar_url: avatarUrl, html_url: htmlUrl } = known ?? {};
  if ((typeof id !== 'number' && typeof id !== 'string') || typeof login !== 'string' || id === 0) return undefined;
  return {
    id,
    login,
    ...(typeof avatarUrl === 'string' && { avatarUrl }),
    ...(typeof htmlUrl === 'string' && { htmlUrl }),
    type: type === 'Organization' || type === 'Bot' ? type : 'User',
  };
}

/** Whoever has this id among those that the hook names in full. */
export function accountWithId(
  accounts: readonly (AccountInput | undefined)[],
  id: Id | null | undefined,
): AccountInput | undefined {
  if (id === null || id === undefined) return undefined;
  return accounts.find((one) => one !== undefined && one.id !== 0 && String(one.id) === String(id));
}

/** The forge itself, where it acted and not the person that the hook names. */
export const forgeItself: AccountInput = { id: 0, login: 'ghost', type: 'Bot' };

export const senderOf = (base: ShapeBase, actor: AccountInput | undefined): JsonObject =>
  actor === undefined ? ghost(base) : user(base, actor);
