/** Who wrote how many of a repository's commits. */
import type { JsonObject } from '../../forge.js';
import { user } from './account.js';
import type { ShapeBase } from './base.js';
import type { AccountInput } from './inputs.js';

export interface Contribution {
  /** Null for somebody whom the forge knows no account of. */
  account: AccountInput | null;
  name: string;
  email: string;
  count: number;
}

/** One entry for each account, and for each address without one where `anonymous` are wanted; most commits first. */
export function contributors(base: ShapeBase, all: readonly Contribution[], anonymous: boolean): JsonObject[] {
  const merged = new Map<string, Contribution>();
  for (const one of all) {
    if (one.account === null && !anonymous) continue;
    const key = one.account === null ? `email ${one.email.toLowerCase()}` : `account ${one.account.id}`;
    const before = merged.get(key);
    merged.set(key, { ...(before ?? one), count: (before?.count ?? 0) + one.count });
  }
  return [...merged.values()]
    .sort((a, b) => b.count - a.count)
    .map(({ account, name, email, count }) =>
      account === null
        ? { type: 'Anonymous', name, email, contributions: count }
        : { ...user(base, account), contributions: count },
    );
}
