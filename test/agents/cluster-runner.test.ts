/** A scripted agent as a job on a cluster, whose pod really runs: the whole way of a session, and what can become of it. */

import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { agentBranch } from '../../src/effects/agents/branch.js';
import { openClusterRunner } from '../../src/effects/agents/cluster-runner.js';
import { type AgentDefinition, agentDefinition } from '../../src/effects/agents/definition.js';
import type { AgentEvent } from '../../src/effects/agents/protocol.js';
import type {
  AgentObservation,
  AgentPage,
  AgentRef,
  AgentRunner,
  AgentStart,
} from '../../src/effects/agents/runner.js';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { podOf, podSecurityProblems } from '../preview/manifests/pod-security.js';
import { CREDENTIAL, RESULT_REQUEST } from '../support/agent-rig.js';
import { type ClusterForJobs, openClusterForJobs } from '../support/cluster-jobs.js';
import { createTestDatabase } from '../support/database.js';
import { commitFiles, git } from '../support/git-repository.js';
import { type GitServer, startGitServer } from '../support/git-server.js';
import { startHangingServer } from '../support/hanging-server.js';
import { resourceOf } from '../support/kubernetes-api/objects.js';
import { loopback } from '../support/loopback.js';
import { PATIENCE_MS } from '../support/patience.js';

const texts = (events: { event: AgentEvent }[]) =>
  events.map(({ event }) => ('text' in event ? event.text : JSON.stringify(event)));

