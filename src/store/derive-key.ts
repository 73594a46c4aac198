import { hkdfSync } from 'node:crypto';
import type { DatabaseRole } from './database.js';

/** HKDF-SHA-256 (RFC 5869). `info` names the purpose: equal inputs give equal keys, another purpose another key. */
export function deriveKey(key: Buffer, salt: Buffer, info: string | Buffer, length = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, info, length));
}

const NO_SALT = Buffer.alloc(0);

/** A value that tells master keys apart and says nothing about them; kept in the database beside what they seal. */
export function masterKeyCheck(masterKey: Buffer): string {
  return deriveKey(masterKey, NO_SALT, 'forgeway/v1/master-key-check', 16).toString('base64url');
}

/** The password of one of our database roles. Nobody has to keep it. @param root see `MasterKeys` */
export function databaseRolePassword(root: Buffer, role: DatabaseRole): string {
  return deriveKey(root, NO_SALT, `forgeway/v1/database-role/${role}`).toString('base64url');
}
