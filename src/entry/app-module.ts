/** Loads the module of a Probot app, whatever form it was written in, and finds the app in it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { ApplicationFunction } from 'probot';
import { z } from 'zod';
import { placeOf } from '../lib/error-place.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { App } from '../translate/bridge.js';
import { sourcesOf } from './app-scan.js';
import { type AppSource, EXPORT, exportedFile, isModule } from './app-source.js';
import { keepAppsFromStarting, takenStarts, withoutStart } from './own-start.js';

const unusable = (message: string, cause?: unknown) => new ForgewayError('FORGEWAY_APP_UNUSABLE', message, { cause });

const TYPESCRIPT: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.tsx']);

/** What an app says of itself to Forgeway, as a property of its function: `app.forgeway = { hydrate: [...] }`. */
const declaration = z
  .object({ hydrate: z.array(z.string()).optional() })
  .catch({})
  .optional();

const tsxManifest = z.object({ exports: z.record(z.string(), z.unknown()) });

interface Registration {
  register(): unknown;
}

/** The file of tsx's interface as an import from there would find it. */
function tsxFrom(file: string, part: 'esm' | 'cjs'): string | undefined {
  try {
    const manifest = createRequire(file).resolve('tsx/package.json');
    const { exports: exported } = tsxManifest.parse(JSON.parse(readFileSync(manifest, 'utf8')));
    const found = exportedFile(exported[`./${part}/api`]);
    return found && join(dirname(manifest), found);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

type LoadModule = (this: unknown, request: string, ...others: unknown[]) => unknown;
const given = { probot: false };

/**
 * TypeScript without `"type": "module"` is compiled to `require`, and what it requires is compiled with it, which Probot's packages do
 * not bear. Apps are given the Probot that runs them.
 */
async function giveProbot(): Promise<void> {
  if (given.probot) return;
  given.probot = true;
  const probot = await import('probot');
  // Not in the types, and where every `require` comes by.
  const load = Reflect.get(Module, '_load') as LoadModule;
  const guarded: LoadModule = function (request, ...others) {
    return request === 'probot' ? withoutStart(probot) : load.call(this, request, ...others);
  };
  Reflect.set(Module, '_load', guarded);
}

/**
 * Lets this process import TypeScript: through tsx where the app or Forgeway has it, or as Node itself does.
 * @throws ForgewayError saying what to install
 */
async function prepareTypeScript(file: string): Promise<void> {
  const places = [file, fileURLToPath(import.meta.url)];
  const place = places.find((one) => tsxFrom(one, 'esm') !== undefined);
  if (place !== undefined) {
    for (const part of ['esm', 'cjs'] as const) {
      const path = tsxFrom(place, part);
      if (path === undefined) continue;
      const module = (await import(pathToFileURL(path).href)) as Registration;
      module.register();
    }
    await giveProbot();
    return;
  }
  // Not in the types of the Node that we build on.
  if (Reflect.get(process.features, 'typescript')) return;
  throw unusable(
    `${file} is TypeScript, which Node ${process.versions.node} does not read. Run \`npm install --save-dev tsx\` beside the app, name its compiled JavaScript, or use Node 22.18 or newer.`,
  );
}

/** Name of a package that an import did not find; undefined for a file, and for every other error. */
export function missingPackage(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'MODULE_NOT_FOUND' && code !== 'ERR_MODULE_NOT_FOUND') return undefined;
  const [, specifier = ''] = /^Cannot find (?:module|package) '([^'./][^']*)'/.exec(messageOf(error)) ?? [];
  const [name] = /^(?:@[^/]+\/)?[^/]+/.exec(specifier) ?? [];
  return name;
}

const dependencies = z.record(z.string(), z.unknown()).optional().catch(undefined);
const packageManifest = z.object({ dependencies, devDependencies: dependencies });

/** What makes a package there for a module: of its own manifest, or in addition. */
export function howToInstall(name: string, file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    if (!existsSync(path)) continue;
    const found = packageManifest.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    const named = found.success && { ...found.data.dependencies, ...found.data.devDependencies };
    if (named && Object.hasOwn(named, name)) return `Run \`npm install\` in ${folder}`;
    return `Run \`npm install ${name}\` in ${folder}`;
  }
  return `Run \`npm install ${name}\` in ${dirname(file)}`;
}

