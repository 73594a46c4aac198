import { describe, expect, it } from '@jest/globals';
import { isPassing } from './passing.js';

const of = (container: string) => ({
  cause: 'The build ended with code 1',
  pod: { name: 'p', container, previous: false },
});

describe('what passes', () => {
  it.each([
    ['fetch', "fatal: unable to access 'https://forge.example/acme/web.git/': Could not resolve host: forge.example"],
    [
      'fetch',
      "fatal: unable to access 'https://forge.example/a/b/': Failed to connect to forge.example port 443 after 129 ms: Couldn't connect to server",
    ],
    ['fetch', "fatal: unable to access 'https://forge.example/a/b/': The requested URL returned error: 503"],
    [
      'fetch',
      'error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec transferred the last 60 seconds',
    ],
    ['fetch', 'fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF'],
    ['fetch', 'fatal: the remote end hung up unexpectedly'],
    [
      'build',
      '#3 ERROR: x\nerror: failed to solve: node:22: failed to resolve source metadata for docker.io/library/node:22: failed to do request: Head "https://registry-1.docker.io/v2/library/node/manifests/22": dial tcp 10.0.0.1:443: i/o timeout',
    ],
    [
      'build',
      'error: failed to solve: failed to push registry.example.com/web:pr-1-aaaaaaa: failed to do request: Head "https://registry.example.com/v2/web/blobs/sha256:1": dial tcp: lookup registry.example.com on 10.96.0.10:53: no such host',
    ],
    [
      'build',
      'error: failed to solve: failed to push registry.example.com/web:pr-1-aaaaaaa: unexpected status from PUT request to https://registry.example.com/v2/web/manifests/pr-1: 502 Bad Gateway',
    ],
    [
      'build',
      'error: failed to solve: node:22: unexpected status from HEAD request to https://registry-1.docker.io/v2/library/node/manifests/22: 429 Too Many Requests',
    ],
    [
      'build',
      'error: listing workers for Build: failed to list workers: Unavailable: connection error: desc = "transport: Error while dialing: dial tcp 10.1.2.3:1234: connect: connection refused"',
    ],
    [
      'export',
      'ERROR: failed to export: saving image: failed to write image: Put "https://registry.example.com/v2/": net/http: TLS handshake timeout',
    ],
    [
      'restorer',
      'ERROR: failed to restore: accessing cache: Get "https://registry.example.com/v2/": dial tcp: connect: connection refused',
    ],
  ])('in %s: %s', (container, log) => {
    expect(isPassing(of(container), log)).toBe(true);
  });

  it('of an image of ours that a node cannot reach', () => {
    const cause = (why: string) => ({
      cause: `The image docker.io/alpine/git:2 cannot be pulled: Failed to pull image: ${why}`,
    });
    expect(isPassing(cause('failed to do request: dial tcp 1.2.3.4:443: i/o timeout'), '')).toBe(true);
    expect(isPassing(cause('unexpected status: 503 Service Unavailable'), '')).toBe(true);
    expect(isPassing(cause('docker.io/alpine/git:2: not found'), '')).toBe(false);
    expect(isPassing(cause('pull access denied, repository does not exist or may require authorization'), '')).toBe(
      false,
    );
  });

  it('of what its cluster took away', () => {
    expect(isPassing({ cause: 'The build was ended by its node: low on memory', passing: true }, '')).toBe(true);
    expect(isPassing({ cause: 'The build was ended by its node: ephemeral local storage exceeds its limit' }, '')).toBe(
      false,
    );
  });
});

describe('what does not', () => {
  it.each([
    ['fetch', "fatal: couldn't find remote ref refs/pull/1/head"],
    ['fetch', "fatal: unable to access 'https://forge.example/a/b/': The requested URL returned error: 403"],
    ['fetch', "fatal: Authentication failed for 'https://forge.example/a/b/'"],
    ['fetch', "There is no Dockerfile in this commit. Say 'build: {dockerfile: PATH}' or 'image:' in .forgeway.yml."],
    ['fetch', 'This repository keeps files in Git LFS, and the image that fetches it has no git-lfs.'],
    ['build', 'error: failed to solve: process "/bin/sh -c npm ci" did not complete successfully: exit code: 1'],
    // A network that only the repository’s own command missed.
    [
      'build',
      'curl: (7) Failed to connect to db port 5432: Connection refused\nerror: failed to solve: process "/bin/sh -c curl http://db" did not complete successfully: exit code: 7',
    ],
    [
      'build',
      'error: failed to solve: process "/bin/sh -c echo i/o timeout; exit 1" did not complete successfully: exit code: 1',
    ],
    ['build', 'dial tcp: i/o timeout\nThe build context lies outside the repository.'],
    ['build', 'error: failed to solve: dockerfile parse error on line 3: unknown instruction: FORM'],
    [
      'build',
      'error: failed to solve: nope:1: failed to resolve source metadata for docker.io/library/nope:1: docker.io/library/nope:1: not found',
    ],
    [
      'build',
      'error: failed to solve: failed to push registry.example.com/web:1: push access denied, repository does not exist or may require authorization: 401 Unauthorized',
    ],
    ['build', 'error: failed to solve: failed to compute cache key: "/dist": not found'],
    ['build', ''],
    // The repository’s own code, whatever it says.
    ['builder', 'dial tcp: i/o timeout'],
    ['detector', 'connection refused'],
    ['seed', 'psql: error: connection to server failed: Connection refused'],
  ])('in %s: %s', (container, log) => {
    expect(isPassing(of(container), log)).toBe(false);
  });
});
