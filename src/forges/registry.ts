import type { ForgeDescriptor } from './forge.js';
import { forgejo, gitea } from './gitea/forge.js';
import { github } from './github/forge.js';
import { gitlab } from './gitlab/forge.js';

/** Every forge that is served, by id. A further forge costs one folder and one line here. */
export const forges: ReadonlyMap<string, ForgeDescriptor> = new Map(
  [github, gitlab, gitea, forgejo].map((forge) => [forge.id, forge] as const),
);

export function forgeById(id: string): ForgeDescriptor | undefined {
  return forges.get(id);
}