describe('an agent on a cluster', () => {
  let cluster: ClusterForJobs;
  let test: Awaited<ReturnType<typeof createTestDatabase>>;
  let directory: string;
  let server: GitServer;
  let bare: string;
  let script: string;
  let runner: AgentRunner;
  const repositoryId = randomUUID();
  const open = () =>
    openClusterRunner({
      ...{ jobs: cluster.jobsOn(test.store('worker')), directory: join(directory, 'agents'), outbound: loopback },
      mirrors: createGitMirrors({ directory: join(directory, 'git'), outbound: loopback }),
    });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'forgeway-cluster-agents-'));
    script = await readFile(fileURLToPath(new URL('../support/scripted-agent.mjs', import.meta.url)), 'utf8');
    server = await startGitServer({
      directory: join(directory, 'served'),
      authorize: (credential) => credential?.password === CREDENTIAL.password,
    });
    bare = await server.create('acme/shop');
    test = await createTestDatabase();
    cluster = await openClusterForJobs();
    await cluster.serve(test.store('api'));
    runner = await open();
    await test.store('worker').tenant(test.organizationId, (tx) =>
      tx.query(
        `INSERT INTO repository (id, organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
         VALUES ($1, $2, 'forge-x', 'forge.example', 7, 'https://forge.example/acme/shop', 'acme', 'shop', 'main')`,
        [repositoryId, test.organizationId],
      ),
    );
  });
  afterEach(async () => {
    cluster.down = false;
    cluster.api.kubelet.unreachable.clear();
    for (const ref of await runner.list()) await runner.remove(ref);
    expect(cluster.namespaces()).toEqual([]);
  });
  afterAll(async () => {
    await cluster.close();
    await server.close();
    await test.drop();
    await rm(directory, { recursive: true, force: true });
  });

  const source = () => ({ url: `${server.url}/acme/shop.git`, origin: server.url, ...CREDENTIAL });
  async function spec(
    steps: unknown[][],
    o: { agent?: Partial<AgentDefinition>; more?: Partial<AgentStart> } = {},
  ): Promise<AgentStart> {
    const files = { 'agent-script.json': JSON.stringify(steps), 'README.md': '# Shop\n', '.gitignore': 'junk/\n' };
    const sha = await commitFiles(bare, { ref: 'refs/heads/main', message: 'Begin', files, parents: [] });
    const sessionId = randomUUID();
    await test.store('worker').tenant(test.organizationId, (tx) =>
      tx.query(
        `INSERT INTO agent_session (id, organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
           agent, requested_by, limit_seconds, event_sequence, command_key, triggered_at)
         VALUES ($1, $2, $3, 'forge-x', 'forge.example', 7, 1, false, 'scripted', 'ada', 60, 1, $4, now())`,
        [sessionId, test.organizationId, repositoryId, sessionId],
      ),
    );
    return {
      ...{ sessionId, fence: 1, secrets: {}, task: { prompt: 'Mend the shop.' } },
      agent: agentDefinition.parse({
        ...{ name: 'scripted', image: 'registry.example.com/agent:1', limits: { diskMb: 64, memoryMb: 256 } },
        ...{ command: ['node', '--input-type=module', '-e', script], ...o.agent },
      }),
      repository: {
        ...{ id: repositoryId, source: source(), sha, fallbackRefs: [], trustedSha: sha },
        branch: agentBranch({ sessionId, title: 'Mend the shop' }),
      },
      ...o.more,
    };
  }
  async function until<T>(what: () => Promise<T | undefined | false>): Promise<T> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      const found = await what();
      if (found) return found;
      await sleep(40);
    }
    throw new Error(`did not come about: ${what.toString()}`);
  }
  async function all(ref: AgentRef, on = runner): Promise<AgentPage['events']> {
    const events: AgentPage['events'] = [];
    for (let cursor = 0; ; ) {
      const page = await on.read(ref, cursor, 7);
      events.push(...page.events);
      if (page.next === cursor) return events;
      cursor = page.next;
    }
  }
  const said = (ref: AgentRef, text: string) => until(async () => texts(await all(ref)).includes(text));
  const state = (ref: AgentRef, wanted: AgentObservation['state']) =>
    until(async () => {
      const now = await runner.observe(ref);
      return now.state === wanted && now;
    });

  it('begins nothing when it is stopped while its clone hangs, and leaves no git behind', async () => {
    const hanging = await startHangingServer();
    try {
      const given = await spec([['done', 'x']]);
      // Of a repository of its own, whose mirror is empty.
      const id = randomUUID();
      const hung = { ...source(), url: `${hanging.url}/acme/shop.git`, origin: hanging.url };
      const stopping = new AbortController();
      const begun = runner.start({ ...given, repository: { ...given.repository, id, source: hung } }, stopping.signal);
      await until(async () => (await hanging.callers()).length > 0);
      // Another session of the same repository waits for its turn, and need not once it is stopped, too.
      const other = await spec([['done', 'x']]);
      const stoppingOther = new AbortController();
      const waits = runner.start(
        { ...other, repository: { ...other.repository, id, source: hung } },
        stoppingOther.signal,
      );
      const failures = Promise.allSettled([begun, waits]);
      stoppingOther.abort();
      await expect(waits).rejects.toThrow('it was stopped');
      expect(await hanging.callers()).not.toEqual([]);
      stopping.abort();
      await expect(begun).rejects.toThrow('was stopped');
      await failures;
      await until(async () => (await hanging.callers()).length === 0);
      expect(await runner.observe(given)).toEqual({ state: 'absent' });
    } finally {
      await hanging.close();
    }
  });

  it('edits, asks, is answered across a restart, and its work is pushed to its branch alone', async () => {
    const given = await spec(
      [
        ['write', 'src/price.js', 'export const price = 2;\n'],
        ['write', 'junk/large.txt', 'ignored\n'],
        ['run', 'sh', '-c', 'env; cat .git/config'],
        ['print-lines', 60, 0],
        ['ask', 'Which currency?'],
        ['done', 'Mend the price'],
      ],
      { more: { secrets: { MODEL_KEY: 'sk-a-model-key-98765' } } },
    );
    await runner.start(given);
    await runner.start(given);
    await said(given, 'Which currency?');
    const [name = ''] = cluster.namespaces();
    const job = cluster.api.store.list('Job', name)[0];
    const pod = podOf(job as never);
    if (pod === undefined) throw new Error('no pod');
    expect(podSecurityProblems(pod)).toEqual([]);
    expect(JSON.stringify(job)).not.toContain('sk-a-model-key');
    expect(
      cluster.api.store
        .list('NetworkPolicy', name)
        .map(({ metadata }) => metadata.name)
        .sort(),
    ).toEqual([...['default-deny', 'dns', 'forgeway']]);

    // Another process, and our addresses answer nothing for a while.
    cluster.down = true;
    const other = await open();
    const reply = { text: 'Euro\nplease', clientInputId: 'comment-7', secrets: {} };
    expect(await other.reply(given, reply)).toBe('accepted');
    expect(await other.reply(given, reply)).toBe('known');
    cluster.down = false;
    expect(await state(given, 'exited')).toMatchObject({ code: 0, reason: 'exit', turn: 1 });
    const events = await all(given, other);
    expect(events).toEqual(await all(given));
    expect(new Set(events.map(({ at, ordinal }) => `${at} ${ordinal}`)).size).toBe(events.length);
    const lines = texts(events);
    expect(lines.filter((line) => line.startsWith('line '))).toEqual(
      Array.from({ length: 60 }, (_, n) => `line ${n + 1}`),
    );
    expect(lines).toContain('task: Mend the shop.');
    expect(lines.join('\n')).toContain('MODEL_KEY=');
    for (const secret of [CREDENTIAL.password, 'sk-a-model-key-98765', 'job-input', 'KUBERNETES'])
      expect(lines.join('\n')).not.toContain(secret);

    const result = await other.result(given, RESULT_REQUEST);
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    expect(result.files.map(({ path }) => path)).toEqual(['answer.txt', 'src/price.js']);
    expect(await runner.result(given, RESULT_REQUEST)).toMatchObject({ commit: result.commit });
    const { branch, sha } = given.repository;
    expect(await runner.push(given, { source: source(), branch, commit: result.commit, expected: null })).toBe(
      'pushed',
    );
    expect(await git(['--git-dir', bare, 'show', '-s', '--format=%P', result.commit])).toBe(sha);
    await runner.stop(given);
    expect(cluster.namespaces()).toEqual([]);
    // What came back of it is there after its namespace is gone, until it is removed.
    expect(await runner.result(given, RESULT_REQUEST)).toMatchObject({ commit: result.commit });
    expect(await runner.list()).toEqual([{ sessionId: given.sessionId, fence: 1 }]);
    await runner.remove(given);
    expect(await runner.list()).toEqual([]);
    await expect(runner.result(given, RESULT_REQUEST)).rejects.toThrow('did not come back');
  });

  it('has each line in its record once, however many come while nobody reads, and whatever a node keeps of a log', async () => {
    const printed = 60_000;
    // Bytes that are no text, a line of megabytes, a line without an end; and what it started goes on after it.
    const print = `const write = (text) => { for (let rest = Buffer.from(text, 'latin1'); rest.length > 0; ) {
        try { rest = rest.subarray(require('node:fs').writeSync(1, rest)); } catch (error) { if (error.code !== 'EAGAIN') throw error; } } };
      for (let at = 1; at <= ${printed}; at += 100) write(Array.from({ length: 100 }, (_, n) => (at + n) + ' \\xff\\n').join(''));
      write('x'.repeat(3e6) + '\\n'); write('the end');
      require('node:child_process').spawn('sleep', ['600'], { stdio: ['ignore', 'inherit', 'ignore'] }); process.exit(0);`;
    const given = await spec([], { agent: { command: ['node', '-e', print] } });
    await runner.start(given);
    await until(async () => cluster.asked.includes('GET job-input'));
    cluster.down = true;
    const [name = ''] = cluster.namespaces();
    const turnOver = setInterval(() => {
      for (const [key, kept] of cluster.api.kubelet.lines) if (key.startsWith(name)) kept.length = 0;
    }, 20);
    try {
      await sleep(500);
      cluster.down = false;
      await state(given, 'exited');
      const lines = texts(await all(given)).flatMap((text) => text.split('\n'));
      const numbered = lines.flatMap((text) => /^(\d+) \ufffd$/.exec(text)?.[1] ?? []);
      expect(numbered).toEqual(Array.from({ length: printed }, (_, at) => String(at + 1)));
      expect(lines.filter((text) => /^x{1000}/.test(text))).toHaveLength(1);
      expect(lines.at(-1)).toBe('the end');
      // Nothing of it is kept of a session that is gone, and it is read until then, also after its namespace went.
      await runner.stop(given);
      expect(texts(await all(given)).at(-1)).toBe('the end');
      const pieces = () =>
        test.store('worker').tenant(test.organizationId, async (tx) => {
          const { rows } = await tx.query(
            `SELECT p.blob_id FROM cluster_job_print p JOIN cluster_job j ON j.id = p.job_id JOIN blob b ON b.id = p.blob_id
             WHERE j.subject = $1`,
            [given.sessionId],
          );
          return rows.length;
        });
      expect(await pieces()).toBeGreaterThan(1);
      await runner.remove(given);
      expect(await pieces()).toBe(0);
    } finally {
      clearInterval(turnOver);
    }
  });

  it('is read to its limit, told of what is more, and not held up by it', async () => {
    const print = `head -c 3000000 /dev/zero | tr '\\0' 'a'; echo; echo more; head -c 100000000 /dev/zero; echo over >&2; exit 3`;
    const limits = { seconds: 600, memoryMb: 256, diskMb: 64, processes: 100, outputMb: 2 };
    const given = await spec([], { agent: { command: ['/bin/sh', '-c', print], limits } });
    await runner.start(given);
    expect(await state(given, 'exited')).toMatchObject({ code: 3, reason: 'exit' });
    const lines = texts(await all(given));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain('printed more than 2 MB');
    expect((await runner.read(given, 0)).next).toBe(2 * 1024 * 1024);
  });

  it('ends for certain before another start of it begins, and refuses whoever comes late', async () => {
    const given = await spec([
      ['say', 'ready'],
      ['sleep', 60_000],
    ]);
    await runner.start(given);
    await said(given, 'ready');
    const [name = ''] = cluster.namespaces();
    const before = cluster.api.kubelet.processes(name);
    cluster.api.kubelet.unreachable.add(name);
    const newer: AgentStart = { ...given, fence: 2 };
    await expect(runner.start(newer)).rejects.toMatchObject({ code: 'FORGEWAY_NAMESPACE_TERMINATING' });
    expect(cluster.api.kubelet.processes(name)).toEqual(before);
    expect(cluster.namespaces()).toEqual([name]);
    cluster.api.kubelet.unreachable.clear();
    cluster.api.store.change(
      'Pod',
      name,
      cluster.api.store.list('Pod', name)[0]?.metadata.name ?? '',
      ({ metadata }) => {
        metadata.annotations = { answers: 'again' };
      },
    );
    await until(async () => cluster.namespaces().length === 0);
    await runner.start(newer);
    await said(newer, 'ready');
    const where = { text: 'https://x.example', clientInputId: 'p', secrets: {}, kind: 'preview' } as const;
    await until(async () => (await runner.reply(newer, where)) === 'accepted');
    expect(await runner.reply(newer, where)).toBe('known');
    await expect(runner.observe(given)).rejects.toMatchObject({ code: 'FORGEWAY_AGENT_FENCED' });
    await expect(runner.stop(given)).rejects.toMatchObject({ code: 'FORGEWAY_AGENT_FENCED' });
    await runner.stop(newer);
    await runner.stop(newer);
    expect(cluster.api.kubelet.processes(name)).toEqual([]);
    expect(await runner.observe(newer)).toMatchObject({ state: 'vanished' });
    // What nobody brought back is not told as unchanged.
    await expect(runner.result(newer, RESULT_REQUEST)).rejects.toThrow('did not come back');
  });

  it('says what became of it, and stops it when its time is over', async () => {
    const gone = await spec([
      ['say', 'ready'],
      ['sleep', 60_000],
    ]);
    await runner.start(gone);
    await said(gone, 'ready');
    cluster.api.store.delete(resourceOf('Namespace'), undefined, cluster.namespaces()[0] ?? '');
    expect(await state(gone, 'vanished')).toMatchObject({ why: expect.stringMatching(/deleted|is gone/) });

    const fat = await spec([
      ['say', 'ready'],
      ['sleep', 60_000],
    ]);
    await runner.start(fat);
    await said(fat, 'ready');
    const [name = ''] = cluster.namespaces().slice(-1);
    for (const one of cluster.namespaces()) cluster.api.kubelet.outOfMemory(one, 'work');
    expect(name).not.toBe('');
    expect(await state(fat, 'exited')).toMatchObject({ reason: 'memory', code: 137 });

    const slow = await spec(
      [
        ['say', 'ready'],
        ['sleep', 60_000],
      ],
      {
        agent: { limits: { seconds: 1, memoryMb: 256, diskMb: 64, processes: 100, outputMb: 1 } },
      },
    );
    await runner.start(slow);
    expect(await state(slow, 'exited')).toMatchObject({ reason: 'time' });
  });

  it('was ended by its node where that is so, also when its courier outlived it', async () => {
    const given = await spec([
      ['say', 'here'],
      ['sleep', 600_000],
    ]);
    await runner.start(given);
    await said(given, 'here');
    const message = 'The node was low on resource: memory.';
    const [namespace = ''] = cluster.namespaces();
    cluster.api.kubelet.evict(namespace, { reason: 'Evicted', message }, { outlives: 'courier' });
    expect(await state(given, 'vanished')).toEqual({
      ...{ state: 'vanished', turn: 1, why: `The agent was ended by its node: ${message}` },
    });
  });

  it('begins another turn with what the last one left', async () => {
    const turn =
      'echo "turn: $(cat)"; echo "$FORGEWAY_SESSION" >>said.txt; echo kept >>"$HOME/memory"; wc -l <"$HOME/memory"';
    const command = ['/bin/sh', '-c', turn];
    const given = await spec([], { agent: { command, resume: command, format: 'aider' } });
    await runner.start(given);
    expect(await state(given, 'exited')).toMatchObject({ turn: 1, canResume: true });
    const first = await runner.read(given, 0);
    const reply = { text: 'again', clientInputId: 'r1', secrets: {} };
    expect(await runner.reply(given, reply)).toBe('accepted');
    expect(await runner.reply(given, reply)).toBe('known');
    await until(async () => (await runner.observe(given)).state === 'exited');
    expect(await runner.observe(given)).toMatchObject({ turn: 2, code: 0 });
    const second = await runner.read(given, first.next);
    expect(texts(first.events).join('\n')).toBe('turn: Mend the shop.\n1');
    expect(texts(second.events).join('\n')).toBe('turn: again\n2');
    const result = await runner.result(given, RESULT_REQUEST);
    if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
    expect(result.files).toMatchObject([{ path: 'said.txt', added: 2 }]);
  });
});
