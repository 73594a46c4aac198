/** The App's permissions and events as `app.yml` names them, so that the demo proves that they are enough. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { isObject, objectAt, objectOf } from './emulated-github/json.js';

export interface AppManifest {
  permissions: Record<string, string>;
  events: string[];
}

export async function readAppManifest(checkout: string): Promise<AppManifest> {
  const manifest = objectOf(parse(await readFile(join(checkout, 'app.yml'), 'utf8')), 'app.yml');
  const permissions = Object.entries(objectAt(manifest, 'default_permissions')).map(([name, level]) => [
    name,
    String(level),
  ]);
  const events =
    isObject(manifest) && Array.isArray(manifest.default_events) ? manifest.default_events.map(String) : [];
  return { permissions: Object.fromEntries(permissions), events };
}
