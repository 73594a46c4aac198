/** A GitLab with people, nested groups and projects, the route table on top of it, and every request checked. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { createGitObjectStore } from '../../src/effects/git/objects.js';
import type { Project, User } from '../../src/forges/gitlab/fake/state.js';
import { createGitLabFake, type GitLabFake, type GitLabFakeOptions } from '../../src/forges/gitlab/fake.js';
import { routes } from '../../src/forges/gitlab/routes/index.js';
import { serveFake } from '../../src/forges/kit/fake/http-server.js';
import type { RouteTable } from '../../src/forges/kit/route.js';
import { loopback } from './loopback.js';
import type { ForgeNames } from './native-examples.js';
import { expectGolden } from './native-golden.js';
import { createRouteRig, type RigAnswer, type RouteRig } from './route-rig.js';
import { UNSERVED_IN_ANSWERS } from './unserved-in-answers.js';

/** JSON that a test looks into. */
// biome-ignore lint/suspicious/noExplicitAny: every answer has another form, and a test that looks for what is not there fails.
export type Loose = any;

export interface GitLabRig {
  fake: GitLabFake;
  rig: RouteRig;
  /** `acme/platform/web`, which apps call `acme~platform/web`. */
  web: Project;
  people: Readonly<Record<'alice' | 'bob' | 'carol' | 'bot', User>>;
  /** `rig.request` in that project, and its data to look into. */
  ask(
    route: string,
    parameters?: object,
    options?: Parameters<RouteRig['request']>[2],
  ): Promise<RigAnswer & { data: Loose }>;
  /** As another person. */
  as(login: 'alice' | 'bob' | 'carol'): RouteRig;
  /** A branch with one commit, and a merge request of alice's from it. */
  openMergeRequest(branch: string, files?: Readonly<Record<string, string>>): Promise<number>;
  /** Every row says 404 to a project that is not there. `parameters` fill paths and bodies. */
  expectMissing(table: RouteTable, parameters: object): Promise<void>;
  /**
   * Every row was answered with success and with a failure; nothing was asked that GitLab would not understand, and what was
   * sent is what the golden files say. Tables by the names that they are exported as.
   */
  expectEveryRow(tables: Readonly<Record<string, RouteTable>>, options?: { withoutFailure?: readonly string[] }): void;
  close(): Promise<void>;
}

export interface GitLabRigOptions extends Omit<GitLabFakeOptions, 'folder'> {
  /** Serves the repositories, so that git can be pushed to. */
  git?: boolean;
}

const OWNER = 'acme~platform';
const GOLDENS = join(process.cwd(), 'src/forges/gitlab/routes/fixtures');
const FIRST_ISSUE = 1_000_000_000;

const namesOf = ({ state, api }: GitLabFake): ForgeNames => ({
  home: { owner: OWNER, repo: 'web' },
  isId: (field) => /^(?:\w+_)?(?:i?id|i?ids)(?:\[\])?$/.test(field) || /^(?:in_reply_to|milestone)$/.test(field),
  nameOf(where, id) {
    const named = <T extends { id: number }>(list: readonly T[], name: (one: T) => string) => {
      const found = list.find((one) => String(one.id) === id);
      return found && name(found);
    };
    if (/^(?:users|members|all|assignee_ids?|reviewer_ids?|user_ids?)(?:\[\])?$/.test(where))
      return named(state.users, ({ username }) => username);
    if (/^(?:projects|\w*project_id)$/.test(where)) return named(state.projects, ({ fullPath }) => fullPath);
    if (/^(?:groups|group_id|share)$/.test(where)) return named(state.groups, ({ fullPath }) => fullPath);
    if (!/^(?:milestones|milestone|milestone_id|iids\[\])$/.test(where)) return undefined;
    const milestones = state.projects.flatMap((project) => project.milestones);
    const found = milestones.find(
      (one) => String(where === 'milestone' || where === 'iids[]' ? one.iid : one.id) === id,
    );
    return found && `milestone ${found.title}`;
  },
  routeOf: api.routeOf,
  nativeNumber: (number) => String(Number(number) % FIRST_ISSUE),
});

