/** A fake GitLab on loopback, as `forge-fake.ts` describes one: for whoever does not care which forge it is. */
import type { FakePlace, FakeRole, ForgeFake, ForgeFakeOptions } from '../../kit/fake/forge-fake.js';
import { serveFake } from '../../kit/fake/http-server.js';
import { askFake, settledWebhooks, webhookFetch } from '../../kit/fake/story-requests.js';
import { createGitLabFake } from '../fake.js';
import { projectPath } from '../references.js';
import { DEVELOPER, MAINTAINER, REPORTER } from './declare.js';
import type { Project, User } from './state.js';
import { personOf } from './story-person.js';
import { stateOf } from './story-state.js';

/** As GitLab names the account of a group's access token. */
const BOT = 'group_1_bot_4b1d';
const OWNER = 50;
const LEVELS: Readonly<Record<FakeRole, number>> = { read: REPORTER, write: DEVELOPER, admin: MAINTAINER };

/** Whatever a person can tick on the page, without what is confidential. */
const EVENTS = [
  'push_events',
  'tag_push_events',
  'merge_requests_events',
  'issues_events',
  'note_events',
  'pipeline_events',
  'job_events',
  'releases_events',
  'deployment_events',
  'milestone_events',
  'wiki_page_events',
  'emoji_events',
];

export async function startFake(options: ForgeFakeOptions): Promise<ForgeFake> {
  const fake = await createGitLabFake({
    folder: options.folder,
    clock: options.clock ?? (() => new Date()),
    ...(options.sendWebhook && { fetch: webhookFetch(options.sendWebhook) }),
  });
  const { state } = fake;
  const tokenOf = (login: string): string =>
    login === BOT && options.token !== undefined ? options.token : `glpat-${login}`;
  const join = (username: string, bot = false) => fake.addUser({ username, bot, token: tokenOf(username) });
  const bot = join(BOT, true);

  /** Whoever git authenticated last, by repository: pushes to one repository wait for each other. */
  const pushers = new Map<string, User>();
  const userIn = (authorization: string | null): User | undefined => {
    const credential = Buffer.from(authorization?.replace(/^basic /i, '') ?? '', 'base64').toString();
    const userId = state.tokens.get(credential.slice(credential.indexOf(':') + 1))?.userId;
    return state.users.find(({ id }) => id === userId);
  };
  const served = await serveFake({
    api: fake.api,
    gitPath: fake.gitPath,
    mayFetch(authorization, directory) {
      const project = state.projects.find(({ git }) => git.directory === directory);
      const user = userIn(authorization);
      return project?.visibility === 'public' || (user !== undefined && project?.members.has(user.id) === true);
    },
    mayPush(authorization, directory) {
      pushers.set(directory, userIn(authorization) ?? bot);
      return fake.mayPush(authorization, directory);
    },
    afterPush: (directory, changes) => fake.pushed(directory, changes, pushers.get(directory) ?? bot),
    port: options.port,
    below: options.below,
  });
  const url = options.publicUrl ?? served.url;
  fake.moveTo(url);

  const pathOf = ({ owner, name }: FakePlace) => projectPath(owner, name);
  function projectOf(place: FakePlace): Project {
    const found = state.projects.find(({ fullPath }) => fullPath === pathOf(place));
    if (found === undefined) throw new Error(`There is no repository ${place.owner}/${place.name}.`);
    return found;
  }
  function userNamed(login: string): User {
    const found = state.users.find(({ username }) => username === login);
    if (found === undefined) throw new Error(`There is no person ${login}.`);
    return found;
  }
  const askAs = (login: string) => askFake(fake.api, fake.apiUrl(), { 'private-token': tokenOf(login) });

  return {
    url,
    token: tokenOf(BOT),
    bot: { id: BigInt(bot.id), login: bot.username },
    async addPerson(login) {
      join(login);
    },
    async addRepository({ private: isPrivate = false, files = {}, people = {}, ...place }) {
      const members = Object.entries(people).map(([login, role]) => [userNamed(login).username, LEVELS[role]] as const);
      const made = await fake.addProject({
        path: pathOf(place),
        visibility: isPrivate ? 'private' : 'public',
        members: { ...Object.fromEntries(members), [BOT]: OWNER },
        files: { 'README.md': `# ${place.name}\n`, ...files },
      });
      return { id: BigInt(made.id), url: `${url}/${made.fullPath}`, defaultBranch: made.defaultBranch };
    },
    addTeam: async (organization, name) => fake.addGroup(projectPath(organization, name)).path,
    async addRun(place, { sha, job }) {
      const project = projectOf(place);
      const jobs = [{ name: 'test', status: job }];
      return fake.addPipeline(project, { sha, ref: project.defaultBranch, by: bot, jobs }).id;
    },
    async addHook(place, { url, secret }) {
      const events = Object.fromEntries(EVENTS.map((event) => [event, true]));
      await askAs(BOT)('POST', `/projects/${projectOf(place).id}/hooks`, { url, token: secret, ...events });
    },
    as: (login, place) =>
      personOf({ fake, place, user: userNamed(login), project: projectOf(place), ask: askAs(login), userNamed }),
    async readFile(place, ref, path) {
      return (await projectOf(place).git.readFile(ref, path))?.content.toString();
    },
    state: (place) => stateOf(state, projectOf(place)),
    settled: () => settledWebhooks(fake.webhooks),
    violations: () => fake.api.violations,
    close: () => served.close(),
  };
}
