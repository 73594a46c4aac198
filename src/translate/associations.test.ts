import { expect, it } from '@jest/globals';
import type { Written } from '../forges/kit/associations.js';
import { type RouteContext, RouteFailure } from '../forges/kit/route.js';
import { ForgewayError } from '../lib/errors.js';
import { createLogger } from '../lib/logger.js';
import { createAssociations } from './associations.js';

const context = { log: createLogger({ level: 'silent', format: 'json' }) } as unknown as RouteContext;

/** What is told of one author when the question for it fails so. */
async function toldAfter(failure: Error): Promise<string[]> {
  const told: string[] = [];
  const written: Written = {
    place: { owner: 'acme', repo: 'web' },
    author: { id: 7, login: 'bob' },
    set: (association) => told.push(association),
  };
  const ask = async () => {
    throw failure;
  };
  await createAssociations({ now: () => new Date(0) }).fill([written], { ask, context, connectionId: '1' });
  return told;
}

it.each([
  ['refuses', new RouteFailure(403, 'Forbidden')],
  ['sends the question on to another origin', new ForgewayError('FORGEWAY_ORIGIN_REFUSED', 'elsewhere')],
  ['answers more than is read', new ForgewayError('FORGEWAY_ANSWER_TOO_LARGE', 'too much')],
])('an author is nothing to the repository when the forge %s', async (_what, failure) => {
  expect(await toldAfter(failure)).toEqual(['NONE']);
});

it('is asked for again later when the forge cannot be reached, or the connection is gone', async () => {
  for (const code of ['FORGEWAY_FORGE_UNREACHABLE', 'FORGEWAY_CONNECTION_UNUSABLE'] as const)
    await expect(toldAfter(new ForgewayError(code, 'not now'))).rejects.toMatchObject({ code });
});
