/** Who asks: the one description of a caller that every endpoint, command and page hands to {@link decide}. */
import type { PermissionLevel } from '../permissions.js';
import type { Unconfirmed } from './confirmed.js';
import type { Role } from './roles.js';

/** What a token was made for. A token never allows more than the person or organization behind it. */
export const scopes = ['read', 'run', 'manage'] as const;
export type Scope = (typeof scopes)[number];

/** Nobody has said who they are. */
export interface Anonymous {
  kind: 'anonymous';
}

/** A person who signed in, or a token of theirs. */
export interface Person {
  kind: 'user';
  userId: string;
  /** Shown in the audit trail, never decided by. */
  name: string;
  /** Runs this installation of Forgeway: may connect forges and invite, yet sees nobody's organization for that alone. */
  platformAdmin: boolean;
  suspended: boolean;
  /** Role by organization id; none: not a member. */
  memberships: ReadonlyMap<string, Role>;
  /** Of those whose role a forge has not confirmed lately, which counts for less in `memberships`, or is not there at all. */
  unconfirmed?: ReadonlyMap<string, Unconfirmed>;
  /** Absent: a session in a browser, which may do all that the person may. */
  token?: {
    id: string;
    scopes: readonly Scope[];
    expiresAt?: Date | null /** Of one organization only. */;
    organizationId?: string;
  };
}

/** A token of an organization, for programs. */
export interface Machine {
  kind: 'machine';
  tokenId: string;
  name: string;
  organizationId: string;
  role: Role;
  scopes: readonly Scope[];
  /** When its token ends; null: when somebody revokes it. */
  expiresAt?: Date | null;
}

/** Somebody on a forge, known by nothing but a webhook's sender and the forge's own answer about them. */
export interface ForgeActor {
  kind: 'forge';
  forge: string;
  host: string;
  accountId: bigint;
  login: string;
  /** From the forge's permission API, asked now; `undefined`: it could not be asked, which is no. */
  level: PermissionLevel | undefined;
  /** It does not answer now, and `level` is what it said then; see `remembered.ts`. */
  saidAt?: Date;
}

export type Actor = Anonymous | Person | Machine | ForgeActor;

/** Whose limits it counts for: a person's, however many tokens they have. */
export const payerOf = (actor: Actor): string => (actor.kind === 'user' ? `user:${actor.userId}` : nameOfActor(actor));

/** For logs and the audit trail. */
export function nameOfActor(actor: Actor): string {
  switch (actor.kind) {
    case 'anonymous':
      return 'anonymous';
    case 'user':
      return actor.token === undefined ? `user:${actor.userId}` : `user:${actor.userId} token:${actor.token.id}`;
    case 'machine':
      return `machine:${actor.tokenId}`;
    case 'forge':
      return `${actor.forge}:${actor.host}:${actor.accountId}`;
  }
}
