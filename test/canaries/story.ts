/** What happens on the forges while everything is full of secrets. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openApiDocument } from '../../src/api/openapi.js';
import { openInboxView } from '../chaos/inbox-view.js';
import { type Canary, canary, shapes, working } from './forms.js';
import type { Misbehaviour } from './front.js';
import { handIn } from './hand-in.js';
import { bearer, deliver, knowToken, sendInAddresses, sendInHeaders, sendRefused, startBadly } from './knocking.js';
import { databaseRows, gitConfigurations, storeUncompressed } from './sinks.js';
import { type ConnectedForge, PERSON, PLACE, type World } from './world.js';

const QUIET_MS = 45_000;
/** Requests at once where their order does not matter. */
const AT_ONCE = 8;

export interface StoryOptions {
  seed: string;
  /** Every how many-th of sixty is sent; and of those that a process is started for. */
  every: number;
  everyStart: number;
  /** How forges misbehave while they are connected, and afterwards. */
  moods: readonly Misbehaviour[];
  /** What the app does with its secrets; see `app/index.js`. */
  acts: readonly string[];
  /** Longest wait after what a forge has refused: there is not much to wait for, it is not asked again for a while. */
  moodMs: number;
  /** Longest wait for what the app has been asked to do; it is tried eight times. */
  patienceMs: number;
  /** Commands whose output is read. */
  commands: readonly (readonly string[])[];
  say(line: string): void;
}

export const ALL_OF_IT: Omit<StoryOptions, 'seed' | 'say'> = {
  every: 1,
  everyStart: 5,
  moods: ['body', 'redirect', 'refusal', 'unavailable'],
  acts: ['log', 'throw', 'permanent', 'aggregate', 'text', 'warn', 'crash', 'reject'],
  moodMs: 6_000,
  patienceMs: 30_000,
  commands: [
    ['deliveries', 'list', '--json'],
    ['deliveries', 'dead', '--json'],
    ['connections', 'list'],
    ['doctor'],
    ['previews', 'list', '--json'],
    ['access', 'list', '--json'],
    ['vault', 'status'],
    ['sign-in', 'clients', 'list'],
    ['admin', 'list'],
  ],
};

/** Waits until everything is worked off, or nothing changes any more. */
export async function quiet(world: World, mostMs = QUIET_MS): Promise<void> {
  const inbox = openInboxView(world.databaseDir);
  for (const end = Date.now() + mostMs; Date.now() < end; ) {
    await world.github?.forge.settled();
    for (const { fake } of world.connected) await fake.settled();
    if ((await inbox.unfinished()) === 0) return;
    await inbox.passTime();
    await sleep(300);
  }
}

async function openStream(world: World): Promise<() => void> {
  const stop = new AbortController();
  const answer = await fetch(`${world.url}/api/events`, { headers: bearer(world), signal: stop.signal });
  const chunks: Buffer[] = [];
  const reading = (async () => {
    for await (const chunk of answer.body ?? []) chunks.push(Buffer.from(chunk));
  })().catch(() => undefined);
  return () => {
    stop.abort();
    void reading;
    world.heard.push({ sink: 'event stream', what: `${answer.status}`, bytes: Buffer.concat(chunks) });
  };
}

/** What a person writes, with secrets of the kinds that can be told by their looks. */
async function write({ fake, id }: Pick<ConnectedForge, 'fake' | 'id'>, text: (what: string) => string): Promise<void> {
  const person = fake.as(PERSON, PLACE);
  const branch = `change-${id}`;
  await person.push({ branch, files: { 'a.txt': `${Date.now()}\n` }, message: `Change\n\n${text('commit message')}` });
  const number = await person.openPullRequest({ head: branch, title: `A change ${text('title')}`, body: text('body') });
  await person.comment(number, `I found ${text('comment')}`);
  await person.review(number, { verdict: 'comment', body: text('review') });
  await person.editPullRequest(number, { title: `Changed ${text('title')}` });
  await person.push({ branch, files: { 'b.txt': 'b\n' }, message: text('commit message') });
}

