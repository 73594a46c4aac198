/** The remarks of an agent that was asked for a review: a file that it leaves beside its task. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { withoutSuggestions } from '../../lib/code-blocks.js';
import { shown } from './protocol.js';

export const REVIEW_FILE = 'review.json';
const MOST_BYTES = 512 * 1024;
const MOST_REMARKS = 100;
const MOST_REMARK = 16 * 1024;

const MOST_PATH = 1_000;
/** Of what was meant for a place and is none. */
const MOST_PLACE = 300;
const MOST_LINE = 10_000_000;
const UNSEEN = /\p{Cc}|\p{Cf}/u;
const BEGINNING = /^(?:\.?\/)+/;

/** What is cut, or has something taken out, must not be applied by a click. */
function remarkText(text: string): string {
  const said = shown(text, MOST_REMARK);
  return said === text.replaceAll('\r\n', '\n') ? said : withoutSuggestions(said);
}

/** A number of a line, or the digits of one. */
const lineNumber = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d{1,8}$/)
      .transform(Number),
  ])
  .pipe(z.number().int().min(1).max(MOST_LINE));

/** Of an object nothing is said: it may be deeper than anything can be written that follows it. */
const inWords = (value: unknown): string =>
  shown(typeof value === 'object' ? '?' : String(value), MOST_PLACE).replaceAll('\n', ' ');

/** From the repository's root, as far as it can be said from there: programs often call a file by where they see it. */
function pathFrom(repository: string, written: string): string {
  const inside = written.startsWith(`${repository}/`) ? written.slice(repository.length) : written;
  return inside === written && written.startsWith('/') ? written : inside.replace(BEGINNING, '');
}

const isPath = (text: string): boolean =>
  text !== '' &&
  text.length <= MOST_PATH &&
  !text.startsWith('/') &&
  !text.split('/').includes('..') &&
  !UNSEEN.test(text);

/** What one has to have; where it belongs is looked at afterwards, and is never a reason to leave it out. */
const remark = z.object({
  path: z.unknown().optional(),
  line: z.unknown().optional(),
  start_line: z.unknown().optional(),
  side: z.unknown().optional(),
  body: z
    .string()
    .refine((text) => text.trim() !== '')
    .transform(remarkText),
});

function placed(repository: string, found: z.output<typeof remark>): AgentRemark {
  const { side, body } = found;
  const path = typeof found.path === 'string' ? pathFrom(repository, found.path) : '';
  const said = [found.start_line, found.line].filter((one) => one != null);
  const lines = said.flatMap((one) => lineNumber.safeParse(one).data ?? []);
  if (!isPath(path) || lines.length < said.length) {
    const saidLine = said.map(inWords).join('–');
    return { path: inWords(path) || 'no file', ...(saidLine !== '' && { saidLine }), body };
  }
  const [from, to] = [Math.min(...lines), Math.max(...lines)];
  return {
    ...{ path, body },
    ...(lines.length > 0 && { line: to }),
    ...(from < to && { startLine: from }),
    ...(typeof side === 'string' && side.toUpperCase() === 'LEFT' && { side: 'LEFT' as const }),
  };
}

const review = z.union([
  z.array(z.unknown()).transform((comments) => ({ summary: '', comments })),
  z
    .object({
      summary: z
        .string()
        .optional()
        .transform((text) => text && shown(text)),
      comments: z.array(z.unknown()).optional(),
    })
    .refine(({ summary, comments }) => summary !== undefined || comments !== undefined)
    .transform(({ summary = '', comments = [] }) => ({ summary, comments })),
]);

export interface AgentRemark {
  /** From the repository's root. It may be no path of it at all, and then it is what the agent has called the place. */
  path: string;
  /** Of the file as it is after the change, or, on the left side, before it; of several the last. Absent: the whole file. */
  line?: number;
  /** The first of several. */
  startLine?: number;
  side?: 'LEFT';
  /** What the agent has called a line, and is none. */
  saidLine?: string;
  body: string;
}

export interface AgentReview {
  summary: string;
  /** At most a hundred. */
  comments: AgentRemark[];
  /** How many more there were. */
  omitted: number;
  /** How many there were that say nothing. */
  unreadable: number;
}

/** What is asked for and is not what it should be has a reason, for people. */
export type FoundReview =
  | { kind: 'none' }
  | { kind: 'unreadable'; reason: string }
  | ({ kind: 'review' } & AgentReview);

/** The directory belongs to the agent: neither it nor the file may be a link to somewhere else. */
async function openInside(folder: string, name: string): Promise<FileHandle | undefined> {
  const directory = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    return await open(join('/proc/self/fd', String(directory.fd), name), flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    await directory.close();
  }
}

/**
 * Reads it when nothing of the agent runs any more. One remark that is not as it should be takes no other with it.
 * @param folder where the task was put
 * @param repository where the agent saw the repository
 */
export async function readReview(folder: string, repository: string): Promise<FoundReview> {
  let file: FileHandle | undefined;
  try {
    file = await openInside(folder, REVIEW_FILE);
    if (file === undefined) return { kind: 'none' };
    const facts = await file.stat();
    if (!facts.isFile()) return { kind: 'unreadable', reason: 'it is no file' };
    if (facts.size > MOST_BYTES) return { kind: 'unreadable', reason: 'it is too large' };
    const parsed = review.safeParse(JSON.parse(await file.readFile('utf8')));
    if (!parsed.success) return { kind: 'unreadable', reason: 'it is not a list of path, line and body' };
    const { summary, comments } = parsed.data;
    const read = comments.flatMap((one) => {
      const { success, data } = remark.safeParse(one);
      return success ? [placed(repository, data)] : [];
    });
    const unreadable = comments.length - read.length;
    if (unreadable > 0 && read.length === 0 && summary.trim() === '')
      return { kind: 'unreadable', reason: 'none of its remarks says anything' };
    const kept = read.slice(0, MOST_REMARKS);
    return { kind: 'review', summary, comments: kept, omitted: read.length - kept.length, unreadable };
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: 'unreadable', reason: 'it is no JSON' };
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP' || code === 'ENOTDIR' || code === 'ENOENT')
      return { kind: 'unreadable', reason: 'it is a link' };
    throw error;
  } finally {
    await file?.close();
  }
}
