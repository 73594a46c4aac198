import { unknownNames } from '../config/unknown-names.js';
import type { Logger } from '../lib/logger.js';

/** Says at the start which variables look like ours and change nothing; they are no reason to stop. */
export function warnOfUnknownNames(log: Logger): void {
  for (const { variable, problem, fix } of unknownNames()) log.warn({ variable }, `${variable} ${problem}. ${fix}`);
}
