/**
 * What containers of a preview print, page by page, from the cluster that runs them. A place in such a log is the time of a line,
 * which the cluster writes before each, and how many of that very time were told.
 */
import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { Cluster, Stored } from '../../../effects/kubernetes/cluster.js';
import { shownLines } from '../../../effects/process/log-page.js';
import { ForgewayError } from '../../../lib/errors.js';
import type { PlaceLogPage, PlaceLogRequest, ReadPlaceLog } from '../logs.js';
import type { PreviewClusters } from './clusters.js';
import { LABEL, placeKey } from './manifests/marks.js';

const MOST_BYTES = 1024 * 1024;
/** A private key that began before a page goes on in it; it was printed at about the same time. */
const LOOK_BACK_MS = 2_000;
const NANOS = 1_000_000n;

/** One start of one container. */
interface Segment {
  run: string;
  pod: string;
  container: string;
  ended: boolean;
}

interface Line {
  /** Nanoseconds since 1970. */
  at: bigint;
  text: string;
}

/** Undefined: it has not begun. */
function segmentOf(pod: string, status: V1ContainerStatus): Segment | undefined {
  const { name, restartCount, state, lastState } = status;
  if (state?.running === undefined && state?.terminated === undefined && lastState?.terminated === undefined)
    return undefined;
  // Between two starts the log is that of the one that ended.
  const isWaiting = state?.running === undefined && state?.terminated === undefined;
  const run = `${pod}/${name}/${isWaiting ? Math.max(0, restartCount - 1) : restartCount}`;
  return { run, pod, container: name, ended: state?.running === undefined };
}

/** In the order in which they run. */
function segmentsOf({ metadata, status }: Stored<V1Pod>, stage: PlaceLogRequest['stage']): Segment[] {
  const all = [
    ...(stage === 'build' ? (status?.initContainerStatuses ?? []) : []),
    ...(status?.containerStatuses ?? []),
  ];
  return all.flatMap((one) => segmentOf(metadata.name, one) ?? []);
}

const byAge = (a: Stored<V1Pod>, b: Stored<V1Pod>) =>
  String(a.metadata.creationTimestamp).localeCompare(String(b.metadata.creationTimestamp)) ||
  a.metadata.name.localeCompare(b.metadata.name);

const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)/;

