import type { ForgeDescriptor } from '../forges/forge.js';

export interface WebhookPath {
  descriptor: ForgeDescriptor;
  /** Row of table `hook`. The hook configured through the environment has the forge's own id. */
  hookId: string;
}

const PREFIX = '/api/webhooks/';

/** Only such names are looked up; others are as unknown as a name that does not exist. */
const HOOK_ID = /^[A-Za-z0-9_-]{1,128}$/;
const NO_SUCH_HOOK = '';

/** Paths of the hooks that are configured through the environment; those of rows are below `/api/webhooks/{forge}/`. */
export function exactPaths(forges: ReadonlyMap<string, ForgeDescriptor>): ReadonlyMap<string, WebhookPath> {
  const exact = new Map<string, WebhookPath>();
  for (const descriptor of forges.values()) {
    const found = { descriptor, hookId: descriptor.id };
    exact.set(PREFIX + descriptor.id, found);
    exact.set(`/api/v2/vcs-events/${descriptor.id}`, found);
    for (const alias of descriptor.webhookAliases ?? []) exact.set(alias, found);
  }
  return exact;
}

/**
 * Finds forge and hook by path alone, never by a header. Answers undefined for a path that is not one of ours:
 * `/api/webhooks/{forge}`, `/api/webhooks/{forge}/{hook}`, `/api/v2/vcs-events/{forge}` and the forge's own aliases.
 */
export function createPathMatcher(
  forges: ReadonlyMap<string, ForgeDescriptor>,
): (url: string) => WebhookPath | undefined {
  const exact = exactPaths(forges);
  return (url) => {
    const query = url.indexOf('?');
    const path = query === -1 ? url : url.slice(0, query);
    const known = exact.get(path);
    if (known || !path.startsWith(PREFIX)) return known;
    const [forge = '', hookId = '', ...rest] = path.slice(PREFIX.length).split('/');
    const descriptor = forges.get(forge);
    if (!descriptor || hookId === '' || rest.length > 0) return undefined;
    return { descriptor, hookId: HOOK_ID.test(hookId) ? hookId : NO_SUCH_HOOK };
  };
}
