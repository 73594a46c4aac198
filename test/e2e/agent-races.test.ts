/**
 * Two worker processes of the built program, which are killed and frozen while many people give orders at once, on the same issues:
 * never two agents on one, every line once, one pull request and one comment of its own, and `/cancel` ends everything. `RACES`
 * says on which forges, and whether on a cluster, `RACE_FAULTS` how often on each, `RACE_SEED` repeats a run.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from '@jest/globals';
import { createRandom } from '../chaos/random.js';
import { fakedForges } from '../support/connected-forge.js';
import { asShipped } from '../support/kubernetes-api/as-shipped.js';
import { startKubernetesApi } from '../support/kubernetes-api/server.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { commandLines, programsOf, signal } from './processes.js';
import { createInstallation, eventually, freePort } from './program.js';

const probe = await findSandboxProbe();
const { skip } = it;
const whenApart = probe?.network === true ? it : skip;

/** `gitlab@cluster`: its agents are jobs on a cluster. */
const RACES = (process.env.RACES ?? 'gitea,gitlab@cluster').split(',');
const FAULTS = Number(process.env.RACE_FAULTS ?? 1);
/** Races take turns in them, so that each kind is met also where there is one in each. */
const KINDS = ['SIGKILL', 'SIGSTOP'] as const;
const SEED = Number(process.env.RACE_SEED ?? 11);
const ISSUES = 2;
const LINES = 40;
/** Each start of it prints lines of its own: it asks in the middle, is told, changes a file and says that it is done. */
const AGENT = `
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const me = randomUUID();
await told.next();
for (let at = 1; at <= ${LINES}; at += 1) {
  say({ type: 'message', text: me + ' ' + at });
  await sleep(40);
  if (at === ${LINES / 2}) {
    say({ type: 'question', text: 'Go on?' });
    await told.next();
  }
}
writeFileSync('answer.txt', me + '\\n');
say({ type: 'done', ok: true, title: 'Raced for', summary: 'Done.' });
process.exit(0);
`;
const OVER = ['in_review', 'completed', 'failed', 'cancelled', 'merged'];
const place = { owner: 'acme', name: 'web' };
const people = { bob: 'admin', dave: 'write', erin: 'write' } as const;
type Login = keyof typeof people;

interface Listed {
  id: string;
  number: number;
  status: string;
  failure: string | null;
  branch: string | null;
}

