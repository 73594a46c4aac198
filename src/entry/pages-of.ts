import { createPageLinks } from '../accounts/page-links.js';
import type { Config } from '../config/config.js';

/** Address of our page of a thing. Without PUBLIC_URL nobody could follow one, and what is said of it goes without. */
export function pagesOf(
  config: Pick<Config, 'publicUrl'>,
  rootKey: Buffer,
  kind: Parameters<typeof createPageLinks>[1],
): (organizationId: string, id: string) => string | undefined {
  const links = createPageLinks(rootKey, kind);
  return (organizationId, id) =>
    config.publicUrl === undefined ? undefined : `${config.publicUrl}${links.pathOf(organizationId, id)}`;
}
