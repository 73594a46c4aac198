/** Looks for thousands of secrets at once in hundreds of megabytes. */
import { type Canary, needlesOf } from './forms.js';

export interface Search {
  /** Those of which some form stands in it. */
  in(bytes: Buffer): Found[];
}

export interface Found {
  canary: Canary;
  /** What stands around it, with the secret itself cut out, for whoever has to find out why. */
  around: string;
}

interface Needle {
  bytes: Buffer;
  canary: Canary;
}

const BITS = 22;
const AROUND = 80;
const hash = (key: number): number => Math.imul(key, 0x9e3779b1) >>> (32 - BITS);

export function createSearch(canaries: readonly Canary[]): Search {
  const known = new Uint8Array(1 << BITS);
  const byStart = new Map<number, Needle[]>();
  for (const canary of canaries)
    for (const text of needlesOf(canary)) {
      const bytes = Buffer.from(text);
      if (bytes.length < 8) throw new RangeError(`${canary.channel} has a secret that is too short to be looked for`);
      const key = bytes.readUInt32LE(0);
      known[hash(key)] = 1;
      const same = byStart.get(key);
      if (same === undefined) byStart.set(key, [{ bytes, canary }]);
      else same.push({ bytes, canary });
    }

  return {
    in(bytes) {
      const found = new Map<Canary, string>();
      let key = 0;
      for (let at = 0; at < bytes.length; at += 1) {
        // The last four bytes, the newest on top, as a little-endian read has them.
        key = (key >>> 8) | ((bytes[at] as number) << 24);
        if (at < 3 || known[hash(key)] === 0) continue;
        const start = at - 3;
        for (const { bytes: needle, canary } of byStart.get(key >>> 0) ?? []) {
          if (found.has(canary) || !bytes.subarray(start, start + needle.length).equals(needle)) continue;
          const before = bytes.toString('latin1', Math.max(0, start - AROUND), start);
          const after = bytes.toString('latin1', start + needle.length, start + needle.length + AROUND);
          found.set(
            canary,
            `${before}<<${canary.channel}/${canary.shape}/${canary.encoding}>>${after}`.replace(/[^\x20-\x7e]+/g, '.'),
          );
        }
      }
      return [...found].map(([canary, around]) => ({ canary, around }));
    },
  };
}
