/**
 * Everything a preview is on a cluster, as plain typed values. Pure: the same input gives the same manifests, and nothing
 * is asked. In the order of a preview's life: `whyNot`, `foundation`, `builds`, then `running`, and `routes` once it answers.
 */

import type { JobManifest, Manifest } from '../../../../effects/kubernetes/manifest.js';
import { databaseManifests, seedJob } from './database.js';
import type { RunInput } from './input.js';
import { pullSecret } from './secrets.js';
import { environmentOf, workloads } from './workload.js';

export { neededAccess } from './access.js';
export { builds, imagesOf } from './build.js';
export { foundation, QUOTA } from './foundation.js';
export { previewOfHost, serviceOfHost } from './hosts.js';
export { builtDigest } from './image.js';
export { LABEL, MANAGER } from './marks.js';
export { routes } from './route.js';
export { placeSecretNames } from './secrets.js';
export { whyNot } from './why-not.js';
export { workloadName } from './workload.js';

export interface Running {
  /** Before anything else: what images are pulled with, and the database. */
  before: Manifest[];
  /** Once for each new database, when it answers; then wait for it to end. */
  seed: JobManifest | undefined;
  services: Manifest[];
}

export function running(input: RunInput): Running {
  const { config } = input.frame;
  return {
    before: [pullSecret(input), ...databaseManifests(input)],
    seed: seedJob(input, (name) => {
      const service = config.services.find((one) => one.name === name);
      return service === undefined ? [] : environmentOf(input, service);
    }),
    services: workloads(input),
  };
}
