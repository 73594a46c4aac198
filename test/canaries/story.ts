/** What happens on the forges while everything is full of secrets. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openApiDocument } from '../../src/api/openapi.js';
import { openInboxView } from '../chaos/inbox-view.js';
import { canary, type Canary, shapes, working } from './forms.js';
import type { Misbehaviour } from './front.js';
import { bearer, deliver, knowToken, sendInAddresses, sendInHeaders, sendRefused, startBadly } from './knocking.js';
import { databaseRows, storeUncompressed } from './sinks.js';
import { type ConnectedForge, PERSON, PLACE, type World } from './world.js';

const MISBEHAVIOURS: readonly Misbehaviour[] = ['body', 'redirect', 'refusal', 'unavailable'];
const QUIET_MS = 90_000;

export interface StoryOptions {
  seed: string;
  /** Of every sixty, how many are used in what starts a process each. */
  slow: number;
  previews: boolean;
  say(line: string): void;
}

/** Waits until everything is worked off, or nothing changes any more. */
export async function quiet(world: World): Promise<void> {
  const inbox = openInboxView(world.databaseDir);
  for (const end = Date.now() + QUIET_MS; Date.now() < end; ) {
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
async function write(world: World, { fake, id }: Pick<ConnectedForge, 'fake' | 'id'>, text: (what: string) => string): Promise<void> {
  const person = fake.as(PERSON, PLACE);
  const branch = `change-${id}`;
  await person.push({ branch, files: { 'a.txt': `${Date.now()}\n` }, message: `Change\n\n${text('commit message')}` });
  const number = await person.openPullRequest({ head: branch, title: `A change ${text('title')}`, body: text('body') });
  await person.comment(number, `I found ${text('comment')}`);
  await person.review(number, { verdict: 'comment', body: text('review') });
  await person.editPullRequest(number, { title: `Changed ${text('title')}` });
  await person.push({ branch, files: { 'b.txt': 'b\n' }, message: text('commit message') });
}

async function act(world: World, forge: ConnectedForge, what: string): Promise<void> {
  await forge.fake.as(PERSON, PLACE).openIssue({ title: `Do ${what}`, body: `canary:${what}` });
  void world;
}

const idIn = (text: string): string => (/"id":\s*"([^"]+)"/.exec(text)?.[1] ?? '');

async function connect(world: World, forge: ConnectedForge, slow: number): Promise<string> {
  const file = await world.secretFile(`${forge.token}\n`);
  const add = ['connections', 'add', '--forge', forge.id, '--url', forge.url, '--token-file', file, '--repo', `${PLACE.owner}/${PLACE.name}`, '--json'];
  for (const how of MISBEHAVIOURS.slice(0, slow)) {
    forge.front.misbehave(how, 3, /./);
    await world.run(add);
    forge.front.misbehave(how, 3, /./);
    await world.ask('POST', '/api/v1/connections', { headers: bearer(world), body: { forge: forge.id, url: forge.url, token: forge.token, hooks: 'none' } });
    forge.front.misbehave(how, 3, /./);
    await world.ask('POST', '/api/v2/organizations/default/vcs-connections', {
      headers: bearer(world),
      body: { data: { type: 'vcs-connections', attributes: { name: `v ${how}`, provider: forge.id, 'server-url': forge.url, token: forge.token } } },
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
    Object.assign(body, { unknown: text, deep: { [text]: [text] }, padding: 'a webhook is larger than this '.repeat(80) });
    if (repository !== undefined)
      Object.assign(repository, { clone_url: address, git_url: address, hooks_url: address, custom: text, description: text });
    if (typeof body.sender === 'object' && body.sender !== null) Object.assign(body.sender, { token: text });
    const status = await deliver(world, eventOf(body), body, { authorization: `Bearer ${text.replaceAll('\n', ' ')}`, 'x-unknown': text.replaceAll('\n', ' ') });
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
    ids.set(path, [...text.matchAll(/"id":\s*"?([\w-]+)/g)].map(([, id = '']) => id));
  }
  const repositories = ids.get('/api/v1/repositories') ?? [];
  const pulls = (await Promise.all(repositories.slice(0, 6).map((id) => world.ask('GET', `/api/v1/repositories/${id}/pull-requests`, { headers })))).flatMap(({ text }) => [...text.matchAll(/"id":\s*"([\w-]+)"/g)].map(([, id = '']) => id));
  for (const path of all.filter((one) => one.includes('{'))) {
    const list = path.slice(0, path.indexOf('/{'));
    const known = list.endsWith('pull-requests') ? pulls : (ids.get(list) ?? []);
    for (const id of known.slice(0, 60)) await world.ask('GET', path.replace(/\{\w+\}/, id), { headers });
  }
  const listed = await world.ask('GET', '/api/v2/organizations/default/vcs-connections', { headers });
  for (const [, id] of listed.text.matchAll(/"id":"(vcs-[\w-]+)"/g)) await world.ask('GET', `/api/v2/vcs-connections/${id}`, { headers });
  for (const path of ['/', '/setup', '/sign-in', '/openapi.json', '/api/docs', '/healthz', '/readyz']) await world.ask('GET', path);
  const metrics = await world.ask('GET', '/metrics');
  world.heard.push({ sink: 'metrics', what: '/metrics', bytes: Buffer.from(metrics.text) });
}

const ACTS = ['log', 'throw', 'permanent', 'aggregate', 'text', 'warn', 'crash', 'reject'];

export async function tell(world: World, o: StoryOptions): Promise<void> {
  const { seed, say } = o;
  await storeUncompressed(world);
  const made = await world.run(['tokens', 'create', '--name', 'canary', '--json'], { lawful: 'API token' });
  const token = /"token":\s*"([^"]+)"/.exec(made.stdout)?.[1] ?? '';
  if (token === '') throw new Error(`No token was made: ${made.stderr}`);
  world.plant(working('API token', token));
  knowToken(world, token);
  const endStream = await openStream(world);

  const written = new Map<string, Canary>();
  const textOf = (forge: string) => (what: string) => {
    const channel = `written on ${forge}: ${what}`;
    const short = what === 'title';
    const fits = shapes.filter((shape) => (short ? shape === 'ghp' : !['gitea', 'cookie', 'hook-secret'].includes(shape)));
    const all = fits.map((shape) => {
      const one = canary(seed, channel, shape);
      if (!written.has(one.cores[0] ?? '')) {
        written.set(one.cores[0] ?? '', one);
        world.plant(one);
      }
      return one.text;
    });
    return all.join('\n');
  };

  if (world.github !== undefined) {
    await world.github.forge.begin();
    const { people } = world.github.forge;
    await people.openIssue(PERSON, 'issue-1');
    await people.openPullRequest(PERSON, 'pull-1');
    await quiet(world);
    say('GitHub is installed');
  }
  const ids: string[] = [];
  for (const forge of world.connected) {
    ids.push(await connect(world, forge, o.slow));
    const secret = await world.secretFile(world.plant(canary(seed, `OAuth client of ${forge.id}`, 'gho')));
    await world.run(['sign-in', 'clients', 'add', '--forge', forge.id, '--url', forge.url, '--client-id', 'client', '--secret-file', secret]);
    await write(world, forge, textOf(forge.id));
    say(`${forge.id} is connected`);
  }
  await quiet(world);
  const accepted = await deliverLoaded(world, world.plantSixty('payload'));
  say(`${accepted} loaded deliveries accepted`);
  await sendInHeaders(world, world.plantSixty('request header'));
  await sendInAddresses(world, world.plantSixty('query string'));
  await sendRefused(world, world.plantSixty('refused input'));
  say('knocked');

  for (const forge of world.connected) {
    for (const how of MISBEHAVIOURS) {
      forge.front.misbehave(how, 2, /^POST .*(?:comments|notes|discussions)/);
      await act(world, forge, 'comment');
      await quiet(world);
      forge.front.misbehave(how, 2, /^GET .*\/(?:repos|projects)\//);
      await act(world, forge, 'ask');
      await quiet(world);
      forge.front.misbehave(how, 6, /git-upload-pack|info\/refs/);
      await forge.fake.as(PERSON, PLACE).push({ branch: `change-${forge.id}`, files: { [`${how}.txt`]: 'x' }, message: how });
      await quiet(world);
      forge.front.misbehave(how, 0, /./);
    }
    say(`${forge.id} has misbehaved ${forge.front.misbehaved()} times`);
  }
  for (const what of ACTS) {
    const forge = world.connected[0];
    if (forge !== undefined) await act(world, forge, what);
    if (what === 'warn') {
      await sleep(500);
      world.program.kill(world.program.workers());
    }
    await quiet(world);
  }
  say('the app has misbehaved');
  await world.program.ready();
  const slow = <T,>(all: readonly T[]): readonly T[] => all.filter((_, at) => at % Math.ceil(60 / (o.slow * 15)) === 0);
  await startBadly(world, slow(world.plantSixty('refused setting')));

  const [first] = world.connected;
  for (const args of [['deliveries', 'list', '--json'], ['deliveries', 'dead', '--json'], ['connections', 'list'], ['doctor'], ['previews', 'list', '--json'], ['access', 'list', '--json'], ['vault', 'status'], ['hooks', 'doctor'], ['poll', '--json'], ['sign-in', 'clients', 'list'], ['admin', 'list'], ['connections', 'show', ids[0] ?? ''], ['connections', 'export', ids[0] ?? '']])
    await world.run(args);
  first?.front.misbehave('body', 5, /./);
  await world.run(['connections', 'test']);
  first?.front.misbehave('redirect', 5, /./);
  await world.run(['poll', '--json']);
  first?.front.misbehave('refusal', 5, /./);
  await world.run(['hooks', 'doctor']);
  first?.front.misbehave('body', 0, /./);
  await crawl(world);
  endStream();
  say('everything was read');
  if (ids[0] !== undefined) await world.run(['connections', 'remove', ids[0], '--json']);
  if (ids[1] !== undefined) await world.ask('DELETE', `/api/v1/connections/${ids[1]}`, { headers: bearer(world) });
  await quiet(world);
}
