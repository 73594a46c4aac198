/**
 * Files to which the base branch's configuration of agents leads: what `CLAUDE.md` and its like import (`@path`, also by what is
 * imported), what a link in their place leads to, what settings name as instructions, and scripts that hooks and tools of agents
 * start. They are followed as much as the file that names them, so they are the base branch's, too.
 * Paths are bytes, one character each.
 */
import { posix } from 'node:path';
import { parseDocument } from 'yaml';
import type { ListedEntry } from '../git/object-formats.js';
import { configuresAgents } from './guarded-paths.js';
import { matcherOf } from './pipeline-files.js';

const LINK = '120000';
const MOST_BYTES = 512 * 1024;
const MOST_LINK = 4_096;
/** As Linux has it. */
const MOST_HOPS = 40;
/** YAML can say the same thing a thousand times over. */
const MOST_ALIASES = 100;
const MOST_DEPTH = 60;
/** As Linux has it. What is longer names no file, and would take whoever reads it a long time. */
const MOST_PATH = 4_096;
const MOST_FOLDERS = 100;
/** More names, and more patterns of them, than any repository has whose owner means well. */
const MOST_NAMES = 20_000;
const MOST_PATTERNS = 50;

const IMPORTING = /\.(?:md|mdc|mdx|markdown|txt)$/i;
/** What is written for people and agents; what else is imported is shown to an agent, and is no instruction. */
const DOCUMENT = /(?:\.(?:md|mdc|mdx|markdown|mdown|txt|rst|adoc)|(?:^|\/)[^./]+)$/i;
const SETTINGS = /\.(?:json|jsonc|ya?ml|toml)$/i;
/** Scripts that are started by themselves. */
const HOOKS = /(?:^|\/)\.(?:husky|lefthook|lefthook-local|claude\/hooks|github\/hooks)\//i;
const IMPORT = /@((?:[^\s\\]|\\ )+)/g;
const NAMES_FILES = /^(?:instructions|read|contextfilename|filename|rules|contextfiles)$/i;
const NAMES_COMMANDS = /^(?:command|args|run|entry|hooks|lint-cmd|test-cmd|bash|script)$/i;

