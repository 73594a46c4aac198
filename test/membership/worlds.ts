/** One organization on each forge, in which people come and go. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Organization } from '../../src/forges/gitea/fake/state.js';
import { createGiteaFake } from '../../src/forges/gitea/fake.js';
import { createGitLabFake } from '../../src/forges/gitlab/fake.js';
import type { FakeApi } from '../../src/forges/kit/fake/routing.js';
import type { NativeClient } from '../../src/forges/kit/native-client.js';
import { createNativeClient } from '../../src/translate/native-client.js';
import { createGitHubOrganization, type GitHubOrganization } from './github-organization.js';

export type Level = 'owner' | 'member';

export interface World {
  forge: string;
  host: string;
  baseUrl: string;
  api: FakeApi;
  organization: { id: bigint; login: string };
  team: { id: bigint; slug: string };
  /** Whether the forge answers that nothing has changed. */
  hasEtags: boolean;
  /** What lists the people of the organization. */
  memberList: RegExp;
  add(login: string): bigint;
  join(login: string, level: Level): void;
  leave(login: string): void;
  intoTeam(login: string): void;
  rename(login: string, to: string): void;
  /** The organization is not there any more. */
  drop(): void;
  native(login: string): NativeClient;
  close(): Promise<void>;
}

let worlds = 0;
/** Each its own, so that those of one database do not meet. */
const hostOf = (forge: string): string => {
  worlds += 1;
  return `${forge}-${worlds}.test`;
};

const clientOf = (api: FakeApi, apiUrl: string, authorization: string): NativeClient =>
  createNativeClient((url, init) => {
    const headers = new Headers(init?.headers);
    headers.set('authorization', authorization);
    return api.handle(new Request(url, { ...init, headers }));
  }, apiUrl);

export function githubWorld(): World & { github: GitHubOrganization } {
  const github = createGitHubOrganization();
  let next = 1;
  const idOf = (login: string) => {
    const found = github.people.find((one) => one.login === login);
    if (found === undefined) throw new Error(`There is no ${login}.`);
    return found.id;
  };
  return {
    github,
    forge: 'github',
    host: hostOf('github'),
    baseUrl: 'https://github.com',
    api: github.api,
    organization: { id: 900n, login: 'acme' },
    team: { id: 77n, slug: 'core' },
    hasEtags: true,
    memberList: /^\/orgs\/acme\/members$/,
    add(login) {
      github.people.push({ id: next, login });
      return BigInt(next++);
    },
    join: (login, level) => void github.members.set(idOf(login), level === 'owner' ? 'admin' : 'member'),
    leave(login) {
      github.members.delete(idOf(login));
      github.team.members.delete(idOf(login));
    },
    intoTeam: (login) => void github.team.members.set(idOf(login), 'maintainer'),
    rename(login, to) {
      const found = github.people.find((one) => one.login === login);
      if (found) found.login = to;
    },
    drop() {
      github.login = 'somebody-else';
      github.id = 901;
    },
    native: (login) =>
      clientOf(github.api, 'https://api.github.com', `Bearer ${login === 'bot' ? 'app' : `token-of-${login}`}`),
    close: async () => undefined,
  };
}

export async function gitlabWorld(): Promise<World & { group(path: string): Map<number, number> }> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-members-'));
  const fake = await createGitLabFake({ folder });
  const acme = fake.addGroup('acme');
  const core = fake.addGroup('acme/core');
  const userOf = (login: string) => {
    const found = fake.state.users.find((one) => one.username === login);
    if (found === undefined) throw new Error(`There is no ${login}.`);
    return found;
  };
  const add = (login: string) => BigInt(fake.addUser({ username: login, token: `token-of-${login}` }).id);
  const bot = add('bot');
  acme.members.set(Number(bot), 40);
  return {
    forge: 'gitlab',
    host: hostOf('gitlab'),
    baseUrl: 'https://gitlab.test',
    api: fake.api,
    organization: { id: BigInt(acme.id), login: 'acme' },
    team: { id: BigInt(core.id), slug: 'acme~core' },
    hasEtags: true,
    memberList: new RegExp(`^/groups/${acme.id}/members/all$`),
    add,
    join: (login, level) => void acme.members.set(userOf(login).id, level === 'owner' ? 50 : 30),
    leave(login) {
      acme.members.delete(userOf(login).id);
      core.members.delete(userOf(login).id);
    },
    intoTeam: (login) => void core.members.set(userOf(login).id, 40),
    rename(login, to) {
      userOf(login).username = to;
      fake.state.tokens.set(`token-of-${to}`, { userId: userOf(to).id, scopes: ['api'] });
    },
    drop: () => void fake.state.groups.splice(0),
    native: (login) => clientOf(fake.api, 'https://gitlab.test/api/v4', `Bearer token-of-${login}`),
    group: (path) => fake.addGroup(path).members,
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

export async function giteaWorld(): Promise<
  World & { teamWith(permission: 'read' | 'write' | 'admin', members: readonly string[]): bigint }
> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-members-'));
  const fake = await createGiteaFake({ folder });
  const add = (login: string) => {
    const { id } = fake.addUser(login);
    fake.addToken(login);
    return BigInt(id);
  };
  add('bot');
  const acme: Organization = fake.addOrganization('acme', { owners: ['bot'] });
  const developers = fake.addTeam('acme', { name: 'developers', permission: 'write' });
  const core = fake.addTeam('acme', { name: 'core', permission: 'write' });
  const sets = () => acme.teams.map((one) => one.members);
  return {
    forge: 'gitea',
    host: hostOf('gitea'),
    baseUrl: 'https://gitea.test',
    api: fake.api,
    organization: { id: BigInt(acme.id), login: 'acme' },
    team: { id: BigInt(core.id), slug: 'core' },
    hasEtags: false,
    memberList: new RegExp(`^/teams/${developers.id}/members$`),
    add,
    join(login, level) {
      for (const one of [acme.teams[0], developers]) one?.members.delete(login);
      (level === 'owner' ? acme.teams[0] : developers)?.members.add(login);
    },
    leave(login) {
      for (const members of sets()) members.delete(login);
    },
    intoTeam: (login) => void core.members.add(login),
    rename(login, to) {
      for (const members of sets()) if (members.delete(login)) members.add(to);
      const found = fake.state.accounts.find((one) => one.login === login);
      if (found) found.login = to;
      fake.state.tokens.set(`token-of-${to}`, to);
    },
    drop() {
      acme.login = 'renamed-away';
    },
    native: (login) => clientOf(fake.api, 'https://gitea.test/api/v1', `token token-of-${login}`),
    teamWith(permission, members) {
      return BigInt(fake.addTeam('acme', { name: `with-${permission}`, permission, members }).id);
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
