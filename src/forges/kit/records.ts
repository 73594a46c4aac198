/**
 * The port for what a forge cannot keep for us: check runs where there are only commit statuses, drafts of releases, the
 * place of a comment that GitHub names by its id alone. Kept per (organization, forge, host); `kind` and `key` are the
 * forge folder's own, built from numeric ids and never from paths.
 */
import type { JsonObject } from '../forge.js';

export interface ForgeRecord {
  /** Unique on this server and stable: may serve as the id of an emulated object. */
  id: number;
  kind: string;
  key: string;
  data: JsonObject;
  createdAt: Date;
  updatedAt: Date;
}

export interface Records {
  get(kind: string, key: string): Promise<ForgeRecord | undefined>;
  byId(kind: string, id: number): Promise<ForgeRecord | undefined>;
  /** Creates or replaces; the id stays. */
  put(kind: string, key: string, data: JsonObject): Promise<ForgeRecord>;
  /**
   * Creates where there is none; else what is there stays as it is and is answered. Of two at the same moment one creates.
   */
  add(kind: string, key: string, data: JsonObject): Promise<{ record: ForgeRecord; added: boolean }>;
  /** Creates or replaces many; for places of comments that a list told. */
  putAll(kind: string, entries: readonly { key: string; data: JsonObject }[]): Promise<void>;
  /** Oldest first; every record whose key begins with `prefix`, at most 1,000. */
  list(kind: string, prefix: string): Promise<readonly ForgeRecord[]>;
  delete(kind: string, key: string): Promise<void>;
}
