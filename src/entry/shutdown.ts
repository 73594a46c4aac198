import type { Logger } from '../lib/logger.js';

/**
 * Resolves with the first signal that asks this process to end. A second one ends it at once, for the person at the
 * terminal who will not wait; nothing is lost by that, only not finished.
 */
export function shutdownRequested(log: Logger): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: string) => {
      if (asked) process.exit(130);
      asked = true;
      log.info({ signal }, 'stopping; again to end at once');
      resolve(signal);
    };
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => onSignal(signal));
    // A worker whose server is gone has nobody to report to.
    process.on('disconnect', () => onSignal('disconnect'));
    // It may have gone while this process was loading, when nobody listened; without a server it is undefined.
    if (process.connected === false) onSignal('disconnect');
  });
}
