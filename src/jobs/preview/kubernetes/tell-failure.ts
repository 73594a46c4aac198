/** A failure with the last lines of the log that says more. */
import type { Cluster } from '../../../effects/kubernetes/cluster.js';
import { ForgewayError } from '../../../lib/errors.js';
import { redactText } from '../../../lib/redact.js';
import type { PlaceFailure } from '../driver.js';
import type { Diagnosis } from './diagnosis.js';

const LOG_LINES = 40;

export async function tellFailure(cluster: Cluster, namespace: string, found: Diagnosis): Promise<PlaceFailure> {
  const { cause, pod } = found;
  const log = pod === undefined ? '' : await lastLines(cluster, namespace, pod);
  const last = log.split('\n').at(-1)?.trim() ?? '';
  return { cause: redactText(last === '' ? cause : `${cause}: ${last.slice(0, 200)}`), log };
}

async function lastLines(cluster: Cluster, namespace: string, pod: NonNullable<Diagnosis['pod']>): Promise<string> {
  const { name, container, previous } = pod;
  try {
    const text = await cluster.logs({ namespace, pod: name, container, previous, tailLines: LOG_LINES });
    return redactText(text.replace(/\n+$/, ''));
  } catch (error) {
    // A pod that is gone, or that never ran, has none; why it failed is known without.
    if (error instanceof ForgewayError && (error.details.answered === 404 || error.details.answered === 400)) return '';
    throw error;
  }
}
