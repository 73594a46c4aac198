/** A Gitea or Forgejo with people, an organization and repositories, the route table on top of it, and everything checked. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { createGitObjectStore } from '../../src/effects/git/objects.js';
import type { Organization } from '../../src/forges/gitea/fake/state.js';
import { createGiteaFake, type GiteaFake } from '../../src/forges/gitea/fake.js';
import { routes } from '../../src/forges/gitea/routes/index.js';
import { serveFake } from '../../src/forges/kit/fake/http-server.js';
import type { InboxPort } from '../../src/forges/kit/inbox-port.js';
import type { RouteTable } from '../../src/forges/kit/route.js';
import { giteaDifferences } from './gitea-differences.js';
import { loopback } from './loopback.js';
import type { ForgeNames } from './native-examples.js';
import { expectGolden } from './native-golden.js';
import { createRouteRig, type RigAnswer, type RouteRig } from './route-rig.js';
import { createSwaggerCheck, type Swagger } from './swagger-check.js';
import { UNSERVED_IN_ANSWERS } from './unserved-in-answers.js';

const GOLDENS = join(process.cwd(), 'src/forges/gitea/routes/fixtures');
const DESCRIPTION = join(process.cwd(), '../shared/fixtures/openapi/gitea-1.21.4.json');

/** Undefined where the published description is not at hand: then only the fake's own rules hold. */
const description = existsSync(DESCRIPTION) ? (JSON.parse(readFileSync(DESCRIPTION, 'utf8')) as Swagger) : undefined;

export interface GiteaRig {
  fake: GiteaFake;
  rig: RouteRig;
  /** As `rig.request` in `acme/web`, and its data as a plain object to look into. */
  ask(
    route: string,
    parameters?: object,
    options?: Parameters<RouteRig['request']>[2],
  ): Promise<RigAnswer & { data: Loose }>;
  /** As another person. */
  as(login: string): RouteRig;
  /** What the forge told its hooks, as `[type, action]`. */
  told(): [string, unknown][];
  /** Every row says 404 to a repository that is not there. `parameters` fill paths and bodies. */
  expectMissing(table: RouteTable, parameters: object): Promise<void>;
  /**
   * Every row was answered with success and with a failure; nothing was asked that the forge would not understand, and what
   * was sent is what the golden files say. Tables by the names that they are exported as.
   */
  expectEveryRow(tables: Readonly<Record<string, RouteTable>>, options?: { withoutFailure?: readonly string[] }): void;
  close(): Promise<void>;
}

/** JSON that a test looks into. */
// biome-ignore lint/suspicious/noExplicitAny: every answer has another form, and a test that looks for what is not there fails.
export type Loose = any;

export interface GiteaRigOptions {
  version?: string;
  flavour?: 'gitea' | 'forgejo';
  maxItems?: number;
  /** Serves the repositories, so that git can be pushed to. */
  git?: boolean;
  clock?: () => Date;
  /** What arrived at webhooks of ours; without it nothing did. */
  inbox?: InboxPort;
  /** Delivers webhooks; default is the real one. */
  fetch?: typeof fetch;
}

const namesOf = ({ state, api }: GiteaFake): ForgeNames => ({
  home: { owner: 'acme', repo: 'web' },
  isId: (field) => /^(?:(?:\w+_)?ids?|labels|milestone|in_reply_to)$/.test(field),
  nameOf(where, id) {
    const named = <T extends { id: number }>(list: readonly T[], name: (one: T) => string) => {
      const found = list.find((one) => String(one.id) === id);
      return found && name(found);
    };
    const organizations = state.accounts.filter((one): one is Organization => one.kind === 'organization');
    const owners = [...organizations, ...state.repositories];
    if (where === 'repositories') return named(state.repositories, ({ owner, name }) => `${owner}/${name}`);
    if (where === 'teams')
      return named(
        organizations.flatMap(({ teams }) => teams),
        ({ name }) => `team ${name}`,
      );
    if (where === 'labels')
      return named(
        owners.flatMap(({ labels }) => labels),
        ({ name }) => `label ${name}`,
      );
    if (!/^milestones?$/.test(where)) return undefined;
    return named(
      state.repositories.flatMap(({ milestones }) => milestones),
      ({ title }) => `milestone ${title}`,
    );
  },
  routeOf: api.routeOf,
});

