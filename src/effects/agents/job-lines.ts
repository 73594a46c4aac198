/** Reads on in what an agent on a cluster printed, by the byte, so that each line is seen once. */
import { z } from 'zod';
import type { ClusterJobs } from '../kubernetes/job/cluster-jobs.js';
import type { JobRecord } from '../kubernetes/job/records.js';
import type { AgentFormatDescription } from './formats/format.js';
import { MOST_LINE_BYTES, rawEvent } from './protocol.js';
import type { AgentPage } from './runner.js';
import { joins } from './spool.js';

/** Where in a pod's log an offset is, for the last few that were told. */
export const knownPlaces = z.array(z.object({ cursor: z.number(), time: z.string(), nth: z.number() })).default([]);
export type KnownPlaces = z.output<typeof knownPlaces>;

const KEPT = 6;
const LOST =
  'Lines may be missing here: the agent printed more than its node keeps of a log, faster than it was read or while nobody read it.';
const MOST_LINES = 500;
const MB = 1024 * 1024;

export interface JobLinesOptions {
  jobs: ClusterJobs;
  record: JobRecord;
  pod: string;
  format: Pick<AgentFormatDescription, 'parse'>;
  /** What had been printed before this turn. */
  from: number;
  places: KnownPlaces;
  cursor: number;
  isWhole: boolean;
  limit?: number | undefined;
  /** What is shown of a session at most. */
  mostBytes: number;
}

/** The page, and the places that are to be kept for the next. */
export async function readJobLines(o: JobLinesOptions): Promise<{ page: AgentPage; places: KnownPlaces; at: string }> {
  const { jobs, record, pod, format, from, cursor, isWhole, mostBytes } = o;
  const mostLines = Math.max(1, o.limit ?? MOST_LINES);
  const read = (place: KnownPlaces[number] | undefined, most: number) =>
    jobs.log(record, pod, { place, isWhole, mostLines: most });

  /** Of an offset that nobody has kept: everything before it is read once more. */
  async function placeOf(wanted: number): Promise<KnownPlaces[number] | undefined> {
    const known = o.places.find((one) => one.cursor === wanted);
    if (known !== undefined || wanted <= from) return known;
    let at = o.places.filter((one) => one.cursor < wanted).at(-1);
    for (;;) {
      const { lines, place } = await read(at, MOST_LINES);
      if (place === undefined || lines.length === 0) return at;
      let end = at?.cursor ?? from;
      for (const [index, line] of lines.entries()) {
        end += Buffer.byteLength(line) + 1;
        if (end < wanted) continue;
        const few = await read(at, index + 1);
        return few.place === undefined ? at : { ...few.place, cursor: end };
      }
      at = { ...place, cursor: end };
    }
  }

  const start = await placeOf(cursor);
  const { lines, place, more, gap } = await read(start, mostLines);
  const events: AgentPage['events'] = [];
  let next = cursor;
  // It comes with the lines after it, and so is written down once, as they are.
  if (gap && lines.length > 0) events.push({ at: next, ordinal: 0, event: rawEvent(LOST, 'long') });
  for (const line of lines) {
    const bytes = Buffer.byteLength(line) + 1;
    if (next + bytes > mostBytes) {
      const text = `The agent printed more than ${Math.round(mostBytes / MB)} MB; the rest is not shown.`;
      if (next <= mostBytes) events.push({ at: next, ordinal: 0, event: rawEvent(text, 'long') });
      next = Math.max(next + bytes, mostBytes + 1);
      continue;
    }
    const cut = line.slice(0, MOST_LINE_BYTES);
    const said = line.trim() === '' ? [] : bytes > MOST_LINE_BYTES ? [rawEvent(cut, 'long')] : format.parse(line);
    if (!joins(events.at(-1)?.event, said))
      events.push(...said.map((event, ordinal) => ({ at: next, ordinal, event })));
    next += bytes;
  }
  const fresh = place === undefined || lines.length === 0 ? [] : [{ ...place, cursor: next }];
  const places = [...o.places.filter((one) => one.cursor !== next), ...fresh].slice(-KEPT);
  return { page: { events, next, more }, places, at: place?.time ?? '' };
}
