/** Where a Probot app is, as a person names it on the command line: `[NAME=]PATH[#EXPORT]`. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, isAbsolute, join, parse, resolve } from 'node:path';
import { z } from 'zod';
import { ownAppNames } from '../handlers/apps.js';
import { ForgewayError } from '../lib/errors.js';

export interface AppSource {
  /** Under which its runs are kept: stable, and no two apps share one. */
  name: string;
  /** The module's file, absolute. */
  file: string;
  /** Which of its exports; undefined: the default one, or the only function. */
  exportName: string | undefined;
}

const unusable = (message: string) => new ForgewayError('FORGEWAY_APP_UNUSABLE', message);

/** Names of files that say nothing of what is in them. */
const NAMELESS: ReadonlySet<string> = new Set(['index', 'app', 'main', 'server', 'bot', 'src', 'lib', 'dist', 'build']);
/** What an app may be called. */
export const APP_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Name of an export, as it can be said on the command line. */
export const EXPORT = /^[A-Za-z_$][\w$]*$/;
const SPECIFIER = /^(?:(?<name>[^=/\\#]+)=)?(?<path>[^#]+)(?:#(?<export>[A-Za-z_$][\w$]*))?$/;
const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'];
/** What Node imports as one; a file without an extension is CommonJS. */
export const isModule = (file: string): boolean => ['', '.tsx', ...EXTENSIONS].includes(extname(file));

const manifest = z.object({
  name: z.string().optional(),
  main: z.string().optional(),
  exports: z.unknown().optional(),
});
type Manifest = z.output<typeof manifest>;

function manifestIn(folder: string): Manifest | undefined {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  try {
    return manifest.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw unusable(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The file behind a package's `exports`, or one of their entries, of all the forms they may have. */
export function exportedFile(exported: unknown): string | undefined {
  if (typeof exported === 'string') return exported;
  if (typeof exported !== 'object' || exported === null) return undefined;
  const fields = exported as Record<string, unknown>;
  for (const key of ['.', 'node', 'import', 'require', 'default']) {
    const found = exportedFile(fields[key]);
    if (found !== undefined) return found;
  }
  return undefined;
}

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** A file, a file without its extension, or a folder with a package or an index. */
export function fileAt(path: string): string | undefined {
  if (isFile(path)) return path;
  const withExtension = EXTENSIONS.map((extension) => `${path}${extension}`).find(isFile);
  if (withExtension !== undefined) return withExtension;
  if (!isFolder(path)) return undefined;
  const { exports: exported, main } = manifestIn(path) ?? {};
  const named = exportedFile(exported) ?? main;
  if (named !== undefined) {
    const entry = fileAt(join(path, named));
    if (entry === undefined)
      throw unusable(`${path} says that it starts at ${named}, which is not there. Build it first.`);
    return entry;
  }
  return EXTENSIONS.map((extension) => join(path, `index${extension}`)).find(isFile);
}

/** A package that is installed where the command runs. */
function installedPackage(specifier: string, cwd: string): string | undefined {
  for (const folder of createRequire(join(cwd, 'package.json')).resolve.paths(specifier) ?? []) {
    const found = fileAt(join(folder, specifier));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** By the file, or where that says nothing, by the package or the folder it is in. */
function nameOf(file: string): string {
  const own = basename(file, extname(file));
  if (!NAMELESS.has(own.toLowerCase())) return own;
  for (let folder = dirname(file); folder !== parse(folder).root; folder = dirname(folder)) {
    const name = manifestIn(folder)?.name;
    if (name !== undefined && name !== '') return name;
    // Above a repository's root there is nothing that belongs to the app.
    if (existsSync(join(folder, '.git'))) break;
  }
  for (let folder = dirname(file); folder !== parse(folder).root; folder = dirname(folder))
    if (!NAMELESS.has(basename(folder).toLowerCase())) return basename(folder);
  return own;
}

/** The nearest to it that an app may be called. */
export const tidyName = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replaceAll(/^[-._]+|-+$/g, '')
    .slice(0, 64);

/** @throws ForgewayError FORGEWAY_APP_UNUSABLE when nothing is there, or the name is none */
export function readAppSource(text: string, cwd: string): AppSource {
  const { name: given, path = '', export: exportName } = SPECIFIER.exec(text)?.groups ?? {};
  if (path === '') throw unusable(`"${text}" names no app. Write ./app.js, ./app.js#export or name=./app.js.`);
  const isPath = path.startsWith('.') || isAbsolute(path);
  const found = fileAt(resolve(cwd, path)) ?? (isPath ? undefined : installedPackage(path, cwd));
  if (found === undefined)
    throw unusable(`There is no app at ${path}${isPath ? '' : ', and no package of that name is installed here'}.`);
  const file = realpathSync(found);
  const name = given ?? tidyName(exportName === undefined ? nameOf(file) : `${nameOf(file)}.${exportName}`);
  if (!APP_NAME.test(name))
    throw unusable(`"${name}" is no name for an app: use small letters, digits, dots and dashes, as in name=${path}.`);
  if (ownAppNames.includes(name))
    throw unusable(`"${name}" is the name of an app of Forgeway's own. Give another one: my-${name}=${path}`);
  return { name, file, exportName };
}

/** Several at once. @throws ForgewayError FORGEWAY_APP_UNUSABLE, also when two have the same name */
export function readAppSources(texts: readonly string[], cwd: string): AppSource[] {
  const sources = texts.map((text) => readAppSource(text, cwd));
  for (const [at, { name, file }] of sources.entries()) {
    const other = sources.slice(0, at).find((source) => source.name === name);
    if (other !== undefined)
      throw unusable(`Two apps are called "${name}": ${other.file} and ${file}. Name one of them: other=${file}`);
  }
  return sources;
}

/** As {@link readAppSource} reads it again, in whatever folder. */
export const formatAppSource = ({ name, file, exportName }: AppSource): string =>
  `${name}=${file}${exportName === undefined ? '' : `#${exportName}`}`;
