/** What our App asks a forge for, from the one list of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { packageRoot } from './version.js';

const schema = z.object({
  default_permissions: z.record(z.string(), z.enum(['read', 'write', 'admin'])),
  default_events: z.array(z.string()),
});

/** Permissions and events, as `app.yml` lists them. */
export function appAsks(): { permissions: Readonly<Record<string, string>>; events: readonly string[] } {
  const manifest = schema.parse(parse(readFileSync(join(packageRoot(), 'app.yml'), 'utf8')));
  return { permissions: manifest.default_permissions, events: manifest.default_events };
}
