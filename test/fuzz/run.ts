/** Runs many cases in this process, and says what became of them. */
import type { JsonObject } from '../../src/forges/forge.js';
import { bodyOf, type Case, drawCase, minimised, seedOf } from './case.js';
import { mutated } from './mutation.js';
import { type End, must, survives, UNSTORABLE } from './survive.js';

export interface Failure {
  /** Number of the case; absent for one that was kept. */
  at?: number;
  /** As small as it still fails. */
  case: Case;
  error: string;
}

export interface Report {
  seed: number;
  cases: number;
  /** `unreadable`: its body is no JSON object. */
  ends: Record<End | 'unreadable', number>;
  /** Heap in bytes after a collection: when a quarter, and when all of the cases were done. */
  heap: { before: number; after: number };
  /** Memory of the process in bytes at the same moments. */
  rss: { before: number; after: number };
  failures: Failure[];
}

/** More of them tell nothing more. */
const MOST_FAILURES = 10;

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
const lineOf = (error: unknown): string => textOf(error).split('\n', 1)[0] ?? '';

/** Reads, classifies and translates. @throws what went wrong */
async function survivesCase(one: Case): Promise<End | 'unreadable'> {
  const seed = seedOf(one);
  const { subject } = seed;
  const parsed = subject.descriptor.parse(one.contentType, bodyOf(one));
  if ('invalid' in parsed) {
    must(/\S/.test(parsed.invalid), 'it is unreadable without a reason');
    return 'unreadable';
  }
  const before = seed.previous && one.previous && keptState(seed.previous, one.previous);
  const end = await survives(subject, one.eventType, parsed.payload, {
    ...(before && { previous: before }),
    confidential: one.confidential ?? false,
    tokens: [one.mutations.length % 2 === 0],
    most: 3,
  });
  must(!('polluted' in {}), 'the prototype of every object was changed');
  return end;
}

/** Deeper ones are not read, and so never kept. */
const DEEPEST = 64;

/** As it comes from a column of type jsonb, which holds nothing else; undefined where the change would not fit there. */
function keptState(previous: JsonObject, mutations: NonNullable<Case['previous']>): JsonObject | undefined {
  if (mutations.some((mutation) => mutation.do === 'wrap' && mutation.levels >= DEEPEST)) return undefined;
  const text = mutated(previous, mutations).toString('utf8');
  if (UNSTORABLE.test(text)) return undefined;
  try {
    return JSON.parse(text) as JsonObject;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const failureOf = async (one: Case): Promise<unknown> =>
  survivesCase(one).then(
    () => undefined,
    (error: unknown) => error,
  );

async function examined(one: Case, error: unknown, at?: number): Promise<Failure> {
  const line = lineOf(error);
  const smallest = await minimised(one, async (candidate) => lineOf(await failureOf(candidate)) === line);
  return { ...(at !== undefined && { at }), case: smallest, error: textOf(error).split('\n').slice(0, 6).join('\n') };
}

/** Cases that failed once; always run. */
export async function runKept(cases: readonly Case[]): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const one of cases) {
    const error = await failureOf(one);
    if (error !== undefined) failures.push({ case: one, error: textOf(error) });
  }
  return failures;
}

/** @param collect Collects garbage and answers the bytes that are left. */
export async function runCases(seed: number, cases: number, collect: () => number): Promise<Report> {
  const report: Report = {
    seed,
    cases,
    ends: { unreadable: 0, ignored: 0, refused: 0, told: 0 },
    heap: { before: 0, after: 0 },
    rss: { before: 0, after: 0 },
    failures: [],
  };
  const known = new Set<string>();
  // By then everything that is made once has been made.
  const warm = Math.ceil(cases / 4);
  for (let at = 0; at < cases; at += 1) {
    if (at === warm) {
      report.heap.before = collect();
      report.rss.before = process.memoryUsage.rss();
    }
    const one = drawCase(seed, at);
    try {
      report.ends[await survivesCase(one)] += 1;
    } catch (error) {
      if (known.has(lineOf(error)) || report.failures.length >= MOST_FAILURES) continue;
      known.add(lineOf(error));
      report.failures.push(await examined(one, error, at));
    }
  }
  report.heap.after = collect();
  report.rss.after = process.memoryUsage.rss();
  return report;
}
