/**
 * Files to which a repository's pipelines lead: what `.gitlab-ci.yml` includes, the actions in the repository that a workflow uses, and
 * what a link in the place of either leads to. Whoever changes one of them changes what the forge runs, whatever it is called.
 * Scripts and builds that a pipeline starts are not among them: that is most of a repository.
 */
import { posix } from 'node:path';
import { parseDocument } from 'yaml';
import type { ListedEntry } from '../git/object-formats.js';
import { steersPipelines } from './guarded-paths.js';

const LINK = '120000';
/** Files that are read, and places that they name. Nobody has as many: where there are more, every file counts as one of them. */
const MOST_FILES = 1_000;
const MOST_LEADS = 200;
const MOST_BYTES = 512 * 1024;
/** YAML can say the same thing a thousand times over. */
const MOST_ALIASES = 100;
const MOST_DEPTH = 60;

export interface PipelineReader {
  entries: readonly ListedEntry[];
  /** Text of a blob, at most so long. */
  read(sha: string, most: number): Promise<string>;
}

/** A place as a pipeline names it, from the repository's root; undefined when it leads out of it. */
function placeOf(written: string): string | undefined {
  const path = posix.normalize(written.replace(/^\/+/, '')).replace(/\/$/, '');
  return path.startsWith('..') ? undefined : path;
}

/**
 * Whether a path is one of a pattern of GitLab's, in which `*`, `**` and a variable stand for anything. What they stand for is rather
 * too much than too little: `*` may reach into folders here. Its parts are looked for one after the other, and not by a regular
 * expression, whose search a stranger's pattern could make endless.
 */
export function matcherOf(place: string): (path: string) => boolean {
  const [first = '', ...others] = place.split(/\*\*\/?|\*|\$\{\w+\}|\$\w+/);
  const last = others.pop();
  if (last === undefined) return (path) => path === first;
  return (path) => {
    if (!path.startsWith(first) || !path.endsWith(last)) return false;
    let at = first.length;
    for (const part of others) {
      const found = path.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= path.length - last.length;
  };
}

interface Leads {
  /** Files, by their paths or patterns. */
  files: string[];
  /** Folders of actions. */
  actions: string[];
}

const isLocal = (text: unknown): text is string => typeof text === 'string' && !text.includes('://');

function includesIn(value: unknown): string[] {
  if (isLocal(value)) return [value];
  if (Array.isArray(value)) return value.flatMap(includesIn);
  if (typeof value !== 'object' || value === null) return [];
  const { local } = value as { local?: unknown };
  return isLocal(local) ? [local] : Array.isArray(local) ? local.filter(isLocal) : [];
}

function collect(value: unknown, leads: Leads, depth = 0): void {
  if (typeof value !== 'object' || value === null || depth > MOST_DEPTH) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'include') leads.files.push(...includesIn(inner));
    else if (key === 'uses' && typeof inner === 'string' && inner.startsWith('./')) leads.actions.push(inner);
    collect(inner, leads, depth + 1);
  }
}

/** What is no YAML leads nowhere: the forge cannot read it either. */
function leadsOf(text: string): Leads {
  const leads: Leads = { files: [], actions: [] };
  try {
    collect(parseDocument(text, { logLevel: 'silent' }).toJS({ maxAliasCount: MOST_ALIASES }), leads);
  } catch {
    return leads;
  }
  return leads;
}

/**
 * Whether a file is one to which the pipelines of a tree lead. Paths are bytes, one character each.
 */
export async function pipelineFiles({ entries, read }: PipelineReader): Promise<(path: string) => boolean> {
  const led = new Map<string, (path: string) => boolean>();
  const isLed = (path: string) => [...led.values()].some((matches) => matches(path));
  const waiting = entries.filter(({ path }) => steersPipelines(path));
  const seen = new Set(waiting.map(({ path }) => path));
  /** @param as what is named twice is looked for once */
  const lead = (as: string, matches: (path: string) => boolean) => {
    if (led.has(as)) return;
    led.set(as, matches);
    for (const entry of entries) {
      if (seen.has(entry.path) || !matches(entry.path)) continue;
      seen.add(entry.path);
      waiting.push(entry);
    }
  };
  const leadTo = (place: string | undefined) => {
    if (place === undefined || place === '.') return;
    lead(`in ${place}`, (path) => path === place || path.startsWith(`${place}/`));
  };
  let files = 0;
  for (let at = 0; at < waiting.length; at += 1) {
    const { path, mode, sha, type, size = 0 } = waiting[at] as ListedEntry;
    if (type !== 'blob' || size > MOST_BYTES) continue;
    if (mode !== LINK && !/\.ya?ml$/i.test(path)) continue;
    files += 1;
    if (files > MOST_FILES) return () => true;
    const text = await read(sha, MOST_BYTES);
    if (mode === LINK) {
      leadTo(text.startsWith('/') ? undefined : placeOf(posix.join(posix.dirname(path), text)));
      continue;
    }
    const leads = leadsOf(text);
    for (const written of leads.files) {
      const place = placeOf(Buffer.from(written, 'utf8').toString('latin1'));
      if (place === undefined || place === '.') continue;
      lead(`like ${place}`, matcherOf(place));
      if (led.size > MOST_LEADS) return () => true;
    }
    for (const written of leads.actions) {
      const place = placeOf(Buffer.from(written, 'utf8').toString('latin1'));
      leadTo(place);
      // The repository is an action itself: its code is not all of its pipeline.
      if (place === '.') lead('action', (one) => one === 'action.yml' || one === 'action.yaml');
      if (led.size > MOST_LEADS) return () => true;
    }
  }
  return isLed;
}
