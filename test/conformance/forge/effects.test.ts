/**
 * Every row of every table: a write has an effect that another route shows, and each refuses what is not there in GitHub's
 * form. Nothing here knows which forge it is.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProbotOctokit } from 'probot';
import type { FakePerson, ForgeFake } from '../../../src/forges/kit/fake/forge-fake.js';
import type { OwnEvent } from '../../../src/forges/kit/inbox-port.js';
import type { Loose, OpenPull, Params, Stage } from './effect.js';
import { EFFECTS, RENDERED } from './effects.js';
import { octokitOn } from './played-octokit.js';
import { NOBODYS, REFUSED } from './refusals.js';
import { isSkipped } from './skips.js';
import { subjects } from './subjects.js';

const place = { owner: 'acme', name: 'shop' };
const HOOK = 'https://hooks.example/in';

/** Flavours of one forge share a table: its rows are the same. */
const served = subjects.filter(
  ({ descriptor: { id, routes, startFake } }, at) =>
    routes !== undefined &&
    startFake !== undefined &&
    !isSkipped(id, 'routes') &&
    subjects.findIndex(({ descriptor }) => descriptor.routes === routes) === at,
);

it('knows no row that is in no table', () => {
  const all = new Set(served.flatMap(({ descriptor }) => Object.keys(descriptor.routes ?? {})));
  const known = [...Object.keys(EFFECTS), ...Object.keys(RENDERED), ...Object.keys(REFUSED), ...NOBODYS];
  expect(known.filter((route) => !all.has(route))).toEqual([]);
});

