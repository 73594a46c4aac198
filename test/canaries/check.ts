/** Compares what is to be found nowhere with everything that there is. */
import type { Canary } from './forms.js';
import { createSearch } from './search.js';
import { databaseRows, files, type Piece, redisKeys } from './sinks.js';
import type { World } from './world.js';

export interface Hit {
  canary: Canary;
  sink: string;
  what: string;
  around: string;
}

export interface Report {
  /** How many, by the place where they were planted. */
  planted: Record<string, number>;
  /** Bytes searched, by sink. */
  searched: Record<string, number>;
  hits: Hit[];
  /** Where a secret lawfully is, by sink and channel; reasons in {@link EXCEPTIONS}. */
  lawful: Record<string, number>;
}

export interface Exception {
  sink: string;
  /** Of the piece in it; default: any. */
  what?: RegExp;
  channel: RegExp;
  why: string;
}

/** The one list of what may be somewhere. */
export const EXCEPTIONS: readonly Exception[] = [
  {
    sink: 'inbox bodies',
    channel: /^(?:payload|written on .*)$/,
    why: 'what a forge has sent is kept as it came for RETENTION_DAYS: apps get it again when a handler is run again (decision 16 of the design)',
  },
  {
    sink: 'command line',
    what: /connections export/,
    channel: /^(?:payload|written on .*)$/,
    why: 'the export is what its owner asks for of the very bodies above',
  },
  {
    sink: 'answers of the API',
    what: /^GET \/(?:device|setup)$/,
    channel: /^(?:query string|setup code)$/,
    why: 'a browser is sent back what it came with: the page to return to after signing in, and the code of the setup link, which leaves the address and becomes its cookie',
  },
];

const allowed = (sink: string, what: string, { channel }: Canary): boolean =>
  EXCEPTIONS.some((one) => one.sink === sink && (one.what?.test(what) ?? true) && one.channel.test(channel));

async function* everything(world: World, stop: () => Promise<void>): AsyncGenerator<Piece> {
  for (const { sink, what, bytes, lawful } of world.heard)
    yield { sink, what, bytes, ...(lawful && { lawful: [lawful] }) };
  for (const { front, id } of world.connected) yield { sink: 'sent to forges', what: id, bytes: front.sent() };
  if (world.github) yield { sink: 'sent to forges', what: 'github', bytes: world.github.front.sent() };
  yield { sink: 'process arguments', what: `${world.arguments.count()} command lines`, bytes: world.arguments.seen() };
  if (world.redisUrl !== undefined) yield* redisKeys(world.redisUrl);
  yield* databaseRows(world);
  await stop();
  yield* files(world);
}

/** @param stop ends Forgeway and its database, so that files are whole */
export async function inspect(world: World, stop: () => Promise<void>): Promise<Report> {
  const search = createSearch(world.planted);
  const report: Report = { planted: {}, searched: {}, hits: [], lawful: {} };
  for (const { channel } of world.planted) {
    const place = channel.replace(/:.*/, '');
    report.planted[place] = (report.planted[place] ?? 0) + 1;
  }
  for await (const { sink, what, bytes, lawful } of everything(world, stop)) {
    report.searched[sink] = (report.searched[sink] ?? 0) + bytes.length;
    for (const { canary, around } of search.in(bytes)) {
      if (allowed(sink, what, canary) || lawful?.includes(canary.channel)) {
        const key = `${sink}: ${canary.channel}`;
        report.lawful[key] = (report.lawful[key] ?? 0) + 1;
      } else report.hits.push({ canary, sink, what, around });
    }
  }
  return report;
}
