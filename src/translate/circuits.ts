/**
 * One circuit per host, so that a forge that is down is not asked by every handler in turn, and nobody waits for it in
 * vain. What this process has seen of a host decides; nothing is shared between processes, and nothing is kept.
 */
import { ForgewayError } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';

/** One request that may be sent. Exactly one of these is told, once. */
export interface Passage {
  /** The host answered, whatever it said. */
  succeeded(): void;
  /**
   * There was no answer, or one that says that the host cannot serve. `waitMs`: how long it asks to be left alone.
   * Answers how long it is not asked now, in milliseconds; 0 when the circuit stays closed.
   */
  failed(waitMs?: number): number;
  /** It ended by the will of the caller, and nothing was learnt. */
  abandoned(): void;
}

export interface Circuits {
  /** @throws ForgewayError FORGEWAY_FORGE_DOWN, with `waitMs` in its details, while the host is not to be asked */
  enter(forge: string, host: string): Passage;
}

export interface CircuitOptions {
  log: Logger;
  metrics: Metrics;
  /** Milliseconds of a clock that never jumps. */
  now?: () => number;
}

interface Open {
  /** When one request may try. */
  until: number;
  /** How long it is left alone after a trial that fails. */
  nextMs: number;
  probing: boolean;
}

/** A host that failed and has answered nothing since. */
interface Circuit {
  forge: string;
  failures: number;
  firstAt: number;
  lastAt: number;
  /** Set while the host is not asked, or is asked by one request only. */
  open?: Open | undefined;
}

/** So many failures in a row, or failures alone for so long, and the host counts as down. */
const MOST_FAILURES = 5;
const FAILING_MS = 30_000;
/** Failures further apart have nothing to do with each other. */
const FORGET_MS = 300_000;
const FIRST_OPEN_MS = 30_000;
const LONGEST_OPEN_MS = 300_000;
/** A host may ask for more than our own longest time, and is given it up to here. */
const LONGEST_ASKED_MS = 3_600_000;
/** Those that come while one request tries are told to come back after this. */
const PROBE_MS = 5_000;

const isDown = ({ failures, firstAt, lastAt }: Circuit): boolean =>
  failures >= MOST_FAILURES || lastAt - firstAt >= FAILING_MS;

/**
 * A success forgets the failures before it: a host that answers some requests is up, and one request that it can never
 * answer must not stop the others.
 */
export function createCircuits(o: CircuitOptions): Circuits {
  const now = o.now ?? (() => performance.now());
  /** Only hosts that failed: one that answers is forgotten. */
  const circuits = new Map<string, Circuit>();

  const refused = (host: string, waitMs: number) =>
    new ForgewayError(
      'FORGEWAY_FORGE_DOWN',
      `${host} does not answer; it is asked again in ${Math.ceil(waitMs / 1_000)} s.`,
      { details: { waitMs: Math.ceil(waitMs) } },
    );

  const opened = (circuit: Circuit, host: string, lengthMs: number, askedMs: number): number => {
    const waitMs = Math.max(lengthMs, Math.min(askedMs, LONGEST_ASKED_MS));
    if (circuit.open === undefined) {
      o.metrics.openCircuits.inc({ forge: circuit.forge });
      o.log.warn({ forge: circuit.forge, host, waitMs }, 'a forge does not answer; it is not asked for a while');
    }
    circuit.open = { until: now() + waitMs, nextMs: Math.min(lengthMs * 2, LONGEST_OPEN_MS), probing: false };
    return waitMs;
  };

  return {
    enter(forge, host) {
      const trial = circuits.get(host)?.open;
      if (trial !== undefined) {
        const waitMs = trial.until - now();
        if (waitMs > 0) throw refused(host, waitMs);
        if (trial.probing) throw refused(host, PROBE_MS);
        trial.probing = true;
      }
      return {
        succeeded() {
          const circuit = circuits.get(host);
          circuits.delete(host);
          if (circuit?.open === undefined) return;
          o.metrics.openCircuits.dec({ forge: circuit.forge });
          o.log.info({ forge: circuit.forge, host }, 'a forge answers again');
        },
        failed(askedMs = 0) {
          const at = now();
          const known = circuits.get(host);
          if (known?.open !== undefined) {
            // One that was sent before the circuit opened says nothing new.
            if (known.open !== trial) return Math.max(0, known.open.until - at);
            return opened(known, host, known.open.nextMs, askedMs);
          }
          const fresh = known === undefined || at - known.lastAt > FORGET_MS;
          const circuit = fresh
            ? { forge, failures: 1, firstAt: at, lastAt: at }
            : Object.assign(known, { failures: known.failures + 1, lastAt: at });
          circuits.set(host, circuit);
          return isDown(circuit) ? opened(circuit, host, FIRST_OPEN_MS, askedMs) : 0;
        },
        abandoned() {
          if (trial !== undefined) trial.probing = false;
        },
      };
    },
  };
}
