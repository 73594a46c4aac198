import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { type NativeHook, translatedBy } from '../../../../test/support/golden.js';
import { createMemoryRecords } from '../../../../test/support/route-rig.js';
import { ForgewayError } from '../../../lib/errors.js';
import type { JsonObject, TranslatePorts } from '../../forge.js';
import { RouteFailure } from '../../kit/route.js';
import { gitea } from '../forge.js';

const native = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8')) as NativeHook;
const opened = native('pull_request.opened');
const base = { api: 'https://code.example.org/api/v3', web: 'https://code.example.org' };
const ownerOf = ({ payload }: NativeHook) => (payload.repository as JsonObject).owner as JsonObject;

/** A forge that answers this to the question for an organization, and what it was asked. */
function forge(answer: unknown, now = '2026-03-02T10:00:00Z') {
  const clock = { at: new Date(now) };
  const records = createMemoryRecords({ now: () => clock.at });
  const asked: unknown[] = [];
  const ports: TranslatePorts = {
    base,
    wanted: new Set(),
    records,
    github: async (route, parameters) => {
      asked.push([route, parameters]);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  return { asked, ports, clock };
}

async function told(ports: TranslatePorts, hook = opened): Promise<JsonObject> {
  const { events = [] } = await translatedBy(gitea, hook, ports);
  const [event] = events;
  if (event === undefined) throw new Error('There is no event.');
  return event.payload;
}

const isUser = { repository: { owner: { login: 'acme', type: 'User' } } };
const isOrganization = { repository: { owner: { login: 'acme', type: 'Organization' } } };

describe('the owner of a repository', () => {
  const { id } = ownerOf(opened);

  it('is an organization when the forge says so: asked once for each repository', async () => {
    const { asked, ports } = forge({ id, login: 'acme' });
    for (const _ of [1, 2, 3]) {
      const payload = await told(ports);
      expect(payload).toMatchObject({
        ...isOrganization,
        organization: { login: 'acme', id, url: `${base.api}/orgs/acme` },
        pull_request: {
          base: { repo: { owner: { type: 'Organization' } } },
          head: { repo: { owner: { login: 'bob', type: 'User' } } },
        },
      });
    }
    expect(asked).toEqual([['GET /orgs/{org}', { org: 'acme' }]]);
  });

  it('is asked for again when it is another one, or when a person has been one for a day', async () => {
    const { asked, ports, clock } = forge(new RouteFailure(404, 'Not Found'));
    for (const _ of [1, 2]) expect(await told(ports)).toMatchObject(isUser);
    expect(asked).toHaveLength(1);
    const repository = { ...(opened.payload.repository as JsonObject), owner: { ...ownerOf(opened), id: 4711 } };
    await told(ports, { ...opened, payload: { ...opened.payload, repository } });
    expect(asked).toHaveLength(2);
    clock.at = new Date('2026-02-28T10:00:00Z');
    await told(ports);
    await told(ports);
    expect(asked).toHaveLength(4);
  });

  it.each([
    ['may not be known to the token', new RouteFailure(403, 'Forbidden')],
    ['is another account by now', { id: 4711, login: 'acme' }],
    ['is answered with nonsense', 'acme'],
    ['is told by another origin only', new ForgewayError('FORGEWAY_ORIGIN_REFUSED', 'login.test')],
  ])('is what the hook says when it %s', async (_when, answer) => {
    const payload = await told(forge(answer).ports);
    expect(payload).toMatchObject(isUser);
    expect(payload).not.toHaveProperty('organization');
  });

  it('lets the delivery be tried again while the forge cannot be reached', async () => {
    for (const failure of [new RouteFailure(502, 'Bad Gateway'), new Error('ECONNRESET')])
      await expect(told(forge(failure).ports)).rejects.toBe(failure);
  });

  it('is not asked for where the hook tells of the organization, nor without a token', async () => {
    const created = native('repository.created');
    const { asked, ports } = forge(new RouteFailure(404, 'Not Found'));
    expect(await told(ports, created)).toMatchObject({ organization: { login: 'acme' }, ...isOrganization });
    expect(asked).toEqual([]);
    const { github: _, ...without } = ports;
    expect(await told(without)).toMatchObject(isUser);
  });

  it('is asked for without records as well', async () => {
    const { asked, ports } = forge({ id, login: 'acme' });
    const { records: _, ...without } = ports;
    for (const _again of [1, 2]) expect(await told(without)).toMatchObject(isOrganization);
    expect(asked).toHaveLength(2);
  });
});
