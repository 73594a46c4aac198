/** One example app on every forge that can be played: the same story, and one expected end for all of them. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { findApp } from '../../src/entry/app-module.js';
import { readAppSource } from '../../src/entry/app-source.js';
import type {
  FakePerson,
  FakePlace,
  FakePullRequestState,
  FakeRepositoryState,
  FakeRole,
} from '../../src/forges/kit/fake/forge-fake.js';
import type { App } from '../../src/translate/bridge.js';
import { type ConnectedForge, playedForges, startConnectedForge } from '../support/connected-forge.js';

export const place: FakePlace = { owner: 'acme', name: 'shop' };

export const PEOPLE: Readonly<Record<string, FakeRole>> = {
  alice: 'write',
  bob: 'admin',
  carol: 'read',
  dave: 'write',
};

/** State of the repository without what differs between forges by nature: SHAs, numbers, the bot's name. */
export interface ExampleState {
  branches: readonly string[];
  tags: readonly string[];
  labels: readonly string[];
  releases: FakeRepositoryState['releases'];
  issues: readonly Omit<FakeRepositoryState['issues'][number], 'number'>[];
  pullRequests: readonly Omit<FakePullRequestState, 'number' | 'headSha'>[];
}

export interface ExampleForge {
  readonly connected: ConnectedForge;
  as(login: 'alice' | 'bob' | 'carol' | 'dave'): FakePerson;
  /** When all is worked off. Numbers in texts are told as `#pull 1` and `#issue 1`, in the order in which they were opened. */
  end(): Promise<ExampleState>;
}

/** As `forgeway app run ./examples/<name>` finds it. */
export async function exampleApp(name: string): Promise<App> {
  const source = readAppSource(`./${join('examples', name)}`, process.cwd());
  const module = (await import(pathToFileURL(source.file).href)) as Record<string, unknown>;
  return { name: source.name, load: findApp(module, source), optional: true };
}

function normalised(state: FakeRepositoryState, bot: string): ExampleState {
  const names = new Map<string, string>();
  for (const [at, { number }] of state.issues.entries()) names.set(String(number), `issue ${at + 1}`);
  for (const [at, { number }] of state.pullRequests.entries()) names.set(String(number), `pull ${at + 1}`);
  const text = (value: string): string =>
    value.replaceAll(bot, 'the-bot').replace(/#(\d+)\b/g, (whole, digits) => {
      const name = names.get(digits);
      return name === undefined ? whole : `#${name}`;
    });
  const clean = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value), (_key, one) => (typeof one === 'string' ? text(one) : one));
  return {
    branches: state.branches.map(({ name }) => name),
    tags: state.tags,
    labels: state.labels,
    releases: clean(state.releases),
    issues: clean(state.issues.map(({ number: _number, ...issue }) => issue)),
    pullRequests: clean(state.pullRequests.map(({ number: _number, headSha: _sha, ...pull }) => pull)),
  };
}

/** Registers `tests` for each forge. The repository is new for each, and begins with `files`. */
export function onEveryForge(
  example: string,
  files: Readonly<Record<string, string>>,
  tests: (forge: ExampleForge) => void,
): void {
  describe.each(playedForges.map((descriptor) => ({ descriptor, label: descriptor.label })))(
    `${example} on $label`,
    ({ descriptor }) => {
      let connected: ConnectedForge;
      beforeAll(async () => {
        connected = await startConnectedForge(descriptor, {
          apps: [await exampleApp(example)],
          people: Object.keys(PEOPLE),
          repository: { ...place, files, people: PEOPLE },
        });
      });
      afterAll(async () => {
        await connected?.close();
      });
      tests({
        get connected() {
          return connected;
        },
        as: (login) => connected.fake.as(login, place),
        async end() {
          await connected.quiet();
          const violations = connected.fake.violations();
          if (violations.length > 0)
            throw new Error(`not understood by ${descriptor.label}:\n${violations.join('\n')}`);
          return normalised(await connected.fake.state(place), connected.fake.bot.login);
        },
      });
    },
  );
}
