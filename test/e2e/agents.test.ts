/**
 * An agent outlives the program that started it: the built server and its workers are killed and frozen while it works. `AGENT_FAULTS` says
 * how often; `AGENT_FAULT_SEED` repeats a run.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createRandom } from '../chaos/random.js';
import { fakedForges } from '../support/connected-forge.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { followSession } from './event-follower.js';
import { programsOf, signal } from './processes.js';
import { createInstallation, eventually, freePort } from './program.js';

const probe = await findSandboxProbe();
const { skip } = it;
const whenApart = probe?.network === true ? it : skip;
const gitea = fakedForges.find(({ id }) => id === 'gitea');

const FAULTS = Number(process.env.AGENT_FAULTS ?? 4);
const SEED = Number(process.env.AGENT_FAULT_SEED ?? 7);
/** Enough to be printing through all of them, as long as the machine is not too slow; and in floods as well as line by line. */
const LINES = 100 * FAULTS;
const FLOOD = 3_000;
const steps = [
  ['print-lines', FLOOD, 0],
  ['print-lines', LINES, 100],
  ['write', 'answer.txt', 'done\n'],
  ['done', 'It survived'],
];

interface Listed {
  id: string;
  status: string;
  failure: string | null;
  pullRequestUrl: string | null;
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const FAULT_KINDS = ['kill all', 'freeze the worker', 'kill the worker', 'freeze all', 'freeze and kill'] as const;

describe('an agent', () => {
  whenApart(
    'goes on when the server and its workers are killed and frozen, and each of its lines is written down and told once',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'forgeway-e2e-agents-'));
      closing.push(() => rm(folder, { recursive: true, force: true }));
      const fake = await gitea?.startFake?.({ folder: join(folder, 'forge') });
      if (fake === undefined) throw new Error('there is no such double');
      closing.push(() => fake.close());
      const place = { owner: 'acme', name: 'web' };
      await fake.addPerson('alice');
      const files = { 'agent-script.json': JSON.stringify(steps) };
      await fake.addRepository({ ...place, files, people: { alice: 'write' } });
      const script = await readFile(new URL('../support/scripted-agent.mjs', import.meta.url), 'utf8');
      const command = ['node', '--input-type=module', '--eval', script];
      const port = await freePort();
      const installation = await createInstallation({
        PUBLIC_URL: `http://127.0.0.1:${port}`,
        AGENTS: JSON.stringify([{ name: 'scripted', command }]),
      });
      // Its sandbox is entered by another user.
      await chmod(installation.environment.FORGEWAY_DATA_DIR ?? '', 0o711);
      closing.push(() => installation.remove());
      const first = await installation.up({ PORT: String(port) });
      const tokenFile = join(folder, 'token.txt');
      await writeFile(tokenFile, `${fake.token}\n`, { mode: 0o600 });
      const add = ['connections', 'add', '--forge', 'gitea', '--url', fake.url, '--token-file', tokenFile];
      expect(await installation.run([...add, '--repo', 'acme/web', '--json'])).toMatchObject({ code: 0 });

      const token = (await installation.run(['tokens', 'create', '--name', 'test'])).stdout.trim();
      const sessions = async (): Promise<Listed[]> => {
        const headers = { authorization: `Bearer ${token}` };
        const answer = await fetch(`http://127.0.0.1:${port}/api/v1/sessions`, { headers });
        return ((await answer.json()) as { items: Listed[] }).items;
      };
      const alice = fake.as('alice', place);
      const number = await alice.openIssue({ title: 'Survive' });
      await alice.comment(number, '/assign-agent');
      await eventually('the agent to work', async () => (await sessions()).find(({ status }) => status === 'running'));

      const { id: sessionId } = (await sessions())[0] ?? { id: '' };
      const random = createRandom(SEED);
      const url = `http://127.0.0.1:${port}`;
      const follower = followSession({ url, token, sessionId, cutAfter: () => 1 + random.between(0, 5) });
      closing.push(() => follower.stop());
      const isReady = async () => ((await fetch(`${url}/readyz`).catch(() => undefined))?.ok ? true : undefined);
      let program = first;
      for (let at = 0; at < FAULTS; at += 1) {
        const kind = FAULT_KINDS[at % FAULT_KINDS.length] ?? 'kill all';
        await sleep(random.between(0, 2_500));
        const { all, workers } = await eventually('a worker to be there', async () => {
          const found = programsOf(program.child.pid ?? 0);
          const own = found.filter(({ role }) => role === 'worker');
          return own.length > 0 ? { all: found, workers: own } : undefined;
        });
        const some = kind.endsWith('all') ? all : workers;
        for (const { pid } of some) signal(pid, kind.startsWith('kill') ? 'SIGKILL' : 'SIGSTOP');
        if (kind.startsWith('freeze')) {
          // A worker that says nothing for ten seconds is killed by its server.
          await sleep(500 + random.between(0, kind === 'freeze all' ? 15_000 : 5_000));
          for (const { pid } of some) signal(pid, kind === 'freeze and kill' ? 'SIGKILL' : 'SIGCONT');
        }
        if (kind === 'kill all') {
          // Both at once, as when a machine has no memory left; the database lives on and is found again.
          await program.ended;
          await sleep(random.between(0, 2_000));
          program = await installation.up({ PORT: String(port) });
        } else await eventually('the server to be ready', isReady);
        process.stderr.write(`fault ${at + 1}: ${kind}; the record has ${follower.entries.length}\n`);
      }

      const done = await eventually('its pull request', async () =>
        (await sessions()).find(({ status }) => status === 'in_review' || status === 'failed'),
      );
      expect(done).toMatchObject({ status: 'in_review', failure: null });
      await eventually('the follower to have heard of it', async () =>
        follower.entries.some(({ data }) => (data as { to?: string }).to === 'in_review') ? true : undefined,
      );
      await follower.stop();
      const watched = await installation.run(['sessions', 'watch', done.id, '--json']);
      const entries = watched.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { kind: string; data: { text?: string } });
      const lines = entries.flatMap(({ kind, data }) => (kind === 'message' && data.text ? [data.text] : []));
      expect(lines.filter((text) => text.startsWith('line '))).toEqual(
        [FLOOD, LINES].flatMap((count) => Array.from({ length: count }, (_, at) => `line ${at + 1}`)),
      );
      // The same by the stream of events: told of each change, nothing missed and nothing twice.
      expect(follower.resets).toBe(0);
      expect(new Set(follower.ids).size).toBe(follower.ids.length);
      expect(follower.entries.map(({ kind, data }) => ({ kind, data }))).toEqual(
        entries.map(({ kind, data }) => ({ kind, data })),
      );
      process.stderr.write(`${FAULTS} faults, ${follower.streams} streams, ${follower.entries.length} entries\n`);
      expect(entries.filter(({ kind }) => kind === 'started')).toHaveLength(1);
      const { pullRequests } = await fake.state(place);
      expect(pullRequests.map(({ title }) => title)).toEqual(['It survived']);
    },
    // Several starts of the whole program, on a machine that may be busy with other tests.
    300_000 + 60_000 * FAULTS,
  );
});
