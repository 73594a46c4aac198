/** Forgeway inside another program: its server, and that program started again for each worker. */
import type { ApplicationFunction } from 'probot';
import { type Environment, loadConfig } from '../config/config.js';
import { ownAppNames } from '../handlers/apps.js';
import { ForgewayError } from '../lib/errors.js';
import { hideLastWords } from '../lib/guarded-output.js';
import { createLogger, type Logger } from '../lib/logger.js';
import type { App } from '../translate/bridge.js';
import { asLegacyApp } from '../translate/legacy/legacy-app.js';
import type { LegacyLevel } from '../translate/legacy/level.js';
import { APP_NAME, tidyName } from './app-source.js';
import { runServer } from './server.js';
import { runWorker } from './worker.js';

/** A Probot app, several by name, or several with what Forgeway may know of them. */
export type ServedApps = ApplicationFunction | Readonly<Record<string, ApplicationFunction>> | readonly App[];

export interface ServeOptions {
  /** Instead of the environment: variables by name, see docs/configuration.md. */
  settings?: Environment;
  /** Of an app that is given as a function alone; default: the function's own name, or `app`. */
  name?: string;
  /** For apps that were written for an older Probot. */
  legacy?: LegacyLevel;
  /** Where lines go; default: standard error, as LOG_LEVEL and LOG_FORMAT say. */
  log?: Logger;
}

/** First argument of the program when it is started as a worker; nothing that a person would write. */
const AS_WORKER = 'forgeway:worker';
const PREVIEW_PORT = '--preview-port';

function named(apps: ServedApps, options: ServeOptions): App[] {
  const { legacy } = options;
  const given: App[] =
    typeof apps === 'function'
      ? [{ name: options.name ?? (tidyName(apps.name) || 'app'), load: apps }]
      : Array.isArray(apps)
        ? [...(apps as readonly App[])]
        : Object.entries(apps as Readonly<Record<string, ApplicationFunction>>).map(([name, load]) => ({ name, load }));
  const names = new Set<string>();
  for (const { name } of given) {
    const wrong = !APP_NAME.test(name) || ownAppNames.includes(name) || names.has(name);
    if (wrong)
      throw new ForgewayError(
        'FORGEWAY_APP_UNUSABLE',
        `"${name}" is no name for an app: small letters, digits, dots and dashes, each name once, none of ${ownAppNames.join(', ')}.`,
      );
    names.add(name);
  }
  return given.map((app) => ({
    optional: true,
    ...app,
    load: legacy === undefined ? app.load : asLegacyApp(app.load, legacy),
  }));
}

/**
 * Serves Probot apps on every forge that is set up or connected, as `forgeway app run` does: server in this process, apps
 * in worker processes. Each of those is this very program started again, so call it once, at the top level and with the
 * same apps, and do nothing before it that must not happen twice. Resolves after a signal, when everything has ended.
 *
 * ```js
 * import { serve } from 'forgeway';
 * await serve({ greeter: (app) => app.on('issues.opened', greet) });
 * ```
 * @throws ForgewayError when it cannot start
 */
export async function serve(apps: ServedApps, options: ServeOptions = {}): Promise<void> {
  const served = named(apps, options);
  const config = options.settings === undefined ? loadConfig() : loadConfig(options.settings);
  const log = options.log ?? createLogger({ level: config.logLevel, format: config.logFormat });
  const [script = ''] = process.argv.slice(1, 2);
  if (process.argv[2] === AS_WORKER) {
    const at = process.argv.indexOf(PREVIEW_PORT);
    const previewPort = at === -1 ? undefined : Number(process.argv[at + 1]);
    hideLastWords();
    return runWorker(config, log.child({ process: 'worker' }), { previewPort, apps: served });
  }
  return runServer(config, log.child({ process: 'server' }), { worker: { script, args: [AS_WORKER] } });
}
