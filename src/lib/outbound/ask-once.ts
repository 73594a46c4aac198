/** One request whose answer is small and must come soon, and which is not sent again: what it carries is used up by it. */

import type { OutboundRoute } from './outbound.js';

export type Fetch = (url: string, init: RequestInit, route?: OutboundRoute) => Promise<Response>;

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 1024 * 1024;

/**
 * Status and text of the answer. A redirect is never followed, since it would take the credential along.
 * @throws Error when there is no answer in time, or too long a one; what `fetch` throws
 */
export async function askOnce(
  fetch: Fetch,
  url: string,
  init: RequestInit,
  route?: OutboundRoute,
): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) }, route);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new Error(`the answer has more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return { status: response.status, text: Buffer.concat(chunks).toString('utf8') };
}
