import type { Command } from 'commander';
import {
  type DeliveryFilter,
  type DeliverySummary,
  type DispatchSummary,
  type FailedRun,
  failedRuns,
  listDeliveries,
  showDelivery,
} from '../../inbox/list.js';
import { withDatabase } from '../session.js';
import { formatJson, formatTable, printRows } from '../table.js';
import {
  addFilterOptions,
  deliveryIdOf,
  deliveryName,
  type FilterOptions,
  filterFrom,
  numberFrom,
} from './delivery-options.js';
import { addReplayCommand } from './replay.js';

/** What an app threw may be a page long; the whole of it is in the JSON. */
const MOST_OF_AN_ERROR = 160;

/** Which app failed on what, with its own words, and why it was given up. */
function toldFailure({ app, event, reason, error }: FailedRun): string {
  const words = error !== null && error.length > MOST_OF_AN_ERROR ? `${error.slice(0, MOST_OF_AN_ERROR - 1)}…` : error;
  return `${app} on ${event}: ${[words, reason].filter(Boolean).join(' – ')}`;
}

/** One delivery as it is listed, with the runs that were given up, where those were asked for. */
const listed = (
  { eventType, reason, error, retries: _, hookId: __, finishedAt: ___, ...rest }: DeliverySummary,
  failures?: readonly FailedRun[],
) => ({
  ...rest,
  event: eventType,
  reason: failures && failures.length > 0 ? failures.map(toldFailure).join('; ') : (reason ?? error),
  ...(failures && { failures }),
});

const COLUMNS = [
  'id',
  'receivedAt',
  'forge',
  'repository',
  'event',
  'action',
  'status',
  'reason',
  'nextAttemptAt',
  'deliveryKey',
];

/** Without the column of the next attempt when none of them has one. */
const columnsFor = (rows: readonly { nextAttemptAt: Date | null }[]) =>
  rows.some(({ nextAttemptAt }) => nextAttemptAt !== null)
    ? COLUMNS
    : COLUMNS.filter((column) => column !== 'nextAttemptAt');

async function list(options: FilterOptions & { limit: number; json?: boolean }): Promise<void> {
  const { filter, rows } = await withDatabase(async (session) => {
    const { store, organizationId } = session;
    const chosen: DeliveryFilter = await filterFrom(session, options);
    const rows = await store.tenant(organizationId, async (tx) => {
      const found = await listDeliveries(tx, { ...chosen, limit: options.limit });
      if (options.status !== 'dead') return found.map((one) => listed(one));
      const failed = await failedRuns(
        tx,
        found.map(({ id }) => id),
      );
      return found.map((one) => listed(one, failed.get(one.id) ?? []));
    });
    return { filter: chosen, rows };
  });
  const all = Object.values(filter).every((value) => value === undefined);
  const isDead = options.status === 'dead';
  // Why is what is asked for here: it is told whole, at the end of the line.
  const columns = isDead ? [...columnsFor(rows).filter((name) => name !== 'reason'), 'reason'] : columnsFor(rows);
  printRows(rows, columns, {
    json: options.json,
    ...(isDead && { whole: ['reason'] }),
    empty: all ? 'No deliveries yet. Point a webhook at this server.' : 'No delivery matches.',
  });
}

const moment = (time: Date | null) => time?.toISOString().replace('T', ' ').slice(0, 19) ?? '';
const lines = (fields: Readonly<Record<string, string | null | undefined>>): string[] =>
  Object.entries(fields).flatMap(([name, value]) => (value ? [`${`${name}:`.padEnd(13)}${value}`] : []));

function runLines(run: DispatchSummary): string[] {
  const failed = run.status === 'dead' || run.status === 'parked';
  return [
    ...(run.reason === null ? [] : [`  #${run.id} ${run.app}: ${run.reason}`]),
    ...(failed && run.error !== null ? [`  #${run.id} ${run.app}: ${run.error}`] : []),
    ...run.writes.map(({ route, path, status }) => {
      const method = route.split(' ', 1)[0] ?? '';
      return `  #${run.id} ${run.app} ${status === 'shadow' ? 'would have sent' : 'sent'} ${method} ${path} (${status})`;
    }),
  ];
}

function describeDelivery({ delivery: d, dispatches }: { delivery: DeliverySummary; dispatches: DispatchSummary[] }) {
  const event = d.action === null ? d.eventType : `${d.eventType} (${d.action})`;
  const runs = dispatches.map((run) => ({
    run: `#${run.id}`,
    app: run.app,
    event: run.action === null ? run.eventName : `${run.eventName}.${run.action}`,
    status: run.shadow ? `${run.status}, shadow` : run.status === 'parked' ? 'waiting' : run.status,
    attempts: run.attempts,
    next: moment(run.nextAttemptAt),
    finished: moment(run.finishedAt),
    'replay of': run.replayOf === null ? '' : `#${run.replayOf}`,
  }));
  const [first] = runs;
  return [
    ...lines({
      Delivery: `${d.id} (${d.deliveryKey})`,
      Event: `${event} on ${d.host} (${d.forge})`,
      Repository: d.repository,
      Received: moment(d.receivedAt),
      Status: d.status,
      Reason: d.reason,
      Error: d.error,
      'Next attempt': moment(d.nextAttemptAt),
    }),
    '',
    ...(first === undefined ? ['No app ran on it.'] : [formatTable(runs, Object.keys(first))]),
    ...dispatches.flatMap(runLines),
  ].join('\n');
}

export function addDeliveriesCommand(program: Command): void {
  const deliveries = program
    .command('deliveries')
    .description('webhook deliveries: what arrived and what became of it');

  const addList = (name: string, description: string, examples: string, status?: string) =>
    addFilterOptions(deliveries.command(name).description(description), status === undefined)
      .option('--limit <n>', 'how many, newest first', numberFrom(1, 1_000), 50)
      .option('--json', 'as JSON')
      .addHelpText('after', `\nExamples:\n${examples}`)
      .action((options: FilterOptions & { limit: number; json?: boolean }) =>
        list(status === undefined ? options : { ...options, status }),
      );

  addList(
    'list',
    'deliveries, newest first',
    `  $ forgeway deliveries list --repository acme/web --since 2h
  $ forgeway deliveries list --event issues.opened --status waiting`,
  );
  addList(
    'dead',
    'deliveries that were given up, with the reason',
    `  $ forgeway deliveries dead --app stale --since 7d
  $ forgeway deliveries replay --status dead --app stale   what running them again would write`,
    'dead',
  );

  deliveries
    .command('show')
    .description('one delivery with every handler run and what it wrote; the payload is not shown')
    .argument('<id>', 'its number, or the id that the forge shows', deliveryName)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ forgeway deliveries show 42
  $ forgeway deliveries show 72d3162e-cc78-11e3-81ab-4c9367dc0958 --json`,
    )
    .action(async (name: string, options: { json?: boolean }) => {
      const shown = await withDatabase(({ store, organizationId }) =>
        store.tenant(organizationId, async (tx) => showDelivery(tx, await deliveryIdOf(tx, name))),
      );
      if (shown !== undefined) console.log(options.json ? formatJson(shown) : describeDelivery(shown));
    });

  addReplayCommand(deliveries);
}
