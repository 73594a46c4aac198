import type { z } from 'zod';
import type { AccountInput, Id } from '../../kit/shapes/inputs.js';
import { nativeTeam, nativeUser, read } from '../schema.js';

/** Accounts that the server itself acts as. People cannot have these ids. */
const SERVER_ACCOUNTS: ReadonlySet<string> = new Set(['-1', '-2']);
/** The server knows no bots: an account whose name says so is one, as those of well-known bots do. */
const BOT_LOGIN = /(?:^|[-_.])bot$|\[bot\]$|^(?:gitea|forgejo)-actions$/i;

/**
 * A user or an organization, which the forge does not tell apart: pass `'Organization'` where only one can stand.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 */
export function accountInput(native: unknown, type?: AccountInput['type']): AccountInput {
  return fromNative(read('user', nativeUser, native), type);
}

/** The same, or undefined where there is no account that can be read. Never throws. */
export function accountIfTold(native: unknown): AccountInput | undefined {
  const user = nativeUser.safeParse(native);
  return user.success ? fromNative(user.data) : undefined;
}

function fromNative(user: z.output<typeof nativeUser>, type?: AccountInput['type']): AccountInput {
  const login = user.login || user.username;
  return {
    id: user.id,
    // The ghost of a deleted account is sent with an empty name by some versions.
    login: login || 'ghost',
    ...(user.full_name && { name: user.full_name }),
    ...(user.email && { email: user.email }),
    ...(user.avatar_url && { avatarUrl: user.avatar_url }),
    ...(user.html_url && { htmlUrl: user.html_url }),
    type: type ?? (SERVER_ACCOUNTS.has(String(user.id)) || BOT_LOGIN.test(login ?? '') ? 'Bot' : 'User'),
    siteAdmin: user.is_admin ?? false,
  };
}

/** The accounts of a list, without what is none. Undefined when there is no list. */
export function accountInputs(native: readonly unknown[] | null | undefined): AccountInput[] | undefined {
  return native?.map(accountIfTold).filter((account) => account !== undefined);
}

/** GitHub names a team by a slug; here its name is one already but for case and spaces. */
export function teamReferences(
  native: readonly unknown[] | null | undefined,
): { id: Id; name: string; slug: string }[] | undefined {
  return native?.flatMap((entry) => {
    const team = nativeTeam.safeParse(entry);
    if (!team.success) return [];
    return [
      { id: team.data.id, name: team.data.name, slug: team.data.name.toLowerCase().replace(/[^a-z0-9._-]+/g, '-') },
    ];
  });
}
