/** Forges that answer as a test says: a mock that was never called fails its test, and so does a request that none answers. */
import { afterEach, beforeAll } from '@jest/globals';
import nock from 'nock';
import { isLocal } from './local-only.js';

const unexpected: string[] = [];

interface Refused {
  method?: string;
  host?: string | null;
  hostname?: string | null;
  path?: string | null;
}

beforeAll(() => {
  nock.disableNetConnect();
  nock.enableNetConnect(isLocal);
  nock.emitter.on('no match', (request: unknown, options?: Refused) => {
    const refused = options ?? (request as Refused);
    const host = refused.host ?? refused.hostname ?? '';
    if (!isLocal(host)) unexpected.push(`${refused.method ?? 'GET'} ${host}${refused.path ?? ''}`);
  });
});

afterEach(() => {
  const unused = nock.isDone() ? [] : nock.pendingMocks();
  const requests = unexpected.splice(0);
  nock.cleanAll();
  if (requests.length > 0) throw new Error(`requests that no mock answers:\n${requests.join('\n')}`);
  if (unused.length > 0) throw new Error(`mocks that were never called:\n${unused.join('\n')}`);
});

export { nock };
