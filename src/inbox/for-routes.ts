/** Our own inbox as the rows of a forge's route table see it: a connection may tell of its repositories and see its webhooks. */
import type { OpenConnection } from '../accounts/connections.js';
import type { InboxPort, OwnEvent, ReceivedDelivery } from '../forges/kit/inbox-port.js';
import type { Store } from '../store/database.js';
import { insertSynthesised } from './synthesised.js';

type Connection = Pick<OpenConnection, 'id' | 'organizationId' | 'host'> & {
  forge: Pick<OpenConnection['forge'], 'id'>;
};

interface DeliveryRow {
  id: string;
  delivery_key: string;
  event_type: string;
  action: string | null;
  remote_repository_id: string | null;
  received_at: Date;
}

const told = (row: DeliveryRow): ReceivedDelivery => ({
  id: BigInt(row.id),
  key: row.delivery_key,
  eventType: row.event_type,
  action: row.action,
  repositoryId: row.remote_repository_id === null ? null : BigInt(row.remote_repository_id),
  receivedAt: row.received_at,
});

export const inboxForRoutes =
  (store: Store) =>
  ({ id: connectionId, organizationId, forge, host }: Connection): InboxPort => ({
    tell: (events: readonly OwnEvent[]) =>
      store.tenant(organizationId, async (tx) => {
        const hook = { id: connectionId, forge: forge.id, host };
        const { rowCount } = await tx.query('SELECT FROM hook WHERE id = $1', [hook.id]);
        // A connection without its own hook covers no repository yet: nobody would hear of it.
        if (rowCount === 0) return;
        await insertSynthesised(
          tx,
          events.map((event) => ({ hook, ...event })),
        );
      }),

    deliveriesOf: (hookId, { page, perPage }) =>
      store.tenant(organizationId, async (tx) => {
        const { rows: hooks } = await tx.query<{ id: string }>(
          `SELECT id FROM hook WHERE organization_id = $1 AND connection_id = $2 AND remote_hook_id = $3`,
          [organizationId, connectionId, hookId],
        );
        const [hook] = hooks;
        if (hook === undefined) return undefined;
        const { rows } = await tx.query<DeliveryRow>(
          `SELECT id::text, delivery_key, event_type, action, remote_repository_id::text, received_at
           FROM webhook_delivery WHERE hook_id = $1 AND source = 'webhook' ORDER BY id DESC LIMIT $2 OFFSET $3`,
          [hook.id, perPage + 1, (page - 1) * perPage],
        );
        return { deliveries: rows.slice(0, perPage).map(told), next: rows.length > perPage };
      }),
  });
