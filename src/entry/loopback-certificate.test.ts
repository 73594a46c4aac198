import { X509Certificate } from 'node:crypto';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { isFresh, makeLoopbackCertificate } from './loopback-certificate.js';

/** The status when the server is believed, else the code of the failure. */
async function ask(host: string, made: { key: string; certificate: string }, ca: string | undefined): Promise<unknown> {
  const server = createServer({ key: made.key, cert: made.certificate }, (_request, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const answer = await new Promise<unknown>((resolve) => {
    request(
      { host: '127.0.0.1', servername: host === '127.0.0.1' ? '' : host, port, ca, headers: { host } },
      (response) => response.resume().on('end', () => resolve(response.statusCode)),
    )
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      .end();
  });
  await new Promise((resolve) => server.close(resolve));
  return answer;
}

describe('the certificate of a facade', () => {
  const now = new Date();
  const made = makeLoopbackCertificate(now);

  it('is believed by who trusts it, for this machine’s own names alone', async () => {
    expect(await ask('127.0.0.1', made, made.certificate)).toBe(200);
    expect(await ask('localhost', made, made.certificate)).toBe(200);
    expect(await ask('git.example.com', made, made.certificate)).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await ask('127.0.0.1', made, undefined)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(await ask('127.0.0.1', made, makeLoopbackCertificate(now).certificate)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  it('signs no other, and says when it has to be made again', () => {
    expect(new X509Certificate(made.certificate).ca).toBe(false);
    const years = (count: number) => new Date(now.getTime() + count * 365 * 86_400_000);
    expect([0, 8.9, 9.1, 11].map((count) => isFresh(made.certificate, years(count)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    // The form of its dates changes in 2050.
    const later = makeLoopbackCertificate(new Date('2045-06-01T00:00:00Z')).certificate;
    expect(new X509Certificate(later).validTo).toMatch(/^May 30 00:00:00 2055/);
  });
});