type Exports = Readonly<Record<string, unknown>>;

const isFunction = (value: unknown): value is ApplicationFunction => typeof value === 'function';
const asExports = (value: unknown): Exports =>
  (typeof value === 'object' && value !== null) || typeof value === 'function' ? (value as Exports) : {};

/**
 * The app among what a module exports, or else the one that it starts itself.
 * @throws ForgewayError FORGEWAY_APP_UNUSABLE naming what there is
 */
export function findApp(
  module: Exports,
  { file, exportName }: AppSource,
  started: readonly ApplicationFunction[] = [],
): ApplicationFunction {
  // `module.exports = fn` arrives as `default`; compiled TypeScript has its own `default` inside of that.
  const inner = asExports(module.default);
  if (exportName !== undefined) {
    const named = module[exportName] ?? inner[exportName];
    if (isFunction(named)) return named;
    throw unusable(`${file} exports no function called ${exportName}.`);
  }
  for (const candidate of [inner.default, module.default]) if (isFunction(candidate)) return candidate;
  const functions = new Map(
    Object.entries({ ...inner, ...module }).filter(([name, value]) => isFunction(value) && EXPORT.test(name)),
  );
  const [first, ...others] = new Set(functions.values());
  if (isFunction(first) && others.length === 0) return first;
  const [own, ...more] = new Set(started);
  if (first === undefined && own !== undefined && more.length === 0) return own;
  if (first === undefined)
    throw unusable(
      `${file} exports no function. A Probot app is one, as in \`export default (app) => { … }\`. One that starts a Probot itself is served by \`forgeway app facade\`.`,
    );
  const [name = ''] = functions.keys();
  throw unusable(
    `${file} exports several functions: ${[...functions.keys()].join(', ')}. Say which, as in ${file}#${name}.`,
  );
}

const MOST_CHECKED = 50;
const CHECK_MS = 10_000;

/** Node tells of a module that it cannot read neither file nor line, unless it is asked to do nothing else. */
function unreadPlace(file: string): string | undefined {
  for (const path of [...sourcesOf(file).keys()].slice(0, MOST_CHECKED)) {
    if (TYPESCRIPT.has(extname(path))) continue;
    const { status, stderr } = spawnSync(process.execPath, ['--check', path], { timeout: CHECK_MS, encoding: 'utf8' });
    const [, found, line] = /^(?:file:\/\/)?(.+):(\d+)$/m.exec(stderr) ?? [];
    if (status !== 0 && found !== undefined) return `${path}:${line}`;
  }
  return undefined;
}

/** What was thrown, and where, as far as that can be told. */
function describe(file: string, error: unknown): string {
  const place = placeOf(error) ?? (error instanceof SyntaxError ? unreadPlace(file) : undefined);
  // Of what was not found, Node lists below who asked for it.
  const [said = ''] = messageOf(error).split('\nRequire stack:', 1);
  // Compilers name it in their message.
  const told = place === undefined || said.includes(place) ? said : `${said} (${place})`;
  const needed = missingPackage(error);
  return needed === undefined ? told : `${told}. ${howToInstall(needed, file)}`;
}

/** Imports the module. Whatever it does at its top happens now. @throws ForgewayError FORGEWAY_APP_UNUSABLE */
async function importModule(file: string): Promise<Exports> {
  if (!isModule(file)) throw unusable(`${file} is no module of JavaScript or TypeScript, as an app is.`);
  keepAppsFromStarting();
  if (TYPESCRIPT.has(extname(file))) await prepareTypeScript(file);
  try {
    return (await import(pathToFileURL(file).href)) as Exports;
  } catch (error) {
    throw unusable(`${file} could not be loaded: ${describe(file, error)}`, error);
  }
}

/** The app behind a source, not yet called. @throws ForgewayError FORGEWAY_APP_UNUSABLE */
export async function importApp(source: AppSource): Promise<App> {
  takenStarts();
  const load = findApp(await importModule(source.file), source, takenStarts());
  const { hydrate } = declaration.parse(Reflect.get(load, 'forgeway')) ?? {};
  return { name: source.name, load, optional: true, ...(hydrate && { hydrate }) };
}
