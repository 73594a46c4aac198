/** Other people's apps beside our own: as the command line names them, and as worker processes load them. */
import { InvalidArgumentError, Option } from 'commander';
import { forges } from '../forges/registry.js';
import type { App } from '../translate/bridge.js';
import { asLegacyApp } from '../translate/legacy/legacy-app.js';
import { type LegacyLevel, legacyLevels } from '../translate/legacy/level.js';
import { importApp } from './app-module.js';
import { formatAppSource, readAppSources } from './app-source.js';

export interface AddedApps {
  /** `[NAME=]PATH[#EXPORT]`. */
  apps: readonly string[];
  /** Adapts them all to the Probot of now. */
  legacy?: LegacyLevel;
  /** Only for these forges, by id. */
  only?: readonly string[];
}

/** Loads each, in the order given. @throws ForgewayError FORGEWAY_APP_UNUSABLE */
export async function importApps({ apps, legacy, only }: AddedApps): Promise<App[]> {
  const imported: App[] = [];
  for (const source of readAppSources(apps, process.cwd())) {
    const app = await importApp(source);
    imported.push({
      ...app,
      load: legacy === undefined ? app.load : asLegacyApp(app.load, legacy),
      ...(only && only.length > 0 && { forges: only }),
    });
  }
  return imported;
}

/** The same for a process that is started elsewhere, as arguments of `forgeway work`. */
export function argumentsOf({ apps, legacy, only }: AddedApps): string[] {
  return [
    ...readAppSources(apps, process.cwd()).flatMap((source) => ['--app', formatAppSource(source)]),
    ...(legacy === undefined ? [] : ['--legacy', legacy]),
    ...(only ?? []).flatMap((forge) => ['--only', forge]),
  ];
}

export const legacyOption = () =>
  new Option('--legacy <level>', 'for apps that were written for an older Probot').choices([...legacyLevels]);

function knownForge(id: string, before: readonly string[] | undefined): string[] {
  if (!forges.has(id)) throw new InvalidArgumentError(`Forges are ${[...forges.keys()].join(', ')}.`);
  return [...(before ?? []), id];
}

/** May be repeated. */
export const onlyOption = () =>
  new Option('--only <forge>', 'only for deliveries of this forge; may be repeated').argParser(knownForge);
