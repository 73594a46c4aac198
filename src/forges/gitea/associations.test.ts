import { expect, it } from '@jest/globals';
import { ForgewayError } from '../../lib/errors.js';
import { type RouteContext, RouteFailure } from '../kit/route.js';
import { associations } from './associations.js';

const elsewhere = new ForgewayError('FORGEWAY_ORIGIN_REFUSED', 'code.test redirects to login.test');

/** A server that answers these paths, whatever the method, and 404 to all others. */
function server(answers: Readonly<Record<string, unknown>>): RouteContext {
  const answer = async (path: string) => {
    const found = answers[path];
    if (found instanceof Error) throw found;
    if (found === undefined) throw new RouteFailure(404, 'Not Found');
    return { status: 200, headers: new Headers(), data: found };
  };
  const native = {
    send: (_method: string, path: string) => answer(path),
    find: async (path: string) => answers[path],
  };
  return { native } as unknown as RouteContext;
}

const place = { owner: 'acme', repo: 'web' };
const bob = { id: 12, login: 'bob' };

it('goes on to the collaborators where whether somebody is a member lies at another origin', async () => {
  const context = server({
    '/orgs/acme': { id: 20 },
    '/orgs/acme/members/bob': elsewhere,
    '/repos/acme/web/collaborators/bob': '',
  });
  expect([...(await associations(place, [bob], context))]).toEqual([['12', 'COLLABORATOR']]);
});

it('does not go on while the server is down', async () => {
  const down = new RouteFailure(502, 'Bad Gateway');
  const context = server({ '/orgs/acme': { id: 20 }, '/orgs/acme/members/bob': down });
  await expect(associations(place, [bob], context)).rejects.toBe(down);
});
