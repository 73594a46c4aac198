import { type Command, InvalidArgumentError, Option } from 'commander';
import { chooseDeliveries } from '../../inbox/list.js';
import { type Refusal, replayDelivery } from '../../inbox/replay.js';
import { workers } from '../doctor-processes.js';
import { startProgress } from '../progress.js';
import { type Rehearsed, rehearseAll, replayAll, type Skipped } from '../replay-run.js';
import { type CommandSession, withDatabase } from '../session.js';
import { formatJson } from '../table.js';
import {
  actor,
  addFilterOptions,
  deliveryIdOf,
  deliveryName,
  type FilterOptions,
  filterFrom,
  numberFrom,
} from './delivery-options.js';

interface ReplayCommandOptions extends FilterOptions {
  failed?: boolean;
  asStored?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  limit: number;
  rate: number;
  json?: boolean;
}

const REFUSALS: Readonly<Record<Refusal, string>> = {
  unknown: 'There is no such delivery.',
  unfinished: 'It has not ended yet; nothing needs to be repeated.',
  empty: 'Its body is no longer stored, or no such run was ever there.',
};

/** How long a dry run waits while no worker comes to anything. */
const PATIENCE_MS = 60_000;
const INTERRUPTED = 130;

const FILTERS = ['status', 'forge', 'event', 'repository', 'since', 'until'] as const;

/** The deliveries that are meant, oldest first; and how many more a filter matches. */
async function chosen(
  session: CommandSession,
  names: readonly string[],
  options: ReplayCommandOptions,
): Promise<{ ids: bigint[]; more: number }> {
  const { store, organizationId } = session;
  const filters = FILTERS.filter((name) => options[name] !== undefined);
  if (names.length > 0) {
    if (filters.length > 0)
      throw new InvalidArgumentError(`Name deliveries, or choose them with --${filters[0]}: not both.`);
    const ids = new Set<bigint>();
    for (const name of names) ids.add(await deliveryIdOf(store.pool, name));
    return { ids: [...ids].sort((a, b) => Number(a - b)), more: 0 };
  }
  if (filters.length === 0 && options.app === undefined)
    throw new InvalidArgumentError('Name deliveries, or choose them with a filter such as --status dead.');
  const filter = await filterFrom(session, options);
  const { ids, total } = await store.tenant(organizationId, (tx) => chooseDeliveries(tx, filter, options.limit));
  return { ids, more: total - ids.length };
}

const told = (skipped: readonly Skipped[]) =>
  skipped.map(({ id, reason }) => `! ${id} was left out: ${REFUSALS[reason]}`);
const counted = (count: number, one: string) => `${count} ${one}${count === 1 ? '' : 's'}`;
const deliveriesOf = (count: number) => (count === 1 ? '1 delivery' : `${count} deliveries`);

/** What a dry run found, for a person. */
function describeRehearsal({ rehearsed, skipped, left }: Rehearsed, more: number): string {
  const lines: string[] = [];
  const sums = { writes: 0, failing: 0 };
  for (const { id, runs } of rehearsed)
    for (const { app, event, status, reason, writes } of runs) {
      sums.writes += writes.length;
      sums.failing += status === 'dead' ? 1 : 0;
      const ending = { done: '', ignored: ` is ignored: ${reason}`, dead: ` would fail: ${reason}` }[status ?? 'done'];
      const nothing = status === 'done' && writes.length === 0 ? ' writes nothing' : '';
      lines.push(`${id} ${event}, ${app}${ending}${nothing}`);
      for (const { route, path } of writes) lines.push(`    ${route.split(' ', 1)[0] ?? ''} ${path}`);
    }
  lines.push(...told(skipped));
  if (left.length > 0) lines.push(`! ${deliveriesOf(left.length)} did not run: ${left.join(', ')}`);
  if (more > 0) lines.push(`! ${more} more match; --limit takes more of them.`);
  const failing = sums.failing === 0 ? '' : `, ${counted(sums.failing, 'run')} would fail`;
  lines.push(
    '',
    `Dry run of ${deliveriesOf(rehearsed.length)}: ${counted(sums.writes, 'write')}${failing}. Nothing was changed; --yes runs them.`,
  );
  return lines.join('\n');
}

const readBody = (body: string | null): unknown => {
  try {
    return body === null ? null : JSON.parse(body);
  } catch {
    // What an app sent need not be JSON.
    return body;
  }
};

interface Many {
  ids: readonly bigint[];
  more: number;
  signal: AbortSignal;
}

