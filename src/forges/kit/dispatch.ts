/** GitHub's `repository_dispatch`: an event that an app causes by name. No other forge has it; our inbox does. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { accept } from './accept.js';
import { tellAbout } from './inbox-port.js';
import { invalid, type Route, RouteFailure, type RouteTable } from './route.js';

const MOST_PROPERTIES = 10;
const MOST_BYTES = 64 * 1024;

const wish = z.looseObject({
  event_type: z.string().min(1).max(100),
  client_payload: z.record(z.string(), z.unknown()).nullish(),
});

const seen = z.looseObject({
  default_branch: z.string().nullish(),
  permissions: z.looseObject({ push: z.boolean() }).nullish(),
});

const dispatch: Route = {
  support: 'emulated',
  retry: 'unsafe',
  source: 'Forgeway: its own inbox',
  note: 'Told by Forgeway to the apps that listen for it here; workflows of the forge do not hear it.',
  async run(request, context) {
    const { owner, repo } = request.params;
    const repository = seen.parse(await context.github('GET /repos/{owner}/{repo}', { owner, repo }));
    const wished = accept('RepositoryDispatch', wish, request.body);
    const sent = wished.client_payload ?? {};
    const isTooMuch =
      Object.keys(sent).length > MOST_PROPERTIES || Buffer.byteLength(JSON.stringify(sent)) > MOST_BYTES;
    if (isTooMuch)
      throw invalid(
        'RepositoryDispatch',
        'client_payload',
        'custom',
        `client_payload has at most ${MOST_PROPERTIES} properties and ${MOST_BYTES / 1024} KB.`,
      );
    if (repository.permissions?.push !== true) throw new RouteFailure(403, 'Resource not accessible by integration');
    if (context.inbox === undefined)
      throw new RouteFailure(501, 'There is no inbox here that could tell apps of a repository_dispatch.');
    await tellAbout(
      context,
      { owner, repo },
      {
        name: 'repository_dispatch',
        key: `repository_dispatch:${randomUUID()}`,
        fields: { action: wished.event_type, branch: repository.default_branch ?? '', client_payload: sent },
      },
    );
    return { status: 204 };
  },
};

export const dispatches: RouteTable = { 'POST /repos/{owner}/{repo}/dispatches': dispatch };
