/** A server whose door can be shut, and the watch over its hooks, whose cycles and waits the test decides. */
import { pino } from 'pino';
import { createHookRecovery } from '../../src/entry/hook-recovery.js';
import type { Recovery, RecoveryTiming } from '../../src/inbox/recovery/recovery.js';
import { openStore } from '../../src/store/database.js';
import type { ConnectionRig } from '../connections/connection-rig.js';
import { TEST_KEYS } from '../support/database.js';

export interface MissedRow {
  status: string;
  asks: number;
  reason: string | null;
  answer: string;
}

export interface RecoveryRig {
  /** One whole cycle of a process of its own, in which every hook's turn has come. */
  cycle(): Promise<void>;
  /** The same in as many processes at once. */
  cycles(processes: number): Promise<void>;
  /** As if an hour had passed: whatever waits is due. */
  later(): Promise<void>;
  missed(): Promise<MissedRow[]>;
  /** Deliveries by webhook, without tests of hooks. */
  arrived(event: string): Promise<number>;
  watch(): Promise<{ trouble: string | null; enable_attempts: number; enabled: boolean; seen: string | null }[]>;
  counted(result: string): Promise<number>;
  switched(change: string): Promise<number>;
  lines: string[];
}

export function watchOver(rig: ConnectionRig, timing: Partial<RecoveryTiming> = {}): RecoveryRig {
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const open = (store: ReturnType<typeof openStore>): Recovery => {
    const recovery = createHookRecovery({
      config: { hookWatchSeconds: 3_600, publicUrl: rig.publicUrl },
      store,
      keys: TEST_KEYS,
      bridge: rig.bridge,
      metrics: rig.metrics,
      log,
      timing: { arrivesWithinMs: 300, ...timing },
    });
    if (recovery === undefined) throw new Error('it is switched off');
    return recovery;
  };
  const sum = async (name: 'missedDeliveries' | 'hookSwitches', label: string, value: string) => {
    const { values } = await rig.metrics[name].get();
    return values.filter(({ labels }) => Reflect.get(labels, label) === value).reduce((all, one) => all + one.value, 0);
  };
  const cycles = async (processes: number) => {
    await rig.rows(`UPDATE hook_watch SET next_look_at = now() - interval '1 second'`);
    const stores = Array.from({ length: processes }, () => openStore(rig.test.database, 'worker', { max: 3 }));
    try {
      // Only one of them has the cycle; the others answer at once.
      await Promise.all(stores.map((store) => open(store).cycle()));
    } finally {
      await Promise.all(stores.map((store) => store.close()));
    }
  };
  return {
    lines,
    cycles,
    cycle: () => cycles(1),
    async later() {
      await rig.rows(`UPDATE missed_delivery SET next_ask_at = now(), asked_at = asked_at - interval '1 hour'`);
      await rig.rows(`UPDATE hook_watch SET next_enable_at = now() WHERE next_enable_at IS NOT NULL`);
    },
    missed: () => rig.rows('SELECT status, asks, reason, answer FROM missed_delivery ORDER BY position'),
    async arrived(event) {
      const found = await rig.rows(`SELECT FROM webhook_delivery WHERE source = 'webhook' AND event_type = $1`, [
        event,
      ]);
      return found.length;
    },
    watch: () =>
      rig.rows(
        `SELECT trouble, enable_attempts, enabled_at IS NOT NULL AS enabled, seen::text FROM hook_watch ORDER BY hook_id`,
      ),
    counted: (result) => sum('missedDeliveries', 'result', result),
    switched: (change) => sum('hookSwitches', 'change', change),
  };
}