async function dryRun({ store }: CommandSession, { ids, more, signal }: Many, options: ReplayCommandOptions) {
  const alive = await workers(store);
  if (alive.state !== 'ok') throw new InvalidArgumentError(`A dry run needs a worker; ${alive.finding}. ${alive.fix}`);
  const progress = startProgress(ids.length, 'rehearsed');
  const found = await rehearseAll(store, {
    ...{ ids, signal, rate: options.rate, patienceMs: PATIENCE_MS, actor: actor() },
    ...{ app: options.app, failed: failedOnly(options), asStored: options.asStored },
    progress: (done) => progress.at(done),
  }).finally(() => progress.end());
  if (options.json)
    console.log(
      formatJson({
        dryRun: true,
        deliveries: found.rehearsed.map(({ id, runs }) => ({
          id,
          runs: runs.map(({ writes, ...run }) => ({
            ...run,
            writes: writes.map(({ body, ...write }) => ({ ...write, body: readBody(body) })),
          })),
        })),
        skipped: found.skipped,
        notRun: found.left,
        more,
      }),
    );
  else console.log(describeRehearsal(found, more));
  return found.left.length > 0;
}

async function forReal({ store }: CommandSession, { ids, more, signal }: Many, options: ReplayCommandOptions) {
  const progress = startProgress(ids.length, 'queued');
  const found = await replayAll(store, {
    ...{ ids, signal, rate: options.rate, actor: actor() },
    ...{ app: options.app, failed: failedOnly(options), asStored: options.asStored },
    progress: (done) => progress.at(done),
  }).finally(() => progress.end());
  const { queued, skipped, left } = found;
  if (options.json) console.log(formatJson({ dryRun: false, queued, skipped, left, more }));
  else {
    for (const line of told(skipped)) console.log(line);
    const runs = queued.reduce((sum, { dispatches }) => sum + dispatches, 0);
    console.log(`${deliveriesOf(queued.length)} queued again, ${counted(runs, 'handler run')}.`);
    if (left.length > 0)
      console.log(`Stopped: ${deliveriesOf(left.length)} from ${left[0]} on were not queued. What is queued is run.`);
    if (more > 0) console.log(`${more} more match; --limit takes more of them.`);
  }
  return left.length > 0;
}

/** Of deliveries that were chosen because they are dead, what succeeded is not done once more. */
const failedOnly = ({ failed, status }: ReplayCommandOptions) => failed === true || status === 'dead';

async function one({ store }: CommandSession, id: bigint, options: ReplayCommandOptions): Promise<void> {
  const { app, asStored } = options;
  const replay = await replayDelivery(store, id, { app, asStored, failed: failedOnly(options), actor: actor() });
  if (replay.kind === 'refused') throw new InvalidArgumentError(REFUSALS[replay.reason]);
  const runs = replay.dispatches.length;
  if (options.json)
    console.log(formatJson({ dryRun: false, queued: [{ id, dispatches: runs }], skipped: [], left: [] }));
  else console.log(`${counted(runs, 'handler run')} queued again.`);
}

async function replay(names: readonly string[], options: ReplayCommandOptions): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  try {
    await withDatabase(async (session) => {
      const { ids, more } = await chosen(session, names, options);
      const [only] = ids;
      if (only === undefined) {
        console.log(options.json ? formatJson({ dryRun: !options.yes, deliveries: [] }) : 'No delivery matches.');
        return;
      }
      if (names.length > 0 && ids.length === 1 && !options.dryRun) return one(session, only, options);
      const many = { ids, more, signal: stop.signal };
      const stopped = options.yes ? await forReal(session, many, options) : await dryRun(session, many, options);
      if (stopped) process.exitCode = stop.signal.aborted ? INTERRUPTED : 1;
    });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  }
}

export function addReplayCommand(deliveries: Command): void {
  const command = deliveries
    .command('replay')
    .description('run the handlers of deliveries again; of several, first show what they would write')
    .argument('[ids...]', 'numbers, or the ids that the forge shows', (text: string, before: string[] = []) => [
      ...before,
      deliveryName(text),
    ]);
  addFilterOptions(command, true)
    .option('--limit <n>', 'with a filter: at most so many, the oldest first', numberFrom(1, 100_000), 1_000)
    .option('--failed', 'only runs that were given up; always so with --status dead')
    .option('--as-stored', 'tell events as they were stored, without reading again what they are about')
    .addOption(new Option('--dry-run', 'also of one delivery: show what it would write').conflicts('yes'))
    .option('--yes', 'really run several')
    .option('--rate <n>', 'deliveries per second', numberFrom(1, 1_000), 10)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
One delivery that is named runs at once. Several are rehearsed: their handlers run with every write held back, and what they
would write is listed. With --yes they are queued, in their order. With --app only that app's runs are repeated.

Before an event is told again, the pull request, issue, comment or review that it is about is read from the forge, and told as
it is now; what no longer exists is ignored.

Examples:
  $ forgeway deliveries replay 42                              this one, now
  $ forgeway deliveries replay --status dead --app stale       what would be written
  $ forgeway deliveries replay --status dead --app stale --yes
  $ forgeway deliveries replay --repository acme/web --since 2h --event issues.opened --yes --rate 2

Exit codes: 1 when some did not run, 130 when it was stopped; what had been queued is told.`,
    )
    .action(replay);
}
