/** Whether what a preview is limited and walled in with is still as it was written. */
import type { Cluster } from '../../../effects/kubernetes/cluster.js';
import type { KindName } from '../../../effects/kubernetes/kinds.js';
import { fingerprint } from './inventory.js';

/**
 * What was in order is not looked at again for so long: bringing a preview up looks at it at every step. What is changed meanwhile is
 * seen by the inventory.
 */
const FRESH_MS = 1_000;
const REMEMBERED = 5_000;

export interface WallWatch {
  /** Whether somebody changed or removed one. @param applied what was written, as `Kind/name` to fingerprint */
  differ(cluster: Cluster, namespace: string, applied: Readonly<Record<string, string>>): Promise<boolean>;
}

export function createWallWatch(): WallWatch {
  const seen = new Map<string, number>();

  return {
    async differ(cluster, namespace, applied) {
      const walls = Object.entries(applied).filter(([text]) => !text.startsWith('Deployment/'));
      const key = JSON.stringify([cluster.name, namespace, walls]);
      if (performance.now() - (seen.get(key) ?? Number.NEGATIVE_INFINITY) < FRESH_MS) return false;
      const areAsWritten = await Promise.all(
        walls.map(async ([text, written]) => {
          const [kind = '', name = ''] = text.split('/');
          const ref = { kind: kind as KindName, name, ...(kind !== 'Namespace' && { namespace }) };
          const found = await cluster.get(ref);
          return found !== undefined && fingerprint(found) === written;
        }),
      );
      if (areAsWritten.includes(false)) return true;
      if (seen.size >= REMEMBERED) seen.clear();
      seen.set(key, performance.now());
      return false;
    },
  };
}
