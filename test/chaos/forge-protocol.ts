/** What a run and its forges' processes say to each other. */
import type { HappeningResult } from './people.js';

export interface ForgeSetup {
  forge: string;
  /** True for the emulated GitHub; a double from the registry otherwise. */
  emulated: boolean;
  folder: string;
  /** Port of the double; 0 where it chooses for itself. */
  port: number;
  /** Port of the log in front of it. */
  logPort: number;
  /** Where Forgeway reaches it. */
  publicUrl: string;
  /** The App's webhook; the doubles of the registry learn theirs when they are connected. */
  webhookUrl: string;
  /** File of the log. */
  effects: string;
  owner: string;
  repositories: readonly string[];
  logins: readonly string[];
}

export type HappeningKind = 'issue' | 'comment' | 'pull' | 'sync' | 'close' | 'push';

export type ForgeOrder =
  | { kind: 'start'; setup: ForgeSetup }
  | { kind: 'begin' }
  | {
      kind: 'happen';
      what: HappeningKind;
      repository: string;
      login: string;
      token: string;
      number?: number;
      count?: number;
    }
  | { kind: 'lose-answers'; count: number }
  /** Every webhook has been handed to the ledger. */
  | { kind: 'settled' }
  | { kind: 'problems' }
  | { kind: 'close' };

export interface ForgeAnswer extends HappeningResult {
  settings?: Record<string, string>;
  token?: string;
  problems?: string[];
}

export interface ForgeReply {
  id: number;
  answer?: ForgeAnswer;
  error?: string;
}
