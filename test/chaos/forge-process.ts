/**
 * One forge, in a process that outlives whatever is killed: its double, the people who work on it, and the log of what
 * apps did to it. Started by `forge-client.ts`, which it obeys.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type EffectLog, startEffectLog } from './effect-log.js';
import { type FakeForge, startFakeForge } from './fake-forge.js';
import type { ForgeAnswer, ForgeOrder, ForgeReply, ForgeSetup } from './forge-protocol.js';
import { startGitHubForge } from './github-forge.js';
import type { HappeningResult, People } from './people.js';

interface Running {
  settings: Record<string, string>;
  token: string;
  begin(): Promise<void>;
  people(repository: string): People;
  settled(): Promise<void>;
  problems(): readonly string[];
  close(): Promise<void>;
  log: EffectLog;
}

async function start(setup: ForgeSetup): Promise<Running> {
  const { forge, folder, logPort, effects, publicUrl, webhookUrl, owner, repositories, logins } = setup;
  await mkdir(join(folder, forge), { recursive: true });
  const place = { folder: join(folder, forge), publicUrl, owner, logins };
  const logOf = (port: number) => startEffectLog({ forge, file: effects, target: { port }, port: logPort });
  if (!setup.emulated) {
    const fake: FakeForge = await startFakeForge({ ...place, forge, port: setup.port, repositories });
    return {
      settings: {},
      token: fake.fake.token,
      begin: async () => undefined,
      people: (repository) => fake.people(repository),
      settled: () => fake.fake.settled(),
      problems: () => fake.fake.violations(),
      close: () => fake.fake.close(),
      log: await logOf(setup.port),
    };
  }
  const github = await startGitHubForge({ ...place, webhookUrl, repository: repositories[0] ?? '' });
  return {
    settings: github.settings,
    token: '',
    begin: () => github.begin(),
    people: () => github.people,
    settled: () => github.settled(),
    problems: () => github.problems(),
    close: () => github.close(),
    log: await logOf(github.port),
  };
}

const state: { running?: Running } = {};

function running(): Running {
  if (state.running === undefined) throw new Error('It was not started.');
  return state.running;
}

/** Commits to one repository wait for each other, as pushes do. */
const commits = new Map<string, Promise<unknown>>();

function oneByOne<T>(repository: string, run: () => Promise<T>): Promise<T> {
  const mine = (commits.get(repository) ?? Promise.resolve()).then(run);
  commits.set(
    repository,
    mine.catch(() => undefined),
  );
  return mine;
}

async function happen(order: Extract<ForgeOrder, { kind: 'happen' }>): Promise<HappeningResult> {
  const { what, repository, login, token, number = 0, count = 0 } = order;
  const people = running().people(repository);
  if (what === 'issue') return people.openIssue(login, token);
  if (what === 'comment') return people.comment(login, number, token);
  if (what === 'close') return people.close(login, number);
  return oneByOne(repository, () => {
    if (what === 'pull') return people.openPullRequest(login, token);
    return what === 'sync' ? people.pushAgain(login, token, count) : people.push(login, token);
  });
}

async function obey(order: ForgeOrder): Promise<ForgeAnswer> {
  switch (order.kind) {
    case 'start': {
      state.running = await start(order.setup);
      const { settings, token } = state.running;
      return { settings, token };
    }
    case 'begin':
      await running().begin();
      return {};
    case 'happen':
      return happen(order);
    case 'lose-answers':
      running().log.loseAnswers(order.count);
      return {};
    case 'settled':
      await running().settled();
      return {};
    case 'problems':
      return { problems: [...running().problems()] };
    case 'close':
      await running().log.close();
      await running().close();
      return {};
  }
}

process.on('message', ({ id, order }: { id: number; order: ForgeOrder }) => {
  const reply = (answer: Omit<ForgeReply, 'id'>) => process.send?.({ id, ...answer } satisfies ForgeReply);
  obey(order).then(
    (answer) => {
      reply({ answer });
      if (order.kind === 'close') process.disconnect();
    },
    (error: unknown) => reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
// Ctrl-C reaches the whole group; whoever started this ends it.
process.on('SIGINT', () => undefined).on('SIGTERM', () => undefined);
process.on('disconnect', () => process.exit(0));
