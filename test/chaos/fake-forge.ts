/** A double from the registry, and people who work on it. */
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { forges } from '../../src/forges/registry.js';
import { configurationOf, mention, messageFor, type People } from './people.js';

export interface FakeForge {
  fake: ForgeFake;
  /** In this repository. */
  people(repository: string): People;
}

export interface FakeForgeOptions {
  forge: string;
  folder: string;
  port: number;
  publicUrl: string;
  owner: string;
  repositories: readonly string[];
  logins: readonly string[];
}

export async function startFakeForge(options: FakeForgeOptions): Promise<FakeForge> {
  const { forge, folder, port, publicUrl, owner, repositories, logins } = options;
  const fake = await forges.get(forge)?.startFake?.({ folder, port, publicUrl });
  if (fake === undefined) throw new Error(`There is no double of ${forge}.`);
  for (const login of logins) await fake.addPerson(login);
  const people = Object.fromEntries(logins.map((login) => [login, 'write' as const]));
  for (const name of repositories)
    await fake.addRepository({ owner, name, people, files: configurationOf(name, ['issue', 'pull']) });
  return {
    fake,
    people(name) {
      const place = { owner, name };
      return {
        async openIssue(login, token) {
          const number = await fake.as(login, place).openIssue({ title: `Issue ${token}`, body: mention(token) });
          return { number };
        },
        async comment(login, number, token) {
          await fake.as(login, place).comment(number, `/mark ${mention(token)}`);
          return {};
        },
        async openPullRequest(login, token) {
          const person = fake.as(login, place);
          const files = { [`docs/${token}.md`]: `${token}\n` };
          const sha = await person.push({ branch: token, files, message: messageFor(login, token) });
          const title = `feat: ${token}`;
          return { number: await person.openPullRequest({ head: token, title, body: mention(token) }), sha };
        },
        async pushAgain(login, token, count) {
          const files = { [`docs/${token}-${count}.md`]: `${count}\n` };
          const message = messageFor(login, `${token}.${count}`);
          return { sha: await fake.as(login, place).push({ branch: token, files, message }) };
        },
        async close(login, number) {
          await fake.as(login, place).close(number);
          return {};
        },
        async push(login, token) {
          const files = { [`notes/${token}.md`]: `${token}\n` };
          const message = messageFor(login, token);
          return { sha: await fake.as(login, place).push({ branch: 'main', files, message }) };
        },
      };
    },
  };
}
