/**
 * Modules that start a Probot themselves, as `run(app)` does at the end of many. It would listen on the port of this server in every
 * process that loads the app, and hear of nothing: while apps are loaded, `run` of whichever Probot they have takes the app and
 * starts nothing.
 */
import Module, { register } from 'node:module';
import type { ApplicationFunction } from 'probot';

type LoadModule = (this: unknown, request: string, ...others: unknown[]) => unknown;

const GUARD = 'forgeway.without-start';
const taken: ApplicationFunction[] = [];
const guarded = new WeakMap<object, object>();
const state = { registered: false };

async function run(app: unknown): Promise<void> {
  if (typeof app === 'function') taken.push(app as ApplicationFunction);
}

/** The exports of a Probot, of any version, with a `run` that starts nothing. */
export function withoutStart(probot: object): object {
  const known = guarded.get(probot);
  if (known !== undefined) return known;
  const made = { ...probot, run };
  // Until Probot 12 it is there, too.
  const { Probot } = probot as { Probot?: unknown };
  if (typeof Probot === 'function' && Object.hasOwn(Probot, 'run')) Reflect.set(Probot, 'run', run);
  guarded.set(probot, made);
  return made;
}

/** For `import`, in a thread of Node's own: what stands for `probot` has all that the app's has, and our `run`. */
const HOOKS = `
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  if (specifier !== 'probot') return found;
  const real = JSON.stringify(found.url);
  // Of what is not known to be an ES module, Node makes a default.
  const { format } = found;
  const source = [
    'import * as real from ' + real + ';',
    'export * from ' + real + ';',
    'const guard = globalThis[Symbol.for(${JSON.stringify(GUARD)})];',
    'export const { run } = guard(real);',
    ...(format === 'module' ? [] : ['export default guard(real.default);']),
  ].join('\\n');
  return { url: 'data:text/javascript,' + encodeURIComponent(source), format: 'module', shortCircuit: true };
}`;

/** Before the first app is loaded. Once per process. */
export function keepAppsFromStarting(): void {
  if (state.registered) return;
  state.registered = true;
  Reflect.set(globalThis, Symbol.for(GUARD), withoutStart);
  register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
  // Not in the types, and where every `require` comes by.
  const load = Reflect.get(Module, '_load') as LoadModule;
  const guardedLoad: LoadModule = function (request, ...others) {
    const loaded = load.call(this, request, ...others);
    return request === 'probot' ? withoutStart(loaded as object) : loaded;
  };
  Reflect.set(Module, '_load', guardedLoad);
}

/** The apps that `run` was given since the last time. */
export const takenStarts = (): readonly ApplicationFunction[] => taken.splice(0);
