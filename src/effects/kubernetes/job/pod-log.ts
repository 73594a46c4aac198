/** Reads on in a pod's log, so that each line is given once, whoever reads and whenever. */
import { ForgewayError } from '../../../lib/errors.js';
import type { Cluster } from '../cluster.js';
import { LOG_BEGINS } from './scripts.js';

/** The line that was read last: when it was printed, and which of those of that moment it is, from 1 on. */
export interface PodLogPlace {
  time: string;
  nth: number;
}

export interface PodLogPage {
  lines: string[];
  /** Of the last line; undefined while there is none. */
  place: PodLogPlace | undefined;
  more: boolean;
  /** The line that was read last, or the first of all, is not kept any more: some may be missing. */
  gap: boolean;
}

const FIRST_BYTES = 256 * 1024;
const MOST_BYTES = 16 * 1024 * 1024;
const STAMPED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(.*)$/s;

interface Line {
  time: string;
  text: string;
}

/**
 * Whole lines with their times. The last one is left out where it may be cut.
 * @param isCut the answer ends where the limit was, and not where the log does
 * @param isWhole nothing is added any more
 */
function linesOf(text: string, isCut: boolean, isWhole: boolean): Line[] {
  const parts = text.split('\n');
  const last = parts.pop() ?? '';
  if (last !== '' && isWhole && !isCut) parts.push(last);
  return parts.flatMap((part) => {
    const [, time, rest] = STAMPED.exec(part) ?? [];
    return time === undefined ? [] : [{ time, text: rest ?? '' }];
  });
}

/** Lines after the place, or after the beginning; undefined: it is not among them. */
function after(lines: readonly Line[], place: PodLogPlace | undefined): number | undefined {
  if (place === undefined) return lines[0]?.text === LOG_BEGINS ? 1 : undefined;
  let seen = 0;
  for (const [index, { time }] of lines.entries()) {
    if (time !== place.time) continue;
    seen += 1;
    if (seen === place.nth) return index + 1;
  }
  return undefined;
}

/** The log's API takes whole seconds, so what was read in the same second comes again. */
const secondOf = (time: string): string => time.replace(/\.\d+/, '');

/**
 * A page of what a container printed after a line.
 * @param isWhole the container has ended: a last line without an end is one too
 */
export async function readPodLog(
  cluster: Pick<Cluster, 'logs'>,
  of: { namespace: string; pod: string; container: string },
  o: { place: PodLogPlace | undefined; isWhole: boolean; mostLines: number; signal?: AbortSignal },
): Promise<PodLogPage> {
  const { place, isWhole, mostLines } = o;
  for (let bytes = FIRST_BYTES; ; bytes *= 4) {
    const text = await logText(cluster, of, place, bytes, o.signal);
    if (text === undefined) return { lines: [], place, more: false, gap: false };
    const isCut = Buffer.byteLength(text) >= bytes;
    const lines = linesOf(text, isCut, isWhole);
    const found = after(lines, place);
    const known = found ?? (place === undefined ? 0 : lines.length);
    // All of it belongs to the second that was read already: more of it is asked for.
    if (isCut && bytes < MOST_BYTES && known >= lines.length) continue;
    const gap = found === undefined && lines.length > 0;
    const fresh = gap ? lines.filter(({ time }) => time > (place?.time ?? '')) : lines.slice(found ?? lines.length);
    const page = fresh.slice(0, mostLines);
    const last = page.at(-1);
    const until = last === undefined ? 0 : lines.indexOf(last) + 1;
    const nth = last === undefined ? 0 : lines.slice(0, until).filter(({ time }) => time === last.time).length;
    return {
      lines: page.map((line) => line.text),
      place: last === undefined ? place : { time: last.time, nth },
      more: page.length < fresh.length || (isCut && last !== undefined),
      gap,
    };
  }
}

async function logText(
  cluster: Pick<Cluster, 'logs'>,
  of: { namespace: string; pod: string; container: string },
  place: PodLogPlace | undefined,
  mostBytes: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const sinceTime = place === undefined ? {} : { sinceTime: secondOf(place.time) };
    return await cluster.logs({ ...of, ...sinceTime, timestamps: true, mostBytes, ...(signal && { signal }) });
  } catch (error) {
    // A pod that is gone, or that never ran, has none.
    if (error instanceof ForgewayError && (error.details.answered === 404 || error.details.answered === 400))
      return undefined;
    throw error;
  }
}
