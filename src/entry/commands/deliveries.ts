import { type Command, InvalidArgumentError } from 'commander';
import { type DeliveryFilter, type DeliverySummary, listDeliveries, showDelivery } from '../../inbox/list.js';
import { replayDelivery } from '../../inbox/replay.js';
import { withDatabase } from '../session.js';
import { formatJson, printRows } from '../table.js';

const deliveryId = (text: string): bigint => {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('A delivery id is a number.');
  return BigInt(text);
};

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

  const list = (name: string, description: string, fixed: Partial<DeliveryFilter>) =>
    deliveries
      .command(name)
      .description(description)
      .option('--status <status>', 'received, assigned, done, ignored or dead')
      .option('--event <name>', 'only this event, such as pull_request')
      .option('--limit <n>', 'how many, newest first', limit, 50)
      .option('--json', 'as JSON')
      .action(async (options: { status?: string; event?: string; limit: number; json?: boolean }) => {
        const rows = await withDatabase(({ store }) =>
          listDeliveries(store.pool, { status: options.status, event: options.event, limit: options.limit, ...fixed }),
        );
        printRows(rows.map(listed), ['id', 'receivedAt', 'event', 'action', 'status', 'reason'], {
          json: options.json,
          empty: 'No deliveries yet. Point a webhook at this server, or send a ping from the App’s settings.',
        });
      });

  list('list', 'deliveries, newest first', {});
  list('dead', 'deliveries that were given up, with the reason', { status: 'dead' });

  deliveries
    .command('show')
    .description('one delivery with every handler run; the payload is not shown')
    .argument('<id>', 'number of the delivery', deliveryId)
    .action(async (id: bigint) => {
      const shown = await withDatabase(({ store }) => showDelivery(store.pool, id));
      if (shown === undefined) throw new InvalidArgumentError(`There is no delivery ${id}.`);
      console.log(formatJson(shown));
    });

  deliveries
    .command('replay')
    .description('run the handlers of a delivery again')
    .argument('<id>', 'number of the delivery', deliveryId)
    .option('--app <name>', 'only this app')
    .action(async (id: bigint, options: { app?: string }) => {
      const replay = await withDatabase(({ store }) => replayDelivery(store.pool, id, options.app));
      if (replay.kind === 'refused') throw new InvalidArgumentError(refusals[replay.reason]);
      console.log(`${replay.dispatches} handler run(s) queued again.`);
    });
}