export interface InstructionReader {
  /** Of the base branch. */
  trusted: readonly ListedEntry[];
  /** Of the branch that is worked on. */
  head: readonly ListedEntry[];
  /** Blobs by their names, as bytes, one character each. */
  read(shas: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

export interface Instructions {
  /** Is there as the base branch has it, or not at all. */
  isLed(path: string): boolean;
  /** Links of the branch that would lead an import elsewhere. */
  diversions: ReadonlySet<string>;
  /** Files of the base branch with some of their imports taken out: those of what is no document, and another on the branch. */
  texts: ReadonlyMap<string, string>;
}

const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** As it is written, and without the mark that ends a sentence. */
const spellings = (written: string): string[] => {
  if (written.length > MOST_PATH) return [];
  const plain = written.replaceAll('\\ ', ' ').replace(/#.*$/, '');
  return [...new Set([plain, plain.replace(/[.,;:!?)\]}>'"`*_]+$/, '')])].filter((one) => one !== '');
};

/** A path from the repository's root; undefined where it leads out of it, or is the root. */
function within(folder: string, written: string): string | undefined {
  if (written.length > MOST_PATH || written.startsWith('~') || written.includes('\0')) return undefined;
  const path = posix.normalize(posix.join(folder, written)).replace(/\/$/, '');
  if (path.split('/').length > MOST_FOLDERS) return undefined;
  return path === '.' || path === '..' || path.startsWith('../') || path.startsWith('/') ? undefined : path;
}

/** What a command names, wherever it says that the repository is. */
const wordsOf = (command: string): string[] =>
  command
    .replace(/\$\{?[A-Z_]*(?:PROJECT|REPO|ROOT|WORKSPACE|PWD)[A-Z_]*\}?\/?/g, '')
    .split(/[\s"'`;|&()<>=,]+/)
    .map((word) => word.replace(/^\/+/, ''))
    .filter((word) => /[./]/.test(word));

interface Named {
  files: string[];
  commands: string[];
}

function namedIn(value: unknown, found: Named, kind?: keyof Named, depth = 0): void {
  if (depth > MOST_DEPTH) return;
  if (typeof value === 'string') {
    if (kind !== undefined) found[kind].push(bytesOf(value));
  } else if (Array.isArray(value)) {
    for (const one of value) namedIn(one, found, kind, depth + 1);
  } else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value))
      namedIn(inner, found, NAMES_FILES.test(key) ? 'files' : NAMES_COMMANDS.test(key) ? 'commands' : kind, depth + 1);
}

/** What cannot be read as settings is looked at as text: a tool may be less strict than we are. */
function namedBy(path: string, text: string): Named {
  const found: Named = { files: [], commands: [] };
  if (HOOKS.test(path)) return { files: [], commands: [text] };
  if (!SETTINGS.test(path)) return found;
  const document = parseDocument(Buffer.from(text, 'latin1').toString('utf8'), { logLevel: 'silent' });
  if (/\.toml$/i.test(path) || document.errors.length > 0) return { files: [], commands: [text] };
  namedIn(document.toJS({ maxAliasCount: MOST_ALIASES }), found);
  return found;
}

/** Where the base branch's configuration leads. */
export async function instructionFiles({ trusted, head, read }: InstructionReader): Promise<Instructions> {
  const base = new Map(trusted.map((entry) => [entry.path, entry]));
  const branch = new Map(head.map((entry) => [entry.path, entry]));
  const links = trusted.filter(({ mode, size = 0 }) => mode === LINK && size <= MOST_LINK);
  const targets = await read(links.map(({ sha }) => sha));
  const led = new Set<string>();
  /** Whatever is below them. */
  const folders = new Set<string>();
  const patterns = new Map<string, (path: string) => boolean>();
  const diversions = new Set<string>();
  const texts = new Map<string, string>();
  let names = 0;
  /** Too many to follow: all that is there is the base branch's then. */
  const isTooMuch = () => names > MOST_NAMES || patterns.size > MOST_PATTERNS;
  const isLed = (path: string) =>
    isTooMuch() ||
    led.has(path) ||
    [...folders].some((folder) => path.startsWith(`${folder}/`)) ||
    [...patterns.values()].some((matches) => matches(path));

  const seen = new Set<string>();
  let next: ListedEntry[] = [];
  const enter = (path: string) => {
    const entry = base.get(path);
    if (entry === undefined || entry.type !== 'blob' || seen.has(path)) return;
    seen.add(path);
    if (entry.mode === LINK || (entry.size ?? 0) <= MOST_BYTES) next.push(entry);
  };
  const isSame = (path: string) => {
    const [one, other] = [base.get(path), branch.get(path)];
    return one?.sha === other?.sha && one?.mode === other?.mode;
  };
  const divert = (path: string) => {
    for (let folder = posix.dirname(path); folder !== '.'; folder = posix.dirname(folder))
      if (branch.get(folder)?.mode === LINK && !isSame(folder)) diversions.add(folder);
  };
  /** Where a path leads in the base branch, by its links, which have to be there. */
  function resolved(from: string): string | undefined {
    let path: string | undefined = from;
    for (let hops = 0; path !== undefined && hops < MOST_HOPS; hops += 1) {
      const whole: string = path;
      const at = whole.split('/').map((_, n, parts) => parts.slice(0, n + 1).join('/'));
      const link = at.find((one) => base.get(one)?.mode === LINK);
      divert(whole);
      if (link === undefined) return whole;
      led.add(link);
      const text = targets.get(base.get(link)?.sha ?? '') ?? '';
      path = text.startsWith('/') ? undefined : within(posix.dirname(link), `${text}${whole.slice(link.length)}`);
    }
    return undefined;
  }
  const lead = (path: string) => {
    led.add(path);
    enter(path);
  };

  function followText(entry: ListedEntry, text: string): void {
    const folder = posix.dirname(entry.path);
    if (IMPORTING.test(entry.path)) {
      const kept = text.replace(IMPORT, (whole, written: string) => {
        let isKept = true;
        names += 1;
        if (isTooMuch()) return whole;
        for (const spelling of spellings(written)) {
          const path = within(folder, spelling);
          const found = path === undefined ? undefined : resolved(path);
          if (found === undefined) continue;
          if (DOCUMENT.test(found) || !branch.has(found) || isSame(found)) lead(found);
          else isKept = false;
        }
        return isKept ? whole : written;
      });
      if (kept !== text) texts.set(entry.path, kept);
    }
    const { files, commands } = namedBy(entry.path, text);
    for (const name of files) {
      names += 1;
      if (isTooMuch()) return;
      for (const from of ['.', folder]) {
        const path = within(from, name);
        if (path === undefined) continue;
        if (!/[*?[{]/.test(path)) {
          const found = resolved(path);
          if (found !== undefined) lead(found);
          continue;
        }
        const matches = matcherOf(path.replaceAll(/[?]|\[[^\]]*\]|\{[^}]*\}/g, '*'));
        patterns.set(path, (one) => DOCUMENT.test(one) && matches(one));
        for (const one of base.keys()) if (DOCUMENT.test(one) && matches(one)) enter(one);
      }
    }
    for (const word of new Set(commands.flatMap(wordsOf))) {
      names += 1;
      if (isTooMuch()) return;
      for (const from of ['.', folder]) {
        const path = within(from, word);
        const found = path === undefined ? undefined : resolved(path);
        if (found !== undefined && (base.has(found) || branch.has(found))) lead(found);
      }
    }
  }

  for (const { path } of trusted) if (configuresAgents(path)) enter(path);
  while (next.length > 0 && !isTooMuch()) {
    const now = next;
    next = [];
    const wanted = now.filter(
      ({ mode, path }) => mode !== LINK && (IMPORTING.test(path) || SETTINGS.test(path) || HOOKS.test(path)),
    );
    const found = await read(wanted.map(({ sha }) => sha));
    for (const entry of now)
      if (entry.mode === LINK) {
        const path = resolved(entry.path);
        if (path === undefined) continue;
        lead(path);
        folders.add(path);
        for (const one of base.keys()) if (one.startsWith(`${path}/`)) enter(one);
      } else followText(entry, found.get(entry.sha) ?? '');
  }
  return { isLed, diversions, texts };
}