/** Only where the route names them: elsewhere they would go into the body. */
const placed = (route: string): object => ({
  ...(route.includes('{owner}') && { owner: OWNER }),
  ...(route.includes('{repo}') && { repo: 'web' }),
});

export async function startGitLab(options: GitLabRigOptions = {}): Promise<GitLabRig> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-gitlab-'));
  const { git = false, ...fakeOptions } = options;
  const fake = await createGitLabFake({ folder: join(folder, 'forge'), ...fakeOptions });
  const person = (username: string) => fake.addUser({ username, token: `glpat-${username}` });
  const people = { alice: person('alice'), bob: person('bob'), carol: person('carol'), bot: person('forgeway-bot') };
  const group = fake.addGroup('acme/platform');
  const acme = fake.addGroup('acme');
  const team = fake.addGroup('acme/platform/reviewers');
  acme.members.set(people.alice.id, 50);
  group.members.set(people.bot.id, 40);
  team.members.set(people.bob.id, 30);
  const web = await fake.addProject({
    path: 'acme/platform/web',
    members: { bob: 30 },
    files: { 'README.md': '# web\n', 'src/app.ts': 'export const one = 1;\n', '.github/bot.yml': 'greet: true\n' },
  });

  const served = git
    ? await serveFake({
        api: fake.api,
        gitPath: fake.gitPath,
        mayPush: fake.mayPush,
        afterPush: (directory, changes) => fake.pushed(directory, changes, people.bot),
      })
    : undefined;
  if (served) fake.moveTo(served.url);

  const rigOf = (username: string, id: number) =>
    createRouteRig({
      descriptorLike: { routes, apiUrl: fake.apiUrl() },
      handle: fake.api.handle,
      token: `glpat-${username}`,
      account: { id: BigInt(id), login: username },
      names: namesOf(fake),
      ...(served && {
        git: createGitObjectStore(
          join(folder, 'mirror'),
          loopback,
        )({
          namespace: `test:${username}`,
          credential: { username: 'oauth2', password: `glpat-${username}`, origin: served.url },
        }),
      }),
    });
  const rig = rigOf('forgeway-bot', people.bot.id);
  const ask: GitLabRig['ask'] = (route, parameters = {}, more) =>
    rig.request(route, { ...placed(route), ...parameters }, more);

  return {
    fake,
    rig,
    web,
    people,
    ask,
    as: (login) => rigOf(login, people[login].id),
    async openMergeRequest(branch, files = { 'src/new.ts': 'export const two = 2;\n' }) {
      const changes = Object.entries(files).map(([path, content]) => ({ path, content }));
      await fake.push(web, people.alice, { branch, from: 'main', message: `Work on ${branch}`, files: changes });
      const asked = await rigOf('alice', people.alice.id).request('POST /repos/{owner}/{repo}/pulls', {
        owner: OWNER,
        repo: 'web',
        title: `Merge ${branch}`,
        head: branch,
        base: 'main',
      });
      expect(asked.status).toBe(201);
      return (asked.data as { number: number }).number;
    },
    async expectMissing(table, parameters) {
      for (const route of Object.keys(table)) {
        const answer = await rig.request(route, { ...placed(route), ...parameters, repo: 'gone' });
        expect([route, answer.status]).toEqual([route, 404]);
      }
    },
    expectEveryRow(tables, { withoutFailure = [] } = {}) {
      expect(fake.api.violations).toEqual([]);
      const rows = Object.values(tables).flatMap((table) => Object.keys(table));
      expect(rows.filter((route) => !rig.succeeded.has(route))).toEqual([]);
      expect(rows.filter((route) => !rig.failed.has(route) && !withoutFailure.includes(route))).toEqual([]);
      expect([...rig.nowhere].filter(([route]) => !Object.hasOwn(UNSERVED_IN_ANSWERS.gitlab, route))).toEqual([]);
      expectGolden(GOLDENS, tables, rig.examples);
    },
    async close() {
      await served?.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
