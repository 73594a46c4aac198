/**
 * Which entries of an archive are taken. An archive comes from a repository or an upload, so every name in it is somebody's
 * wish: nothing may land, or point, outside the directory it is unpacked into.
 */
import { posix } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';

export interface ArchiveLimits {
  /** As it arrives, compressed. */
  compressedBytes: number;
  /** Unpacked, headers included: a bomb is found while it unfolds. */
  bytes: number;
  entries: number;
}

export const DEFAULT_ENTRIES = 50_000;
const PATH_BYTES = 1_024;
const DEPTH = 64;

export type ArchiveEntry =
  | { kind: 'directory'; path: string }
  | { kind: 'file'; path: string; executable: boolean; size: number }
  | { kind: 'link'; path: string; target: string };

/** What tar says of an entry, as far as it matters here. */
export interface TarHeader {
  name: string;
  type?: string | null;
  size?: number;
  mode?: number;
  linkname?: string | null;
}

export function refuseArchive(why: string): ForgewayError {
  return new ForgewayError('FORGEWAY_ARCHIVE_REFUSED', `The archive is refused: ${why}`);
}

/** A name for a message: whatever it holds, one short line. */
const shown = (name: string): string => JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);

function partsOf(name: string): string[] {
  if (name.startsWith('/')) throw refuseArchive(`${shown(name)} is an absolute path`);
  // A backslash is a separator elsewhere, and whoever reads the files later may be there.
  if (/[\p{Cc}\\]/u.test(name)) throw refuseArchive(`${shown(name)} has characters that no path should have`);
  if (Buffer.byteLength(name) > PATH_BYTES) throw refuseArchive(`${shown(name)} is longer than ${PATH_BYTES} bytes`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refuseArchive(`${shown(name)} leads out of the archive with ..`);
  if (parts.length > DEPTH) throw refuseArchive(`${shown(name)} is deeper than ${DEPTH} directories`);
  return parts;
}

/**
 * Where a link at `path` leads. Steps up are taken only at the beginning: later ones would start from wherever another link
 * leads, which its text does not tell.
 */
function checkTarget(path: string, target: string): void {
  if (target === '' || target.startsWith('/') || /[\p{Cc}\\]/u.test(target))
    throw refuseArchive(`the link ${shown(path)} leads to ${shown(target)}`);
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const first = parts.findIndex((part) => part !== '..');
  const ups = first === -1 ? parts.length : first;
  if (parts.slice(ups).includes('..') || ups > path.split('/').length - 1)
    throw refuseArchive(`the link ${shown(path)} leads out of the archive, to ${shown(target)}`);
}

/** How one name looks where case, or the way an accent is written, makes no difference. */
const folded = (path: string): string => path.normalize('NFC').toLowerCase();

export interface EntryRules {
  /** The entry as it is to be unpacked; undefined for one that adds nothing. @throws ForgewayError FORGEWAY_ARCHIVE_REFUSED */
  take(header: TarHeader): ArchiveEntry | undefined;
  readonly entries: number;
}

/** @param stripRoot forges put everything into one directory that is named after the commit; its name is left out */
export function createEntryRules(limits: ArchiveLimits, stripRoot: boolean): EntryRules {
  /** By folded path: what was seen there. */
  const seen = new Map<string, { path: string; kind: ArchiveEntry['kind'] }>();
  const state = { entries: 0, root: undefined as string | undefined };

  function place(path: string, kind: ArchiveEntry['kind']): void {
    const key = folded(path);
    const before = seen.get(key);
    if (before === undefined) {
      seen.set(key, { path, kind });
      return;
    }
    if (before.path !== path) throw refuseArchive(`${shown(before.path)} and ${shown(path)} are the same without case`);
    if (before.kind !== 'directory' || kind !== 'directory') throw refuseArchive(`${shown(path)} is there twice`);
  }

  function placeParents(path: string): void {
    const parents: string[] = [];
    for (let parent = posix.dirname(path); parent !== '.'; parent = posix.dirname(parent)) parents.unshift(parent);
    for (const parent of parents) {
      const before = seen.get(folded(parent));
      if (before !== undefined && before.kind !== 'directory')
        throw refuseArchive(`${shown(path)} lies within ${shown(before.path)}, which is no directory`);
      place(parent, 'directory');
    }
  }

  function withoutRoot(parts: readonly string[]): readonly string[] {
    if (!stripRoot) return parts;
    state.root ??= parts[0];
    if (parts[0] !== state.root) throw refuseArchive('its files are not all in one directory, as a forge packs them');
    return parts.slice(1);
  }

  return {
    get entries() {
      return state.entries;
    },
    take(header) {
      state.entries += 1;
      if (state.entries > limits.entries) throw refuseArchive(`it has more than ${limits.entries} entries`);
      const all = partsOf(header.name);
      const parts = all.length === 0 ? all : withoutRoot(all);
      const isDirectory = header.type === 'directory';
      if (parts.length === 0) {
        if (isDirectory) return undefined;
        throw refuseArchive(`${shown(header.name)} is no file in it`);
      }
      const path = parts.join('/');
      placeParents(path);
      switch (header.type ?? 'file') {
        case 'directory':
          place(path, 'directory');
          return { kind: 'directory', path };
        case 'file':
        case 'contiguous-file': {
          const size = header.size ?? 0;
          if (size > limits.bytes) throw refuseArchive(`${shown(path)} is larger than ${limits.bytes} bytes`);
          place(path, 'file');
          return { kind: 'file', path, executable: ((header.mode ?? 0) & 0o100) !== 0, size };
        }
        case 'symlink': {
          const target = header.linkname ?? '';
          checkTarget(path, target);
          place(path, 'link');
          return { kind: 'link', path, target };
        }
        default:
          throw refuseArchive(`${shown(path)} is a ${header.type ?? 'thing'}, and not a file, directory or link`);
      }
    },
  };
}
