/** Statuses of a commit as the state of a double tells them, alike on every forge. */
import { unmarked } from '../status-name.js';

/** By name and words; a check and a status of one name stand side by side. */
export const orderedStatuses = <T extends { context: string; description: string }>(all: readonly T[]): T[] => {
  const key = ({ context, description }: T): string => `${context}\n${description}`;
  return all
    .map((status) => ({ ...status, context: unmarked(status.context) }))
    .sort((a, b) => (key(a) < key(b) ? -1 : 1));
};
