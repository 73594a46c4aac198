/** An agent outlives the program that started it: the built server and its worker are killed while it works. */
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { findSandboxProbe } from '../support/sandboxes.js';
import { createInstallation, eventually, freePort } from './program.js';

const probe = await findSandboxProbe();
const { skip } = it;
const whenApart = probe?.network === true ? it : skip;
const gitea = fakedForges.find(({ id }) => id === 'gitea');

const LINES = 80;
const steps = [
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

/** Pids of a process and of all that it has started. */
function familyOf(pid: number): number[] {
  const listed = spawnSync('ps', ['-e', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).stdout.split('\n');
  const rows = listed.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)).filter((row) => row !== null);
  const children = rows.filter(([, , parent]) => Number(parent) === pid).map(([, own]) => Number(own));
  return [pid, ...children.flatMap(familyOf)];
}

describe('an agent', () => {
  whenApart(
    'goes on when the server and its worker are killed, and each of its lines is written down once',
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

      // Both at once, as when a machine has no memory left; the database lives on and is found again.
      const family = familyOf(first.child.pid ?? 0).filter((pid) => {
        const args = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout;
        return /entry\/(cli|server|worker)/.test(args);
      });
      expect(family.length).toBeGreaterThan(1);
      for (const pid of family) process.kill(pid, 'SIGKILL');
      await first.ended;
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await installation.up({ PORT: String(port) });

      const done = await eventually('its pull request', async () =>
        (await sessions()).find(({ status }) => status === 'in_review' || status === 'failed'),
      );
      expect(done).toMatchObject({ status: 'in_review', failure: null });
      const watched = await installation.run(['sessions', 'watch', done.id, '--json']);
      const entries = watched.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { kind: string; data: { text?: string } });
      const lines = entries.flatMap(({ kind, data }) => (kind === 'message' && data.text ? [data.text] : []));
      expect(lines.filter((text) => text.startsWith('line '))).toEqual(
        Array.from({ length: LINES }, (_, at) => `line ${at + 1}`),
      );
      expect(entries.filter(({ kind }) => kind === 'started')).toHaveLength(1);
      const { pullRequests } = await fake.state(place);
      expect(pullRequests.map(({ title }) => title)).toEqual(['It survived']);
    },
    // Two starts of the whole program, on a machine that may be busy with other tests.
    300_000,
  );
});
