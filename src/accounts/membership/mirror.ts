/** Reads sources again and again, as they are due; when is written in them, so that any number of processes may do this. */
import { type BackgroundLoop, startBackgroundLoop } from '../../lib/background-loop.js';
import { messageOf } from '../../lib/errors.js';
import type { MembershipPorts } from './ports.js';
import { type Reconciled, reconcileMembership } from './reconcile.js';
import { dueSources, type Source } from './sources.js';

/** A webhook marks its source as due; this is how long it waits at most. */
const TICK_MS = 2_000;
/** Sources that are read at the same time. */
const WIDTH = 4;
/** How long a reading may take when everything is to stop; what is given up is read again. */
const GRACE_MS = 5_000;

/** Everything that is due now, once. */
export async function readDueSources(
  ports: MembershipPorts,
  signal?: AbortSignal,
): Promise<{ source: Source; result: Reconciled }[]> {
  const done: { source: Source; result: Reconciled }[] = [];
  const rest = (await dueSources(ports.store, ports.clock.now(), 100)).values();
  const worker = async () => {
    for (const source of rest) {
      if (signal?.aborted) return;
      done.push({ source, result: await reconcileMembership(ports, source) });
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  return done;
}

export type MembershipMirror = BackgroundLoop;

export function startMembershipMirror(ports: MembershipPorts, o: { tickMs?: number } = {}): MembershipMirror {
  return startBackgroundLoop({
    tickMs: o.tickMs ?? TICK_MS,
    graceMs: GRACE_MS,
    round: async (signal, givenUp) => void (await Promise.race([readDueSources(ports, signal), givenUp])),
    failed: (error) => ports.log.warn({ err: messageOf(error) }, 'members were not read; tried again'),
  });
}