async function act(forge: ConnectedForge, what: string): Promise<void> {
  await forge.fake.as(PERSON, PLACE).openIssue({ title: `Do ${what}`, body: `canary:${what}` });
}

const idIn = (text: string): string => /"id":\s*"([^"]+)"/.exec(text)?.[1] ?? '';

async function connect(world: World, forge: ConnectedForge, moods: readonly Misbehaviour[]): Promise<string> {
  const file = await world.secretFile(`${forge.token}\n`);
  const add = [
    'connections',
    'add',
    '--forge',
    forge.id,
    '--url',
    forge.url,
    '--token-file',
    file,
    '--repo',
    `${PLACE.owner}/${PLACE.name}`,
    '--json',
  ];
  for (const how of moods) {
    forge.front.misbehave(how, 3, /./);
    await world.run(add);
    forge.front.misbehave(how, 3, /./);
    await world.ask('POST', '/api/v1/connections', {
      headers: bearer(world),
      body: { forge: forge.id, url: forge.url, token: forge.token, hooks: 'none' },
    });
    forge.front.misbehave(how, 3, /./);
    await world.ask('POST', '/api/v2/organizations/default/vcs-connections', {
      headers: bearer(world),
      body: {
        data: {
          type: 'vcs-connections',
          attributes: { name: `v ${how}`, provider: forge.id, 'server-url': forge.url, token: forge.token },
        },
      },
    });
    forge.front.misbehave(how, 0, /./);
  }
  const { code, stdout, stderr } = await world.run(add);
  if (code !== 0) throw new Error(`${forge.id} could not be connected: ${stderr}`);
  return idIn(stdout);
}

/** Deliveries that were received, once more and with secrets in fields that nobody reads and in addresses. */
async function deliverLoaded(world: World, planted: readonly Canary[]): Promise<number> {
  const bodies: Record<string, unknown>[] = [];
  for await (const { sink, bytes } of databaseRows(world)) {
    if (sink !== 'inbox bodies' || !bytes.includes('"installation"')) continue;
    bodies.push(JSON.parse(bytes.toString()) as Record<string, unknown>);
  }
  const eventOf = (body: Record<string, unknown>) =>
    'pull_request' in body ? 'pull_request' : 'issue' in body ? 'issues' : 'commits' in body ? 'push' : 'installation';
  let accepted = 0;
  for (const [at, { text }] of planted.entries()) {
    const body = structuredClone(bodies[at % bodies.length] ?? { zen: 'nothing', installation: { id: 1 } });
    const repository = body.repository as Record<string, unknown> | undefined;
    const address = `https://x-access-token:${encodeURIComponent(text)}@git.example.com/acme/alpha.git`;
    Object.assign(body, {
      unknown: text,
      deep: { [text]: [text] },
      padding: 'a webhook is larger than this '.repeat(80),
    });
    if (repository !== undefined)
      Object.assign(repository, {
        clone_url: address,
        git_url: address,
        hooks_url: address,
        custom: text,
        description: text,
      });
    if (typeof body.sender === 'object' && body.sender !== null) Object.assign(body.sender, { token: text });
    const status = await deliver(world, eventOf(body), body, {
      authorization: `Bearer ${text.replaceAll('\n', ' ')}`,
      'x-unknown': text.replaceAll('\n', ' '),
    });
    if (status === 202) accepted += 1;
  }
  return accepted;
}