describe.each(served.map(({ descriptor }) => [descriptor.id, descriptor] as const))('rows on %s', (_id, descriptor) => {
  const routes = descriptor.routes ?? {};
  const sent = Object.keys(routes).filter((key) => routes[key]?.retry !== 'read');
  const writes = sent.filter((key) => !Object.hasOwn(RENDERED, key));
  let folder: string;
  let fake: ForgeFake;
  let octokit: InstanceType<typeof ProbotOctokit>;
  let alice: FakePerson;
  const count = { words: 0, arrived: 0 };
  const told: OwnEvent[] = [];

  const named = (route: string): ReadonlySet<string> =>
    new Set([...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? ''));
  /** Only what the route names, for a read; a write takes the rest as its body. */
  const ask: Stage['ask'] = async (route, given = {}) => {
    const names = named(route);
    const home = { owner: place.owner, repo: place.name, org: place.owner };
    const all: Record<string, unknown> = { ...given };
    for (const [name, value] of Object.entries(home)) if (names.has(name) && !(name in given)) all[name] = value;
    try {
      // What goes with a file stands in the query.
      const { status, data } = await octokit.request(routes[route]?.takesFile ? `${route}{?name}` : route, all);
      return { status, data };
    } catch (error) {
      const { status, response } = error as { status?: number; response?: { data: unknown } };
      if (status === undefined || response === undefined) throw error;
      return { status, data: response.data };
    }
  };
  const word = () => {
    count.words += 1;
    return `w${count.words}x`;
  };
  const shared: { pull?: Promise<OpenPull> } = {};
  const pull = async (base?: string): Promise<OpenPull> => {
    const branch = word();
    const sha = await alice.push({ branch, files: { [`${branch}.txt`]: 'one\ntwo\nthree\n' }, message: 'Add' });
    return { number: await alice.openPullRequest({ head: branch, base, title: `Add ${branch}` }), branch, sha };
  };
  const stage: Stage = {
    ask,
    word,
    issue: async () => (await ask('POST /repos/{owner}/{repo}/issues', { title: 'Something' })).data.number,
    pull,
    anyPull: () => (shared.pull ??= pull()),
    head: async (branch) =>
      (await ask('GET /repos/{owner}/{repo}/git/ref/{ref}', { ref: `heads/${branch}` })).data.object.sha,
    async team() {
      const name = word();
      if (fake.addTeam !== undefined) return fake.addTeam(place.owner, name);
      return (await ask('POST /orgs/{org}/teams', { name })).data.slug;
    },
    async run(job) {
      if (fake.addRun === undefined) throw new Error('Its double has no CI.');
      return fake.addRun(place, { sha: await stage.head('main'), job });
    },
    async hook() {
      await fake.addHook(place, { url: HOOK, secret: 'a'.repeat(32) });
      const { data } = await ask('GET /repos/{owner}/{repo}/hooks');
      return data.find((hook: Loose) => hook.config.url === HOOK).id;
    },
    arrived: () => count.arrived,
    told: () => told,
    push: (branch, files) => alice.push({ branch, files, message: 'Go on' }),
  };

  beforeAll(async () => {
    if (descriptor.startFake === undefined) throw new Error('It has no double.');
    folder = await mkdtemp(join(tmpdir(), 'forgeway-effects-'));
    fake = await descriptor.startFake({
      folder,
      sendWebhook: async (url) => {
        if (url === HOOK) count.arrived += 1;
        return new Response(null, { status: 202 });
      },
    });
    for (const login of ['alice', 'carol', 'dave']) await fake.addPerson(login);
    await fake.addRepository({ ...place, people: { alice: 'write', carol: 'write' } });
    alice = fake.as('alice', place);
    octokit = octokitOn(descriptor, fake, folder, { told });
  });
  afterAll(async () => {
    await fake?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('that write name another that shows it', () => {
    expect(writes.filter((route) => !Object.hasOwn(EFFECTS, route))).toEqual([]);
    for (const route of writes) {
      const by = EFFECTS[route]?.by;
      if (by !== undefined) expect([route, by, Object.hasOwn(routes, by)]).toEqual([route, by, true]);
    }
  });

  it.each(writes.filter((route) => Object.hasOwn(EFFECTS, route)))('%s is seen through another', async (route) => {
    const effect = EFFECTS[route];
    if (effect === undefined) throw new Error('It is not known.');
    const params = await effect.given(stage);
    const readAt = (made: Loose): Params => {
      const shared = Object.entries(params).filter(([name]) => named(effect.by).has(name));
      return { ...Object.fromEntries(shared), ...effect.at?.(made, params) };
    };
    await fake.settled();
    const look = async (made: Loose) => effect.seen(await ask(effect.by, readAt(made)), params, stage);
    // What the write makes had no number before.
    const before = await look({}).catch(() => undefined);
    const written = await ask(route, params);
    expect([route, written.status < 300, written.status < 300 ? '' : written.data]).toEqual([route, true, '']);
    const after = await look(written.data ?? {});
    expect(after).toEqual(effect.want(params, written.data));
    expect(after).not.toEqual(before);
  });

  it.each(sent.filter((route) => Object.hasOwn(RENDERED, route)))('%s answers', async (route) => {
    const { given, says } = RENDERED[route] ?? {};
    const { status, data } = await ask(route, await given?.(stage));
    expect([status, typeof data === 'string' ? data : data.body]).toEqual([200, expect.stringMatching(says ?? '')]);
  });

  it('each refuse what is not there, in GitHub’s form', async () => {
    const wrong: unknown[] = [];
    for (const route of Object.keys(routes)) {
      if (NOBODYS.includes(route)) continue;
      const known = REFUSED[route];
      if (known === undefined && !named(route).has('repo')) wrong.push([route, 'has no error case']);
      const given: Record<string, unknown> = { ...Object.fromEntries([...named(route)].map((name) => [name, '1'])) };
      for (const name of ['owner', 'org']) if (name in given) given[name] = place.owner;
      if ('repo' in given) given.repo = 'gone';
      const { status, data } = await ask(route, { ...given, ...known });
      const inForm = typeof data?.message === 'string' && data.message !== '' && data.documentation_url !== undefined;
      // Whoever writes nothing is told so before anybody looks for the repository.
      const isRefused = route.startsWith('GET ') ? status === 404 || status === 422 : status >= 400 && status < 500;
      if (!isRefused || !inForm) wrong.push([route, status, data]);
    }
    expect(wrong).toEqual([]);
  });

  it('that are about nobody but the token refuse one that is none', async () => {
    const stranger = octokitOn(descriptor, fake, folder, { token: 'a token of nobody' });
    for (const route of NOBODYS.filter((one) => Object.hasOwn(routes, one))) {
      const refused = await stranger.request(route).catch((error: unknown) => error);
      expect([route, refused]).toMatchObject([
        route,
        { status: 401, response: { data: { message: 'Bad credentials' } } },
      ]);
    }
  });
});
