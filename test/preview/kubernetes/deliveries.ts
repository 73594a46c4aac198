/** Deliveries of pull requests, through the handlers of previews and into a rig. */
import { previewHandler } from '../../../src/handlers/preview.js';
import { type DeliveryScope, runInDelivery } from '../../../src/lib/delivery-scope.js';
import { FORGE, HOST } from '../../handlers/harness.js';
import type { Rig } from './rig.js';

/** What takes a delivery: called as Probot calls it, which has a test of its own. */
export function listenTo(rig: Rig, receivedAt: Date): (event: string, payload: unknown) => Promise<void> {
  const listeners = new Map<string, (context: { payload: unknown }) => Promise<void> | undefined>();
  const nowhere = { name: 'none', poke: async () => undefined };
  const pokes = { preview: rig.queue, sync: nowhere, report: nowhere, run: nowhere, watch: nowhere, agent: nowhere };
  previewHandler({ store: rig.store, pokes, log: rig.log })({
    on: (events: string | string[], listener: (context: { payload: unknown }) => Promise<void>) => {
      for (const event of [events].flat()) listeners.set(event, listener);
    },
  } as never);
  return async (event, payload) => {
    const scope: DeliveryScope = {
      ...{ organizationId: rig.organizationId, forge: FORGE, host: HOST, hookId: 'the-hook', deliveryId: 1n },
      ...{ deliveryKey: 'delivery', eventName: event, eventIndex: 0, app: 'preview', receivedAt },
      ...{ instanceUrl: 'https://forge.example', loopDepth: 0, signal: new AbortController().signal },
    };
    await runInDelivery(scope, async () => listeners.get(event)?.({ payload }));
  };
}
