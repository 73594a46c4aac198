/** Runs before every test file: nothing reaches the network, and a test that meant to call a forge must have done so. */
import { afterEach, beforeAll } from '@jest/globals';
import nock from 'nock';

/** Servers that tests start themselves. */
const LOCAL = /^(127\.0\.0\.1|localhost|\[?::1\]?|[a-z0-9.-]+\.localhost)(:\d+)?$/;

const unexpected: string[] = [];

interface Refused {
  method?: string;
  host?: string | null;
  hostname?: string | null;
  path?: string | null;
}

beforeAll(() => {
  nock.disableNetConnect();
  nock.enableNetConnect((host) => LOCAL.test(host));
  nock.emitter.on('no match', (request: unknown, options?: Refused) => {
    const refused = options ?? (request as Refused);
    const host = refused.host ?? refused.hostname ?? '';
    if (!LOCAL.test(host)) unexpected.push(`${refused.method ?? 'GET'} ${host}${refused.path ?? ''}`);
  });
});

afterEach(() => {
  const unused = nock.isDone() ? [] : nock.pendingMocks();
  const requests = unexpected.splice(0);
  nock.cleanAll();
  if (requests.length > 0) throw new Error(`requests that no mock answers:\n${requests.join('\n')}`);
  if (unused.length > 0) throw new Error(`mocks that were never called:\n${unused.join('\n')}`);
});
