/** `forgeway runs`: the runs of workspaces, their logs, and what is asked of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { audit } from '../../accounts/audit.js';
import { createPokes } from '../../jobs/poke.js';
import { listAllRuns } from '../../jobs/run/list.js';
import { askRun } from '../../jobs/run/move.js';
import type { Wish } from '../../jobs/run/state.js';
import { ForgewayError } from '../../lib/errors.js';
import { createMetrics } from '../../lib/metrics.js';
import { readLog } from '../../store/workspace/run-log.js';
import { getRun, type PhaseName, phasesOf, runStatuses } from '../../store/workspace/runs.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

const RUN = /^(?:run-)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const PIECE = 256 * 1024;
const FOLLOW_MS = 500;

function runId(given: string): string {
  const id = RUN.exec(given)?.[1];
  if (id === undefined)
    throw new InvalidArgumentError('A run is named as `forgeway runs list` shows it, such as run-0b1c….');
  return id;
}

function limit(given: string): number {
  const number = Number(given);
  if (!Number.isInteger(number) || number < 1 || number > 1_000)
    throw new InvalidArgumentError('Use a number from 1 to 1000.');
  return number;
}

const unknown = (id: string): never => {
  throw new ForgewayError('FORGEWAY_NOT_FOUND', `There is no run-${id}. \`forgeway runs list\` shows all.`);
};

async function ask(
  { config, database, store, organizationId, log }: CommandSession,
  id: string,
  wish: Wish,
): Promise<string> {
  const by = 'the command line';
  const moved = await store.tenant(organizationId, async (tx) => {
    const result = (await askRun(tx, id, wish, { by })) ?? unknown(id);
    if ('to' in result.outcome || 'stop' in result.outcome)
      await audit(tx, organizationId, `run.${wish.kind}`, `run-${id}`, {}, by);
    return result;
  });
  if ('refused' in moved.outcome) throw new ForgewayError('FORGEWAY_RUN_STATE', moved.outcome.refused);
  // Not at the top: it takes as long to load as all of a list takes to be printed.
  const { createQueueBackend } = await import('../../jobs/queue/create-queue-backend.js');
  const backend = createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics: createMetrics() });
  const { run } = createPokes(backend);
  await Promise.all(moved.wanted.map((one) => run.poke(one, { version: one.version })));
  await backend.close();
  return 'unchanged' in moved.outcome
    ? 'nothing had to be done'
    : 'to' in moved.outcome
      ? moved.outcome.to
      : 'stopping';
}

interface LogOptions {
  phase?: PhaseName;
  follow?: boolean;
  json?: boolean;
}

/** What the last phase that has begun has printed, or the one that was asked for. */
async function printLog({ store, organizationId }: CommandSession, id: string, options: LogOptions): Promise<void> {
  const seen: Partial<Record<PhaseName, number>> = {};
  for (;;) {
    const { run, phases } = await store.tenant(organizationId, async (tx) => {
      const found = (await getRun(tx, id)) ?? unknown(id);
      return { run: found, phases: await phasesOf(tx, id) };
    });
    const wanted = options.phase === undefined ? (['plan', 'apply'] as const) : [options.phase];
    for (const name of wanted) {
      const phase = phases[name];
      if (phase === undefined) continue;
      for (let offset = seen[name] ?? 0; ; ) {
        const part = await store.tenant(organizationId, (tx) => readLog(tx, phase.id, { offset, limit: PIECE }));
        if (part === undefined || part.bytes.length === 0) break;
        process.stdout.write(
          options.json ? `${JSON.stringify({ phase: name, offset, text: part.bytes.toString('utf8') })}\n` : part.bytes,
        );
        offset += part.bytes.length;
        seen[name] = offset;
      }
    }
    if (options.follow !== true || run.finishedAt !== null) {
      if (run.statusReason !== null && options.json !== true) console.error(run.statusReason);
      return;
    }
    await sleep(FOLLOW_MS);
  }
}

const wishes: readonly { name: string; wish: Wish['kind']; says: string }[] = [
  { name: 'confirm', wish: 'confirm', says: 'apply exactly the plan of a run that waits for it' },
  { name: 'discard', wish: 'discard', says: 'give up a run that waits, so that the next one has its turn' },
  { name: 'cancel', wish: 'cancel', says: 'stop a run as soon as that breaks nothing' },
  {
    name: 'force-cancel',
    wish: 'force-cancel',
    says: 'end a canceled run that does not stop; its workspace stays locked',
  },
];

export function addRunsCommand(program: Command): void {
  const runs = program.command('runs').description('plans and applies of workspaces');

  runs
    .command('list')
    .description('runs, newest first')
    .option('--workspace <name>', 'only of this workspace')
    .addOption(new Option('--status <status>', 'only in this state').choices(runStatuses))
    .option('--limit <n>', 'at most so many', limit, 50)
    .option('--json', 'as JSON')
    .action(async (options: { workspace?: string; status?: string; limit: number; json?: boolean }) => {
      const rows = await withDatabase(({ store, organizationId }) => listAllRuns(store, organizationId, options));
      const columns = [
        'id',
        'workspace',
        'status',
        'pullRequest',
        'additions',
        'changes',
        'destructions',
        'message',
        'reason',
        'createdAt',
      ];
      printRows(rows, columns, {
        json: options.json,
        empty:
          'No runs. Link a workspace to a repository (docs/guides/workspaces.md); its first run follows by itself.',
        whole: ['id'],
      });
    });

  runs
    .command('logs')
    .description('what a run printed, and why it ended so')
    .argument('<run>', 'as `forgeway runs list` shows it', runId)
    .addOption(new Option('--phase <phase>', 'only of its plan or its apply').choices(['plan', 'apply']))
    .option('-f, --follow', 'go on until the run is over')
    .option('--json', 'as JSON, one object in a line: phase, offset, text')
    .action(async (id: string, options: LogOptions) => withDatabase((session) => printLog(session, id, options)));

  for (const { name, wish, says } of wishes)
    runs
      .command(name)
      .description(says)
      .argument('<run>', 'as `forgeway runs list` shows it', runId)
      .option('--json', 'as JSON')
      .action(async (id: string, options: { json?: boolean }) => {
        const status = await withDatabase((session) => ask(session, id, { kind: wish }));
        console.log(options.json ? formatJson({ id: `run-${id}`, status }) : `run-${id}: ${status}.`);
      });
}