/** Undefined when it is no time. */
function nanosOf(text: string): bigint | undefined {
  const [, seconds, fraction = '', zone = 'Z'] = STAMP.exec(text) ?? [];
  const ms = Date.parse(`${seconds}${zone}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * NANOS + BigInt(fraction.padEnd(9, '0'));
}

function parsed(text: string): Line[] {
  const lines: Line[] = [];
  for (const raw of text.replace(/\n$/, '').split('\n')) {
    const space = raw.indexOf(' ');
    const at = nanosOf(raw);
    // The last line may have been cut by the limit before its end; one without a time goes on from the one before.
    if (at !== undefined) lines.push({ at, text: space < 0 ? '' : raw.slice(space + 1) });
    else if (raw !== '') lines.push({ at: lines.at(-1)?.at ?? 0n, text: raw });
  }
  return lines;
}

interface Read {
  lines: Line[];
  /** There was more than is answered at a time. */
  isCut: boolean;
}

async function readSegment(
  cluster: Cluster,
  namespace: string,
  { pod, container }: Segment,
  o: { tailLines?: number; from?: bigint },
): Promise<Read> {
  const query = {
    ...{ namespace, pod, container, timestamps: true, mostBytes: MOST_BYTES },
    ...(o.tailLines !== undefined && { tailLines: o.tailLines }),
    // Whole seconds are all that it takes.
    ...(o.from !== undefined && {
      sinceTime: `${new Date(Number(o.from / NANOS)).toISOString().slice(0, 19)}Z`,
    }),
  };
  try {
    const text = await cluster.logs(query);
    const isCut = Buffer.byteLength(text) >= MOST_BYTES;
    const lines = parsed(text);
    return { lines: isCut ? lines.slice(0, -1) : lines, isCut };
  } catch (error) {
    // It has not begun, or went away since it was listed.
    if (error instanceof ForgewayError && (error.details.answered === 400 || error.details.answered === 404))
      return { lines: [], isCut: false };
    throw error;
  }
}

interface Position {
  at: bigint;
  /** Lines of that time that were told. */
  told: number;
}

const positionOf = ({ after }: PlaceLogRequest): Position | undefined =>
  after?.at == null || !/^\d{1,20}$/.test(after.at.inode)
    ? undefined
    : { at: BigInt(after.at.inode), told: after.at.offset };

function advanced(from: Position | undefined, lines: readonly Line[]): Position | undefined {
  const last = lines.at(-1);
  if (last === undefined) return from;
  const same = lines.filter(({ at }) => at === last.at).length;
  return { at: last.at, told: same + (from?.at === last.at ? from.told : 0) };
}

/** What comes after a position, and what came right before it. */
function after(lines: readonly Line[], from: Position): { before: Line[]; rest: Line[] } {
  let skip = from.told;
  const isTold = ({ at }: Line) => {
    if (at < from.at) return true;
    if (at > from.at || skip === 0) return false;
    skip -= 1;
    return true;
  };
  const first = lines.findIndex((line) => !isTold(line));
  const split = first < 0 ? lines.length : first;
  return { before: lines.slice(0, split), rest: lines.slice(split) };
}

/** @param clusters asked for at the first look */
export function createClusterLogs(clusters: () => PreviewClusters): ReadPlaceLog {
  async function segments(cluster: Cluster, request: PlaceLogRequest): Promise<Segment[]> {
    const { place, stage, service: asked, preview } = request;
    const entrance = place.config.services.find((one) => one.public) ?? place.config.services[0];
    const service = asked ?? (stage === 'run' ? entrance?.name : undefined);
    const labels = [
      `${LABEL.place}=${placeKey(place.id)}`,
      `${LABEL.part}=${stage === 'build' ? 'build' : 'service'}`,
      ...(service === undefined ? [] : [`${LABEL.service}=${service}`]),
    ];
    const query = { namespace: preview.name, labels: labels.join(',') };
    const pods = (await cluster.list<V1Pod>('Pod', query)).items.sort(byAge);
    // Of a service only its newest pod; of builds all that there were, one after the other.
    return (stage === 'build' ? pods : pods.slice(-1)).flatMap((pod) => segmentsOf(pod, stage));
  }

  /** The last lines, from as many segments as it takes. */
  async function tail(cluster: Cluster, all: readonly Segment[], request: PlaceLogRequest): Promise<PlaceLogPage> {
    const { preview, lines: wanted } = request;
    let shown: string[] = [];
    let next: Position | undefined;
    let run = '';
    for (const segment of [...all].reverse()) {
      const { lines } = await readSegment(cluster, preview.name, segment, { tailLines: wanted - shown.length });
      if (run === '') {
        run = segment.run;
        next = advanced(undefined, lines);
      }
      shown = [
        ...shownLines(
          lines.map(({ text }) => text),
          '',
        ),
        ...shown,
      ];
      if (shown.length >= wanted) break;
    }
    return { lines: shown.slice(-wanted), run, next: writtenPosition(next), more: false, gap: false };
  }

  async function forward(cluster: Cluster, all: readonly Segment[], request: PlaceLogRequest): Promise<PlaceLogPage> {
    const { preview, lines: wanted, since } = request;
    const known = all.findIndex(({ run }) => run === request.after?.run);
    const isLost = request.after !== undefined && request.after.run !== '' && known < 0;
    const start: Position | undefined = since && { at: BigInt(since.getTime()) * NANOS, told: 0 };
    let from = known < 0 ? start : positionOf(request);
    let gap = isLost;
    const shown: string[] = [];
    let run = request.after?.run ?? '';
    for (const [index, segment] of all.entries()) {
      if (index < known) continue;
      run = segment.run;
      const look = from && from.at - BigInt(LOOK_BACK_MS) * NANOS;
      let read = await readSegment(cluster, preview.name, segment, look === undefined ? {} : { from: look });
      let split = from === undefined ? { before: [], rest: read.lines } : after(read.lines, from);
      if (split.rest.length === 0 && read.isCut && from !== undefined) {
        // More was printed in those seconds than is answered at a time: what of it is not reached is left out, and that is said.
        const second = (from.at / (1000n * NANOS) + 1n) * 1000n * NANOS;
        from = { at: second, told: 0 };
        gap = true;
        read = await readSegment(cluster, preview.name, segment, { from: second });
        split = after(read.lines, from);
      }
      const page = split.rest.slice(0, wanted - shown.length);
      const before = split.before.map(({ text }) => text).join('\n');
      if (page.length > 0)
        shown.push(
          ...shownLines(
            page.map(({ text }) => text),
            before,
          ),
        );
      from = advanced(from, page);
      const isMore = page.length < split.rest.length || read.isCut;
      if (isMore || shown.length >= wanted)
        return { lines: shown, run, next: writtenPosition(from), more: isMore || index < all.length - 1, gap };
      if (!segment.ended || index === all.length - 1) break;
      from = undefined;
    }
    return { lines: shown, run, next: writtenPosition(from), more: false, gap };
  }

  return async (request) => {
    const { preview, after: cursor, since } = request;
    const { cluster } = await clusters().open(preview.cluster ?? '', preview.organizationId);
    const all = await segments(cluster, request);
    return cursor === undefined && since === undefined ? tail(cluster, all, request) : forward(cluster, all, request);
  };
}

const writtenPosition = (position: Position | undefined) =>
  position === undefined ? null : { inode: position.at.toString(), offset: position.told };
