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
/** More are not read; nobody has as many. */
const MOST_FILES = 500;
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

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Of GitLab's patterns: `**` is any number of folders, `*` a part of a name, and a variable may be anything. */
const patternOf = (place: string): RegExp =>
  new RegExp(
    `^${place
      .split(/(\*\*\/?|\*|\$\{\w+\}|\$\w+)/)
      .map((part, at) => (at % 2 === 0 ? escaped(part) : part === '*' ? '[^/]*' : '.*'))
      .join('')}$`,
  );

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
  const exact = new Set<string>();
  const folders: string[] = [];
  const patterns: RegExp[] = [];
  const isLed = (path: string) =>
    exact.has(path) || folders.some((folder) => path.startsWith(folder)) || patterns.some((one) => one.test(path));
  const waiting = entries.filter(({ path }) => steersPipelines(path));
  const seen = new Set(waiting.map(({ path }) => path));
  const lead = (matches: (path: string) => boolean) => {
    for (const entry of entries) {
      if (seen.has(entry.path) || !matches(entry.path)) continue;
      seen.add(entry.path);
      waiting.push(entry);
    }
  };
  const leadTo = (place: string | undefined) => {
    if (place === undefined || place === '.') return;
    exact.add(place);
    folders.push(`${place}/`);
    lead((path) => path === place || path.startsWith(`${place}/`));
  };
  for (let at = 0; at < Math.min(waiting.length, MOST_FILES); at += 1) {
    const { path, mode, sha, type, size = 0 } = waiting[at] as ListedEntry;
    if (type !== 'blob' || size > MOST_BYTES) continue;
    if (mode !== LINK && !/\.ya?ml$/i.test(path)) continue;
    const text = await read(sha, MOST_BYTES);
    if (mode === LINK) {
      leadTo(text.startsWith('/') ? undefined : placeOf(posix.join(posix.dirname(path), text)));
      continue;
    }
    const { files, actions } = leadsOf(text);
    for (const written of files) {
      const place = placeOf(Buffer.from(written, 'utf8').toString('latin1'));
      if (place === undefined || place === '.') continue;
      const pattern = patternOf(place);
      patterns.push(pattern);
      lead((one) => pattern.test(one));
    }
    for (const written of actions) {
      const place = placeOf(Buffer.from(written, 'utf8').toString('latin1'));
      leadTo(place);
      // The repository is an action itself: its code is not all of its pipeline.
      if (place === '.') for (const name of ['action.yml', 'action.yaml']) exact.add(name);
      if (place === '.') lead((one) => one === 'action.yml' || one === 'action.yaml');
    }
  }
  return isLed;
}
