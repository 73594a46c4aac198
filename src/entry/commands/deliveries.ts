import { type Command, InvalidArgumentError, Option } from 'commander';
import { forges } from '../../forges/registry.js';
import { type DeliverySummary, findDelivery, listDeliveries, type Queryable, showDelivery } from '../../inbox/list.js';
import { replayDelivery } from '../../inbox/replay.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

/** The number in our list, or the id that the forge shows (X-GitHub-Delivery and the like). */
const deliveryName = (text: string): string => {
  if (!/^[\x21-\x7e]{1,200}$/.test(text))
    throw new InvalidArgumentError('Use a number of `deliveries list`, or the forge’s id.');
  return text;
};

async function deliveryIdOf(client: Queryable, name: string): Promise<bigint> {
  const id = await findDelivery(client, name);
  if (id === undefined) throw new InvalidArgumentError(`There is no delivery ${name}.`);
  return id;
}

const statuses = ['received', 'assigned', 'done', 'ignored', 'dead'];

/** One delivery as it is listed. */
const listed = ({
  id,
  receivedAt,
  eventType,
  action,
  status,
  reason,
  error,
  forge,
  host,
  deliveryKey,
}: DeliverySummary) => ({
  id,
  receivedAt,
  event: eventType,
  action,
  status,
  reason: reason ?? error,
  forge,
  host,
  deliveryKey,
});

const limit = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_000)
    throw new InvalidArgumentError('Use a number from 1 to 1000.');
  return value;
};

const refusals = {
  unknown: 'There is no such delivery.',
  unfinished: 'It has not ended yet; nothing needs to be repeated.',
  empty: 'Its body is no longer stored, or no such app ever ran on it.',
};

export function addDeliveriesCommand(program: Command): void {
  const deliveries = program
    .command('deliveries')
    .description('webhook deliveries: what arrived and what became of it');

  const list = (name: string, description: string, fixedStatus?: string) => {
    const command = deliveries
      .command(name)
      .description(description)
      .addOption(new Option('--forge <forge>', 'only from this kind of forge').choices([...forges.keys()]))
      .option('--event <name>', 'only this event, such as pull_request')
      .option('--limit <n>', 'how many, newest first', limit, 50)
      .option('--json', 'as JSON')
      .action(async (options: { status?: string; forge?: string; event?: string; limit: number; json?: boolean }) => {
        const status = fixedStatus ?? options.status;
        const { event, forge } = options;
        const rows = await withDatabase(({ store }) =>
          listDeliveries(store.pool, { status, forge, event, limit: options.limit }),
        );
        const all = status === undefined && event === undefined && forge === undefined;
        printRows(
          rows.map(listed),
          ['id', 'receivedAt', 'forge', 'event', 'action', 'status', 'reason', 'deliveryKey'],
          {
            json: options.json,
            empty: all ? 'No deliveries yet. Point a webhook at this server.' : 'No delivery matches.',
          },
        );
      });
    if (fixedStatus === undefined)
      command.addOption(new Option('--status <status>', 'only those with this status').choices(statuses));
  };

  list('list', 'deliveries, newest first');
  list('dead', 'deliveries that were given up, with the reason', 'dead');

  deliveries
    .command('show')
    .description('one delivery with every handler run; the payload is not shown')
    .argument('<id>', 'its number, or the id that the forge shows', deliveryName)
    .action(async (name: string) => {
      const shown = await withDatabase(async ({ store }) =>
        showDelivery(store.pool, await deliveryIdOf(store.pool, name)),
      );
      console.log(formatJson(shown));
    });

  deliveries
    .command('replay')
    .description('run the handlers of a delivery again')
    .argument('<id>', 'its number, or the id that the forge shows', deliveryName)
    .option('--app <name>', 'only this app')
    .action(async (name: string, options: { app?: string }) => {
      const replay = await withDatabase(async ({ store }) =>
        replayDelivery(store, await deliveryIdOf(store.pool, name), { app: options.app, actor: 'administrator' }),
      );
      if (replay.kind === 'refused') throw new InvalidArgumentError(refusals[replay.reason]);
      console.log(`${replay.dispatches.length} handler run(s) queued again.`);
    });
}
