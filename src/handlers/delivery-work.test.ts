import { describe, expect, it } from '@jest/globals';
import type { PoolClient } from 'pg';
import { pino } from 'pino';
import type { JobQueue } from '../jobs/queue/queue.js';
import { type DeliveryScope, runInDelivery } from '../lib/delivery-scope.js';
import type { Store } from '../store/database.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';

/** A store whose transactions only write down when they begin and commit. */
function rig() {
  const happened: string[] = [];
  const store: Pick<Store, 'tenant'> = {
    tenant: async (organizationId, run) => {
      happened.push(`begin ${organizationId}`);
      const result = await run({} as PoolClient);
      happened.push('commit');
      return result;
    },
  };
  const queue = (name: string): JobQueue => ({
    name,
    poke: async (key, options) => void happened.push(`poke ${name} ${key.id} ${options?.version}`),
  });
  const o: HandlerOptions = {
    store: store as Store,
    pokes: {
      preview: queue('preview'),
      sync: queue('sync'),
      report: queue('report'),
      run: queue('run'),
      watch: queue('watch'),
      agent: queue('agent'),
    },
    log: pino({ level: 'silent' }),
  };
  return { o, happened };
}

const scope = (signal = new AbortController().signal): DeliveryScope => ({
  organizationId: 'the-organization',
  forge: 'some-forge',
  host: 'forge.example',
  hookId: 'hook',
  deliveryId: 1n,
  deliveryKey: 'key',
  eventName: 'push',
  eventIndex: 0,
  app: 'mirror',
  receivedAt: new Date(0),
  instanceUrl: 'https://forge.example/some-forge',
  loopDepth: 0,
  signal,
});

describe('inDelivery', () => {
  it('pokes after the commit, and knows tenant and forge from the delivery', async () => {
    const { o, happened } = rig();
    await runInDelivery(scope(), () =>
      inDelivery(o, async (work) => {
        work.poke('sync', { id: 'one', version: 7n });
        work.poke('preview', null);
        work.poke('preview', undefined);
        happened.push(`in ${work.origin.organizationId} ${work.origin.instanceUrl}`);
      }),
    );
    expect(happened).toEqual([
      'begin the-organization',
      'in the-organization https://forge.example/some-forge',
      'commit',
      'poke sync one 7',
    ]);
  });

  it('pokes nobody when the work fails', async () => {
    const { o, happened } = rig();
    const failing = inDelivery.bind(undefined, o, async (work) => {
      work.poke('sync', { id: 'one' });
      throw new Error('broken');
    });
    await expect(runInDelivery(scope(), failing)).rejects.toThrow('broken');
    expect(happened).toEqual(['begin the-organization']);
  });

  it('in a rehearsal commits nothing, pokes nobody, and has not failed', async () => {
    const { o, happened } = rig();
    await runInDelivery({ ...scope(), writes: 'rehearsal' }, () =>
      inDelivery(o, async (work) => {
        work.poke('sync', { id: 'one' });
        happened.push('worked');
      }),
    );
    expect(happened).toEqual(['begin the-organization', 'worked']);
    const failing = inDelivery.bind(undefined, o, () => Promise.reject(new Error('broken')));
    await expect(runInDelivery({ ...scope(), writes: 'rehearsal' }, failing)).rejects.toThrow('broken');
  });

  it('does nothing outside a delivery, or for one that was given up', async () => {
    const { o, happened } = rig();
    await expect(inDelivery(o, async () => undefined)).rejects.toThrow('outside a delivery');
    const given = scope(AbortSignal.abort(new Error('held its lane too long')));
    await expect(runInDelivery(given, () => inDelivery(o, async () => undefined))).rejects.toThrow('too long');
    expect(happened).toEqual([]);
  });
});
