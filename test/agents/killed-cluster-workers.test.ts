/** Processes that run an agent on a cluster, killed at every step: one job, each line once, one push, and nothing left. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { agentBranch } from '../../src/effects/agents/branch.js';
import { agentDefinition } from '../../src/effects/agents/definition.js';
import type { AgentStart } from '../../src/effects/agents/runner.js';
import { createRandom } from '../chaos/random.js';
import { CREDENTIAL, RESULT_REQUEST } from '../support/agent-rig.js';
import { openClusterForJobs } from '../support/cluster-jobs.js';
import { createTestDatabase } from '../support/database.js';
import { commitFiles, git } from '../support/git-repository.js';
import { startGitServer } from '../support/git-server.js';
import type { WorkerState, WorkerTask } from './cluster-worker.js';

const LINES = 150;
const AGENT = `let at = 0; const me = require('node:crypto').randomUUID();
  const tick = () => { console.log(JSON.stringify({ type: 'message', text: me + ' ' + ++at }));
  if (at < ${LINES}) return setTimeout(tick, 40);
  require('node:fs').writeFileSync('work.txt', 'work'); console.log('{"type":"done"}'); process.exit(0); }; tick();`;
const SEED = Number(process.env.KILL_SEED ?? 5);
/** Where each worker is killed, and how many milliseconds after it has said so at most. */
const KILLS: readonly [WorkerState['step'], number][] = [
  ['start', 300],
  ['start', 3_000],
  ['follow', 0],
  ['follow', 1_500],
  ['result', 600],
  ['push', 200],
  ['remove', 200],
];
const STEPS = ['start', 'follow', 'result', 'push', 'remove', 'done'];

it('are followed by others that finish what they have begun', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'forgeway-killed-cluster-'));
  const authorize = (credential?: { password?: string }) => credential?.password === CREDENTIAL.password;
  const server = await startGitServer({ directory: join(directory, 'served'), authorize });
  const test = await createTestDatabase();
  const cluster = await openClusterForJobs();
  const jobs = new Set<string>();
  const watching = setInterval(() => {
    for (const { metadata } of cluster.api.store.list('Job')) jobs.add(metadata.uid);
  }, 10);
  try {
    const bare = await server.create('acme/shop');
    await cluster.serve(test.store('api'));
    const sha = await commitFiles(bare, {
      ref: 'refs/heads/main',
      message: 'Begin',
      files: { 'README.md': '# Shop\n' },
    });
    const [repositoryId, sessionId] = [randomUUID(), randomUUID()];
    const tenant = (sql: string, values: unknown[]) =>
      test.store('worker').tenant(test.organizationId, (tx) => tx.query(sql, values));
    await tenant(
      `INSERT INTO repository (id, organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
       VALUES ($1, $2, 'forge-x', 'forge.example', 7, 'https://forge.example/acme/shop', 'acme', 'shop', 'main')`,
      [repositoryId, test.organizationId],
    );
    await tenant(
      `INSERT INTO agent_session (id, organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
         agent, requested_by, limit_seconds, event_sequence, command_key, triggered_at)
       VALUES ($1, $2, $3, 'forge-x', 'forge.example', 7, 1, false, 'printer', 'ada', 60, 1, 'x', now())`,
      [sessionId, test.organizationId, repositoryId],
    );
    const source = { url: `${server.url}/acme/shop.git`, origin: server.url, ...CREDENTIAL };
    const branch = agentBranch({ sessionId, title: 'Mend the shop' });
    const spec: AgentStart = {
      ...{ sessionId, fence: 1, secrets: { MODEL_KEY: 'a-key-of-a-model' }, task: { prompt: 'Mend the shop.' } },
      agent: agentDefinition.parse({
        ...{ name: 'printer', image: 'registry.example.com/agent:1', limits: { diskMb: 64, memoryMb: 256 } },
        command: ['node', '-e', AGENT],
      }),
      repository: { ...{ id: repositoryId, source, sha, fallbackRefs: [], trustedSha: sha }, branch },
    };
    const task: WorkerTask = {
      ...{
        config: test.database.poolConfig('worker'),
        kubeconfig: cluster.kubeconfig,
        url: cluster.url,
        directory,
        spec,
      },
      ...{ request: RESULT_REQUEST, source },
    };
    const random = createRandom(SEED);
    /** Killed at a step, or soon after it; undefined: goes on to the end. */
    async function work(at?: WorkerState['step'], most = 0): Promise<void> {
      const program = fileURLToPath(new URL('cluster-worker.ts', import.meta.url));
      const child = spawn(process.execPath, ['--import', 'tsx', program], { stdio: ['pipe', 'pipe', 'inherit'] });
      const closed = once(child, 'close');
      child.stdin.end(JSON.stringify(task));
      for await (const said of createInterface({ input: child.stdout })) {
        if (at === undefined || STEPS.indexOf(said) < STEPS.indexOf(at)) continue;
        await sleep(random.between(0, most));
        child.kill('SIGKILL');
      }
      await closed;
    }
    for (const [step, most] of KILLS) await work(step, most);
    await work();

    const { step, lines, commit } = JSON.parse(await readFile(join(directory, 'state.json'), 'utf8')) as WorkerState;
    expect(step).toBe('done');
    const [agent = ''] = lines[0]?.split(' ') ?? [];
    expect(lines).toEqual([...Array.from({ length: LINES }, (_, at) => `${agent} ${at + 1}`), 'done']);
    expect(jobs.size).toBe(1);
    const refs = await git(['--git-dir', bare, 'for-each-ref', '--format=%(refname) %(objectname)']);
    expect(refs.split('\n').sort()).toEqual([`refs/heads/${branch} ${commit}`, `refs/heads/main ${sha}`]);
    expect(await git(['--git-dir', bare, 'show', '-s', '--format=%P', commit])).toBe(sha);
    // Nothing of it is left, on the cluster or here.
    expect(cluster.namespaces()).toEqual([]);
    const left = (['Job', 'Pod', 'Secret', 'NetworkPolicy'] as const).flatMap((kind) =>
      cluster.api.store.list(kind).filter(({ metadata }) => metadata.namespace?.startsWith('forgeway-')),
    );
    expect(left).toEqual([]);
    expect((await readdir(join(directory, 'agents'))).filter((name) => name.includes(sessionId))).toEqual([]);
    expect(await readdir(join(directory, 'git'))).toEqual([]);
  } finally {
    clearInterval(watching);
    await cluster.close();
    await server.close();
    await test.drop();
    await rm(directory, { recursive: true, force: true });
  }
  // Each of them is a process that begins from nothing, on a machine that may be busy.
}, 600_000);
