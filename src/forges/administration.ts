/** Connecting an instance of a forge: what its token is and may do, its repositories, and their webhooks. */
import type { DeliveryLog } from './delivery-log.js';
import type { NativeClient } from './kit/native-client.js';
import type { RouteFailure } from './kit/route.js';

/** Measured, never assumed (decision 20). A feature that needs one which is missing says so. */
export const capabilities = ['read', 'comment', 'status', 'hooks', 'admin'] as const;
export type Capability = (typeof capabilities)[number];

export interface TokenFacts {
  /** Version of the server as it names itself, '' when it does not. */
  version: string;
  /** Such as `community`, `enterprise`, `gitea`, `forgejo`. */
  edition: string;
  account: { id: bigint; login: string };
  /** True when the token acts as a person, whose leaving ends it and whose name stands at every comment. */
  isPerson: boolean;
  /** As the forge names them; empty when it does not tell. */
  scopes: readonly string[];
  capabilities: readonly Capability[];
  /** One sentence each for what is missing and what to do. */
  warnings: readonly string[];
  /** One sentence each for what is good to know and lacks nothing. */
  notes?: readonly string[];
  expiresAt: Date | null;
}

export interface ForgeRepository {
  id: bigint;
  /** As GitHub's: one segment each, see the forge's own path rules. */
  owner: string;
  name: string;
  url: string;
  private: boolean;
  defaultBranch: string | null;
  /** Whether the token may create webhooks here; undefined when only trying tells. */
  mayHook: boolean | undefined;
  /** Whether whoever the token speaks for may push here; undefined when the forge does not say. */
  mayPush?: boolean | undefined;
}

/** Where a webhook is created: nearest first. */
export type HookTarget =
  | { level: 'repository'; owner: string; name: string }
  | { level: 'organization'; owner: string }
  | { level: 'system' };

export interface NativeHook {
  id: string;
  url: string;
  active: boolean;
  /** Why the forge does not deliver through it, in one sentence; undefined when it does, or when a person switched it off. */
  trouble: string | undefined;
  /** What it was told to leave out of what Forgeway asks for, as the forge names it; absent where it does not say. */
  unheard?: readonly string[];
}

export interface HookWish {
  /** Where deliveries are to arrive. */
  url: string;
  /** At least 32 random bytes as text. */
  secret: string;
  /** The same for forges that sign by Standard Webhooks: `whsec_` and 32 random bytes in base64. Never sent in a header. */
  signingSecret: string;
  /** Whether confidential issues and notes are to be sent too. */
  confidential: boolean;
}

export interface ForgeAdministration {
  /** @throws RouteFailure 401 when the token is refused */
  probe(native: NativeClient): Promise<TokenFacts>;
  /** Every repository the token reaches, in pages of the forge's own. */
  repositories(native: NativeClient): AsyncIterable<ForgeRepository>;
  listHooks(native: NativeClient, target: HookTarget): Promise<readonly NativeHook[]>;
  /**
   * Creates the hook with every event that is translated. Answers which of the two secrets its deliveries are really
   * signed with.
   */
  createHook(native: NativeClient, target: HookTarget, wish: HookWish): Promise<{ hook: NativeHook; secret: string }>;
  /**
   * Writes URL, secret and events anew, and switches it on again; under another id where the forge cannot do that to the
   * same hook. The hook exists: it was listed just now.
   */
  repairHook(
    native: NativeClient,
    target: HookTarget,
    hookId: string,
    wish: HookWish,
  ): Promise<{ hookId: string; secret: string }>;
  deleteHook(native: NativeClient, target: HookTarget, hookId: string): Promise<void>;
  /** Has the forge send a test delivery. False when it cannot, at this level or for want of anything to tell. */
  testHook(native: NativeClient, target: HookTarget, hookId: string): Promise<boolean>;
  /**
   * Switches a hook that is there on again and changes nothing else, so that the forge keeps what it remembers of it.
   * `refused`: the forge tried a delivery first, and our server did not take it. `impossible`: not in this way, at this
   * level or on this server; {@link repairHook} does it. Absent: always so.
   */
  enableHook?(native: NativeClient, target: HookTarget, hookId: string): Promise<'enabled' | 'refused' | 'impossible'>;
  /** What the forge remembers of a hook's deliveries; undefined where it lists none. */
  deliveries?(native: NativeClient, target: HookTarget, hookId: string): DeliveryLog | undefined;
  /** The scope that a token lacks, from the body of a 403; undefined when it was refused for another reason. */
  missingScope?(body: string): string | undefined;
  /** Which setting of the server lets its webhooks go to private addresses, and who has it, in one sentence. */
  privateHooks?: string;
  /** What to do about a refusal of one of the calls on hooks, in one sentence; undefined when its own words say all. */
  hookAdvice(failure: RouteFailure, target: HookTarget): string | undefined;
}
