/**
 * The bytes of a release's file. What the instance itself has is read with the connection's credential, up to the size of an
 * archive; an app is sent to any other address, as GitHub sends it to its storage, and we never ask there ourselves.
 */
import { ForgewayError } from '../../lib/errors.js';
import type { JsonObject } from '../forge.js';
import { type RouteAnswer, type RouteContext, RouteFailure } from './route.js';

/**
 * `path`: where the native API has it, below its base; undefined when it lies elsewhere. A server that keeps its files in a
 * storage redirects there, which is not ours to read.
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
    const isInStorage = error instanceof ForgewayError && error.code === 'FORGEWAY_ORIGIN_REFUSED';
    // An older server has no such call, or its API does not know the file that a page has.
    if (isInStorage || (error instanceof RouteFailure && error.status === 404)) return elsewhere;
    throw error;
  }
}
