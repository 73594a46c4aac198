import { ForgewayError } from '../lib/errors.js';

/**
 * The same answer with its whole body in memory, so that one timeout covers it and nobody reads without end. The limit
 * counts bytes after decompression, which is where a small hostile answer becomes a large one.
 * @throws ForgewayError FORGEWAY_ANSWER_TOO_LARGE
 */
export async function readLimited(response: Response, url: URL, maxBytes: number, advice = ''): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop by an exception cancels the stream, and with it the connection.
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes)
      throw new ForgewayError(
        'FORGEWAY_ANSWER_TOO_LARGE',
        `${url.host} answered with more than ${maxBytes} bytes.${advice}`,
      );
    chunks.push(chunk);
  }
  const headers = new Headers(response.headers);
  // Both speak of the compressed form, which is gone.
  headers.delete('content-encoding');
  headers.delete('content-length');
  const { status, statusText } = response;
  // No copy of a copy: an archive may be large.
  const body = response.body === null ? null : (Buffer.concat(chunks) as Uint8Array<ArrayBuffer>);
  const whole = new Response(body, { status, statusText, headers });
  // Octokit's pagination reads it, and a Response that was made by hand has none.
  Object.defineProperty(whole, 'url', { value: url.href });
  return whole;
}
