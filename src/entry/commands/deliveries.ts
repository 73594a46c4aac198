import type { Command } from 'commander';
import {
  type DeliveryFilter,
  type DeliverySummary,
  type DispatchSummary,
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

/** One delivery as it is listed. */
const listed = ({ eventType, reason, error, retries: _, hookId: __, finishedAt: ___, ...rest }: DeliverySummary) => ({
  ...rest,
  event: eventType,
  reason: reason ?? error,
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
    const found = await store.tenant(organizationId, (tx) => listDeliveries(tx, { ...chosen, limit: options.limit }));
    return { filter: chosen, rows: found.map(listed) };
  });
  const all = Object.values(filter).every((value) => value === undefined);
  printRows(rows, columnsFor(rows), {
    json: options.json,
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
