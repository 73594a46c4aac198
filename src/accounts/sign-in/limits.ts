/** How often somebody may try. Counted in this process: there is one server, and a restart forgives. */
import { isIPv6 } from 'node:net';
import type { Clock } from '../../lib/clock.js';

const WINDOW_MS = 60_000;
/** Beyond it the oldest are forgotten, so that many addresses cannot fill the memory. */
const MOST_KEYS = 50_000;

export interface Limit {
  /** Counts one try; false when it is one too many within a minute. */
  take(key: string): boolean;
}

/** At most `max` in any 60 seconds, for each key. */
export function createLimit(max: number, clock: Clock): Limit {
  const tries = new Map<string, number[]>();
  return {
    take(key) {
      const now = clock.now().getTime();
      const recent = (tries.get(key) ?? []).filter((at) => at > now - WINDOW_MS);
      const allowed = recent.length < max;
      if (allowed) recent.push(now);
      // Set anew, so that the map stays in the order of the last try.
      tries.delete(key);
      tries.set(key, recent);
      if (tries.size > MOST_KEYS) tries.delete(tries.keys().next().value as string);
      return allowed;
    },
  };
}

/** One key for whoever holds an address: of IPv6 the network, since a person has 2^64 addresses in it. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0');
  return [...front, ...zeros, ...back].slice(0, 4).join(':');
}