/** Everything that the API shows. */
async function crawl(world: World): Promise<void> {
  const headers = bearer(world);
  const ids = new Map<string, string[]>();
  const { paths } = openApiDocument() as { paths: Record<string, Record<string, unknown>> };
  const gets = Object.keys(paths).filter((path) => 'get' in (paths[path] ?? {}));
  const all = gets.map((path) => (path.startsWith('/api') ? path : `/api/v1${path}`));
  for (const path of all.filter((one) => !one.includes('{'))) {
    const { text } = await world.ask('GET', `${path}?limit=100`, { headers });
    ids.set(
      path,
      [...text.matchAll(/"id":\s*"?([\w-]+)/g)].map(([, id = '']) => id),
    );
  }
  const repositories = ids.get('/api/v1/repositories') ?? [];
  const pulls = (
    await Promise.all(
      repositories.slice(0, 6).map((id) => world.ask('GET', `/api/v1/repositories/${id}/pull-requests`, { headers })),
    )
  ).flatMap(({ text }) => [...text.matchAll(/"id":\s*"([\w-]+)"/g)].map(([, id = '']) => id));
  const asks: (() => Promise<unknown>)[] = [];
  for (const path of all.filter((one) => one.includes('{'))) {
    const list = path.slice(0, path.indexOf('/{'));
    const known = list.endsWith('pull-requests') ? pulls : (ids.get(list) ?? []);
    asks.push(...known.slice(0, 60).map((id) => () => world.ask('GET', path.replace(/\{\w+\}/, id), { headers })));
  }
  const listed = await world.ask('GET', '/api/v2/organizations/default/vcs-connections', { headers });
  for (const [, id] of listed.text.matchAll(/"id":"(vcs-[\w-]+)"/g))
    asks.push(() => world.ask('GET', `/api/v2/vcs-connections/${id}`, { headers }));
  for (const path of ['/', '/setup', '/sign-in', '/openapi.json', '/api/docs', '/healthz', '/readyz'])
    asks.push(() => world.ask('GET', path));
  while (asks.length > 0) await Promise.all(asks.splice(0, AT_ONCE).map((ask) => ask()));
  const metrics = await world.ask('GET', '/metrics');
  world.heard.push({ sink: 'metrics', what: '/metrics', bytes: Buffer.from(metrics.text) });
}

/** With what the commands of ours show, and everything that the API does. */
async function readEverything(world: World, connection: string, commands: StoryOptions['commands']): Promise<void> {
  const runs = [...commands, ...['show', 'export'].map((what) => ['connections', what, connection])];
  while (runs.length > 0) await Promise.all(runs.splice(0, 3).map((args) => world.run(args)));
  await crawl(world);
  for await (const piece of gitConfigurations(world)) world.heard.push(piece);
}

/** A forge that repeats the token, met by everything that asks it. */
async function meetMoods(
  world: World,
  forge: ConnectedForge,
  { moods, moodMs }: Pick<StoryOptions, 'moods' | 'moodMs'>,
): Promise<void> {
  for (const how of moods) {
    forge.front.misbehave(how, 2, /^POST .*(?:comments|notes|discussions)/);
    await act(forge, 'comment');
    await quiet(world, moodMs);
    forge.front.misbehave(how, 2, /^GET .*\/(?:repos|projects)\//);
    await act(forge, 'ask');
    await quiet(world, moodMs);
    forge.front.misbehave(how, 6, /git-upload-pack|info\/refs/);
    const push = { branch: `change-${forge.id}`, files: { [`${how}.txt`]: 'x' }, message: how };
    await forge.fake.as(PERSON, PLACE).push(push);
    await quiet(world, moodMs);
    const asking = [
      ['connections', 'test'],
      ['poll', '--json'],
      ['hooks', 'doctor'],
    ];
    forge.front.misbehave(how, 4 * asking.length, /./);
    await Promise.all(asking.map((args) => world.run(args)));
    forge.front.misbehave(how, 0, /./);
  }
}

/** Text with every kind of secret in it that can be told by its looks, for people to write. */
function slips(world: World, seed: string, forge: string): (what: string) => string {
  const planted = new Set<string>();
  return (what) => {
    const channel = `written on ${forge}: ${what}`;
    // Titles are short.
    const fits = shapes.filter((shape) =>
      what === 'title' ? shape === 'ghp' : !['gitea', 'cookie', 'hook-secret'].includes(shape),
    );
    const all = fits.map((shape) => canary(seed, channel, shape));
    if (!planted.has(channel)) for (const one of all) world.plant(one);
    planted.add(channel);
    return all.map(({ text }) => text).join('\n');
  };
}

async function begin(world: World, { say }: StoryOptions): Promise<() => void> {
  await storeUncompressed(world);
  const made = await world.run(['tokens', 'create', '--name', 'canary', '--json'], { lawful: 'API token' });
  const token = /"token":\s*"([^"]+)"/.exec(made.stdout)?.[1] ?? '';
  if (token === '') throw new Error(`No token was made: ${made.stderr}`);
  world.plant(working('API token', token));
  knowToken(world, token);
  if (world.github !== undefined) {
    await world.github.forge.begin();
    await world.github.forge.people.openIssue(PERSON, 'issue-1');
    await world.github.forge.people.openPullRequest(PERSON, 'pull-1');
    await quiet(world);
    say('GitHub is installed');
  }
  return openStream(world);
}

async function addClient(world: World, { id, url }: ConnectedForge, seed: string): Promise<void> {
  const secret = await world.secretFile(world.plant(canary(seed, `OAuth client of ${id}`, 'gho')));
  const add = ['sign-in', 'clients', 'add', '--forge', id, '--url', url, '--client-id', 'client'];
  await world.run([...add, '--secret-file', secret]);
}

/** Plays all of it. What was heard is in the world afterwards, and what was planted. */
export async function tell(world: World, o: StoryOptions): Promise<void> {
  const { seed, say, every, everyStart, moods, acts } = o;
  const some = (channel: string, nth = every) => world.plantSixty(channel).filter((_, at) => at % nth === 0);
  const endStream = await begin(world, o);
  const endings = await handIn(world, { seed, some });
  say('workspaces, agents and previews have their secrets; somebody has signed in');
  const ids: string[] = [];
  for (const forge of world.connected) {
    ids.push(await connect(world, forge, moods));
    await addClient(world, forge, seed);
    await write(forge, slips(world, seed, forge.id));
    say(`${forge.id} is connected`);
  }
  await quiet(world);
  const accepted = await deliverLoaded(world, some('payload'));
  if (accepted === 0) throw new Error('No loaded delivery was accepted.');
  await sendInHeaders(world, some('request header'));
  await sendInAddresses(world, some('query string'));
  await sendRefused(world, some('refused input'));
  say(`${accepted} loaded deliveries accepted; knocked`);

  for (const forge of world.connected) {
    await meetMoods(world, forge, o);
    say(`${forge.id} has repeated what it was told ${forge.front.misbehaved()} times`);
  }
  for (const what of acts) {
    const [forge] = world.connected;
    if (forge !== undefined) await act(forge, what);
    if (what === 'warn') {
      await sleep(500);
      world.program.kill(world.program.workers());
    }
    await quiet(world, o.patienceMs);
  }
  await world.program.ready();
  say('the app has misbehaved');
  await startBadly(world, some('refused setting', everyStart));
  await readEverything(world, ids[0] ?? '', o.commands);
  endStream();
  say('everything was read');
  if (ids[0] !== undefined) await world.run(['connections', 'remove', ids[0], '--now', '--json']);
  if (ids[1] !== undefined) await world.ask('DELETE', `/api/v1/connections/${ids[1]}`, { headers: bearer(world) });
  await quiet(world, o.patienceMs);
  await endings();
  const fronts = world.connected.map(({ id, front }) => [id, front] as const);
  if (world.github !== undefined) fronts.push(['github', world.github.front]);
  for (const [id, front] of fronts)
    for (const credential of front.credentials()) world.plant(working(`credential for ${id}`, credential));
}
