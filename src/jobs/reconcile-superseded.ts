/** Looks at the desired version while a step runs, so that work on an old version ends early. */
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { UnsettledRow } from './reconcile.js';
import type { VersionedRows } from './reconcile-rows.js';

export interface VersionWatch {
  /** Aborts once the row wants another version, or is gone. */
  signal: AbortSignal;
  stop(): void;
}

export function watchVersion(
  rows: VersionedRows,
  row: UnsettledRow,
  pollMs: number | undefined,
  log: Logger,
): VersionWatch {
  const controller = new AbortController();
  if (pollMs === undefined) return { signal: controller.signal, stop: () => undefined };
  const timer = setInterval(() => {
    rows.desiredVersion(row).then(
      (version) => {
        if (version === row.version) return;
        clearInterval(timer);
        controller.abort(new Error('superseded by a newer version'));
      },
      // Not known is not superseded; the step goes on and the next look may succeed.
      (error: unknown) => log.debug({ key: row.id, error: messageOf(error) }, 'desired version could not be read'),
    );
  }, pollMs);
  return { signal: controller.signal, stop: () => clearInterval(timer) };
}
