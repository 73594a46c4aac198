import { createRunLinks } from '../accounts/run-links.js';
import type { Config } from '../config/config.js';

/** Address of the page of a run. Without PUBLIC_URL nobody could follow one, and what is said of a run goes without. */
export function runPages(
  config: Pick<Config, 'publicUrl'>,
  rootKey: Buffer,
): (organizationId: string, runId: string) => string | undefined {
  const links = createRunLinks(rootKey);
  return (organizationId, runId) =>
    config.publicUrl === undefined ? undefined : `${config.publicUrl}${links.pathOf(organizationId, runId)}`;
}
