/**
 * The bytes of a release's file. What the instance itself has is read with the connection's credential, up to the size of an
 * archive; an app is sent to any other address, as GitHub sends it to its storage.
 */
import { ForgewayError } from '../../lib/errors.js';
import type { JsonObject } from '../forge.js';
import { type RouteAnswer, type RouteContext, RouteFailure } from './route.js';

/** How often a server and the proxies before it may decode a path, all together. */
const DECODED = 3;
const CLIMBS = /(?:^|[/\\])\.{1,2}(?:[/\\]|$)/;

/** Whether it leads up from where it begins, for whoever decodes it once more: `..%2f` is one segment for us. */
function climbs(path: string): boolean {
  let read = path;
  for (let times = 0; times <= DECODED; times += 1) {
    if (CLIMBS.test(read)) return true;
    try {
      read = decodeURIComponent(read);
    } catch {
      // A `%` that stands for itself, unless it came as it is: nobody agrees on what that says.
      return times === 0;
    }
  }
  return false;
}

/**
 * The path of an address below the forge's pages; undefined for an address that lies elsewhere, or that may be read as lying
 * elsewhere. Whoever writes a link writes it, and the connection's token reads more than they may.
 */
export function pathBelow(web: string, address: string): string | undefined {
  if (!URL.canParse(address) || !new URL(address).href.startsWith(`${web}/`)) return undefined;
  const below = new URL(address).pathname.slice(new URL(web).pathname.replace(/\/$/, '').length);
  return climbs(below) ? undefined : below;
}

/**
 * `path`: where the native API has it, below its base; undefined when it lies elsewhere. A server that keeps its files in a
 * storage redirects there; where that may not be asked, the app is sent to the page.
 */
export async function assetBytes(
  context: RouteContext,
  asset: JsonObject,
  path: string | undefined,
): Promise<RouteAnswer> {
  const elsewhere = { status: 302, headers: { location: String(asset.browser_download_url) } };
  if (path === undefined) return elsewhere;
  try {
    const { data, headers } = await context.native.send('GET', path, { as: 'bytes' });
    const contentType = headers.get('content-type') ?? 'application/octet-stream';
    return { body: { contentType, bytes: data as Buffer } };
  } catch (error) {
    const isInStorage =
      error instanceof ForgewayError &&
      (error.code === 'FORGEWAY_ORIGIN_REFUSED' || error.code === 'FORGEWAY_ADDRESS_REFUSED');
    // An older server has no such call, or its API does not know the file that a page has.
    if (isInStorage || (error instanceof RouteFailure && error.status === 404)) return elsewhere;
    throw error;
  }
}