/** One second later with every look, so that the order of things shows. */
function ticking(): () => Date {
  const state = { at: Date.parse('2026-01-01T00:00:00Z') };
  return () => {
    state.at += 1000;
    return new Date(state.at);
  };
}

export async function startGitea(options: GiteaRigOptions = {}): Promise<GiteaRig> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-gitea-'));
  const { version, flavour, maxItems, fetch, clock = ticking() } = options;
  const fake = await createGiteaFake({
    folder: join(folder, 'forge'),
    clock,
    version,
    flavour,
    maxItems,
    ...(fetch && { fetch }),
  });
  for (const login of ['alice', 'bob', 'carol']) fake.addUser(login);
  const bot = fake.addUser('forgeway-bot');
  fake.addOrganization('acme', { owners: ['alice', 'forgeway-bot'] });
  fake.addTeam('acme', { name: 'Reviewers', members: ['bob'] });
  await fake.addRepository('acme', 'web', {
    collaborators: { bob: 'write' },
    files: { 'src/app.ts': 'export const one = 1;\n', '.github/bot.yml': 'greet: true\n' },
  });
  await fake.addRepository('alice', 'tool', { collaborators: { 'forgeway-bot': 'admin' } });

  const served = options.git
    ? await serveFake({
        api: fake.api,
        gitPath: fake.gitPath,
        afterPush: (directory, changes) => fake.pushed(directory, changes, bot.login),
      })
    : undefined;
  if (served) fake.moveTo(served.url);

  // The description is one of this version; what came later is asked without it.
  const swagger = description && version === undefined ? createSwaggerCheck(description, giteaDifferences) : undefined;
  const problems: string[] = [];
  async function handle(request: Request): Promise<Response> {
    const copy = request.clone();
    const response = await fake.api.handle(request);
    // Files that pages serve are in no description of the API.
    const isOfApi = request.url.startsWith(`${fake.apiUrl}/`);
    if (swagger && isOfApi) problems.push(...(await swagger.check(copy, response.clone())));
    return response;
  }

  const rigOf = (login: string, id: number) =>
    createRouteRig({
      descriptorLike: { routes, apiUrl: fake.apiUrl },
      handle,
      token: fake.addToken(login),
      account: { id: BigInt(id), login },
      clock: { now: clock },
      ...(options.inbox && { inbox: options.inbox }),
      names: namesOf(fake),
      ...(served && {
        git: createGitObjectStore(
          join(folder, 'mirror'),
          loopback,
        )({
          namespace: `test:${login}`,
          credential: { username: 'oauth2', password: fake.addToken(login), origin: served.url },
        }),
      }),
    });
  const rig = rigOf(bot.login, bot.id);

  return {
    fake,
    rig,
    ask: (route, parameters = {}, more) => rig.request(route, { ...placed(route), ...parameters }, more),
    as: (login) => rigOf(login, fake.state.accounts.find((one) => one.login === login)?.id ?? 0),
    told: () => fake.webhooks.sent.map(({ event, payload }) => [event, (payload as Loose).action]),
    async expectMissing(table, parameters) {
      for (const route of Object.keys(table)) {
        const answer = await rig.request(route, { owner: 'acme', ...parameters, repo: 'gone' });
        expect([route, answer.status]).toEqual([route, 404]);
      }
    },
    expectEveryRow(tables, { withoutFailure = [] } = {}) {
      expect([...new Set(problems)]).toEqual([]);
      expect(fake.api.violations).toEqual([]);
      const rows = Object.values(tables).flatMap((table) => Object.keys(table));
      expect(rows.filter((route) => !rig.succeeded.has(route))).toEqual([]);
      expect(rows.filter((route) => !rig.failed.has(route) && !withoutFailure.includes(route))).toEqual([]);
      expect([...rig.nowhere].filter(([route]) => !Object.hasOwn(UNSERVED_IN_ANSWERS.gitea, route))).toEqual([]);
      expectGolden(GOLDENS, tables, rig.examples);
    },
    async close() {
      await served?.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Only where the route names them: elsewhere they would go into the body. */
const placed = (route: string): object => ({
  ...(route.includes('{owner}') && { owner: 'acme' }),
  ...(route.includes('{repo}') && { repo: 'web' }),
});