interface Entry {
  sequence: string;
  kind: string;
  data: { text?: string; runner?: string };
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Looks again and again which agents there are, and remembers where two were at work on one issue. */
function watchAgents(numberOf: (sessionId: string) => number | undefined) {
  const found: string[] = [];
  const seen = new Set<string>();
  const look = () => {
    const at = new Map<number, string[]>();
    for (const args of commandLines()) {
      const id = args[0] === 'node' && args.at(-3) === '--' ? args.at(-2) : undefined;
      if (id === undefined) continue;
      seen.add(id);
      const number = numberOf(id);
      if (number !== undefined) at.set(number, [...(at.get(number) ?? []), id]);
    }
    for (const [number, ids] of at) if (ids.length > 1) found.push(`#${number}: ${ids.join(' and ')}`);
    return [...at.values()].flat();
  };
  const timer = setInterval(look, 100);
  return { found, seen, look, stop: () => clearInterval(timer) };
}

/** Lines by the agent that printed them, in the order of the record. */
function linesOf(entries: readonly Entry[]): Map<string, number[]> {
  const lines = new Map<string, number[]>();
  for (const { kind, data } of entries) {
    const [, agent = '', at = ''] = /^(\S{36}) (\d+)$/.exec((kind === 'message' && data.text) || '') ?? [];
    if (agent !== '') lines.set(agent, [...(lines.get(agent) ?? []), Number(at)]);
  }
  return lines;
}

whenApart.each(RACES)(
  'orders at the same moment at %s, to two worker processes that are killed and frozen, never have two agents at work on one issue',
  async (race) => {
    const [forge = '', at] = race.split('@');
    const folder = await mkdtemp(join(tmpdir(), 'forgeway-e2e-races-'));
    closing.push(() => rm(folder, { recursive: true, force: true }));
    const fake = await fakedForges.find(({ id }) => id === forge)?.startFake?.({ folder: join(folder, 'forge') });
    if (fake === undefined) throw new Error('there is no such double');
    closing.push(() => fake.close());
    for (const login of Object.keys(people)) await fake.addPerson(login);
    await fake.addRepository({ ...place, people });
    const cluster = at === 'cluster' ? await startKubernetesApi(asShipped()) : undefined;
    const kubeconfig = join(folder, 'kubeconfig');
    if (cluster !== undefined) {
      closing.push(() => cluster.close());
      cluster.runProcesses();
      await writeFile(kubeconfig, cluster.kubeconfig, { mode: 0o600 });
    }
    const command = ['node', '--input-type=module', '--eval', AGENT, '--', '{session}'];
    const port = await freePort();
    const installation = await createInstallation({
      ...{ PUBLIC_URL: `http://127.0.0.1:${port}`, COMMAND_LIMIT: '1000', WORKER_PROCESSES: '2' },
      AGENTS: JSON.stringify([{ name: 'racer', command, ...(cluster && { image: 'registry.example.com/racer:1' }) }]),
      ...(cluster && { KUBECONFIG: kubeconfig }),
    });
    // Its sandbox is entered by another user.
    await chmod(installation.environment.FORGEWAY_DATA_DIR ?? '', 0o711);
    closing.push(() => installation.remove());
    const program = await installation.up({ PORT: String(port) });
    const tokenFile = join(folder, 'token.txt');
    await writeFile(tokenFile, `${fake.token}\n`, { mode: 0o600 });
    const add = ['connections', 'add', '--forge', forge, '--url', fake.url, '--token-file', tokenFile];
    expect(await installation.run([...add, '--repo', 'acme/web', '--json'])).toMatchObject({ code: 0 });
    const token = (await installation.run(['tokens', 'create', '--name', 'test'])).stdout.trim();
    const ask = async <T>(path: string): Promise<T> => {
      const headers = { authorization: `Bearer ${token}` };
      // A connection that was kept may be closed by the time it is used.
      const answer = await eventually(`an answer to ${path}`, () =>
        fetch(`${program.url}/api/v1/${path}`, { headers }).catch(() => undefined),
      );
      if (!answer.ok) throw new Error(`${path} is answered with ${answer.status}`);
      return (await answer.json()) as T;
    };
    const sessions = async () => (await ask<{ items: Listed[] }>('sessions?limit=100')).items;
    const numbers = new Map<string, number>();
    const learn = async () => {
      for (const { id, number } of await sessions()) numbers.set(id, number);
    };
    const watch = watchAgents((id) => numbers.get(id));
    const learning = setInterval(() => void learn().catch(() => undefined), 300);
    closing.push(async () => {
      watch.stop();
      clearInterval(learning);
    });

    const random = createRandom(SEED + RACES.indexOf(race));
    const as = (login: Login) => fake.as(login, place);
    const logins = Object.keys(people) as Login[];
    const someone = () => as(logins[random.between(0, logins.length - 1)] ?? 'bob');
    const issues: number[] = [];
    for (let at = 0; at < ISSUES; at += 1) issues.push(await as('bob').openIssue({ title: `Raced for ${at}` }));

    const orders: ((number: number) => Promise<unknown>)[] = [
      ...[(number: number) => someone().comment(number, '/assign-agent')],
      ...[(number: number) => someone().comment(number, '/cancel')],
      ...[(number: number) => someone().comment(number, '/retry')],
      ...[(number: number) => someone().comment(number, '/reply yes')],
      async (number) => {
        await Promise.all([
          as('bob').label(number, ['assign-agent']),
          as('dave').assign(number, [fake.bot.login]),
          someone().comment(number, '/assign-agent'),
        ]);
        await as('bob').unlabel(number, ['assign-agent']);
      },
    ];
    const volley = async () => {
      await Promise.all(
        issues.flatMap((number) =>
          Array.from({ length: random.between(1, 3) }, () => orders[random.between(0, orders.length - 1)]?.(number)),
        ),
      );
    };
    /** However slow the machine is, each fault meets somebody at work. */
    const somebodyWorks = () =>
      eventually('an agent at work', async () => {
        await learn();
        if (watch.look().length > 0) return true;
        const busy = new Set(
          (await sessions()).flatMap(({ status, number }) => (OVER.includes(status) ? [] : [number])),
        );
        await Promise.all(issues.flatMap((at) => (busy.has(at) ? [] : [as('bob').comment(at, '/assign-agent')])));
        await sleep(1_000);
        return undefined;
      });
    for (let at = 0; at < FAULTS; at += 1) {
      const all = await eventually('both workers', async () => {
        const workers = programsOf(program.child.pid ?? 0).filter(({ role }) => role === 'worker');
        return workers.length === 2 ? workers : undefined;
      });
      await somebodyWorks();
      const { pid } = all[random.between(0, 1)] ?? { pid: 0 };
      const shot = volley();
      await sleep(random.between(0, 1_500));
      const kind = KINDS[(at + RACES.indexOf(race)) % KINDS.length] ?? 'SIGKILL';
      signal(pid, kind);
      if (kind === 'SIGSTOP') {
        await sleep(random.between(500, 6_000));
        await volley();
        signal(pid, 'SIGCONT');
      }
      await shot;
      process.stderr.write(`fault ${at + 1}: ${kind}; ${watch.seen.size} agents so far\n`);
      await sleep(random.between(0, 4_000));
    }

    /** Orders of one conversation are carried out one after the other: as long as there are fewer and fewer, that goes on. */
    const drained = async () => {
      for (let left = Number.POSITIVE_INFINITY; left > 0; )
        left = await eventually('an order to be carried out', async () => {
          const { stdout } = await installation.run(['deliveries', 'list', '--status', 'assigned', '--json']);
          const now = (JSON.parse(stdout) as unknown[]).length;
          return now < left || now === 0 ? now : undefined;
        });
    };
    // `/cancel` ends everything, whatever was asked for before it.
    await fake.settled();
    await Promise.all(issues.map((number) => as('dave').comment(number, '/cancel')));
    await fake.settled();
    await drained();
    const ended = await eventually('everything to be over', async () => {
      const now = await sessions();
      return now.every(({ status }) => OVER.includes(status)) ? now : undefined;
    });
    await learn();
    await eventually('nothing to run', async () => (watch.look().length === 0 ? true : undefined));
    // And one goes all the way.
    const [first = 0] = issues;
    const before = new Set(ended.map(({ id }) => id));
    await as('bob').comment(first, '/assign-agent');
    const newest = async () => (await sessions()).find(({ id }) => !before.has(id));
    await eventually('its question', async () => ((await newest())?.status === 'blocked' ? true : undefined));
    await as('bob').comment(first, '/reply yes');
    await drained();
    await eventually('its work', async () => ((await newest())?.status === 'in_review' ? true : undefined));
    await fake.settled();

    expect(watch.found).toEqual([]);
    const names = () => cluster?.store.list('Namespace').map(({ metadata }) => metadata.name) ?? [];
    await eventually('no namespace of theirs', async () =>
      names().every((name) => !name.startsWith('forgeway-agent-')) ? true : undefined,
    );
    const last = await sessions();
    for (const { id, status } of last) {
      const entries: Entry[] = [];
      for (let after = '0'; ; ) {
        const page = await ask<{ items: Entry[]; next: string }>(`sessions/${id}/events?after=${after}&limit=500`);
        entries.push(...page.items);
        if (page.items.length === 0) break;
        after = page.next;
      }
      const lines = linesOf(entries);
      for (const numbered of lines.values())
        expect([id, numbered]).toEqual([id, numbered.map((_, index) => index + 1)]);
      const starts = entries.filter(({ kind }) => kind === 'started');
      expect([id, lines.size <= starts.length]).toEqual([id, true]);
      const runner = cluster === undefined ? 'worktree' : 'kubernetes';
      expect(starts.filter(({ data }) => data.runner !== runner)).toEqual([]);
      if (status === 'in_review') expect([...lines.values()].at(-1)).toHaveLength(LINES);
    }
    const state = await fake.state(place);
    const branches = state.pullRequests.map(({ head }) => head);
    expect(new Set(branches).size).toBe(branches.length);
    expect(last.filter(({ status }) => status === 'failed').map(({ failure }) => failure)).toEqual([]);
    // The session's own comment is one, whoever wrote to it last; answers to orders are others.
    for (const { number, comments } of state.issues) {
      const sticky = comments.filter(({ author, body }) => !(author in people) && body.includes('agent/racer'));
      expect([number, sticky.length]).toEqual([number, 1]);
    }
  },
  300_000 + 60_000 * FAULTS,
);
