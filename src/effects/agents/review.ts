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

const path = z
  .string()
  .min(1)
  .max(1_000)
  .refine((text) => !text.startsWith('/') && !text.split('/').includes('..') && !/\p{Cc}|\p{Cf}/u.test(text));
/** What is cut, or has something taken out, must not be applied by a click. */
function remarkText(text: string): string {
  const said = shown(text, MOST_REMARK);
  return said === text.replaceAll('\r\n', '\n') ? said : withoutSuggestions(said);
}

const lineNumber = z.number().int().min(1).max(10_000_000);
const remark = z
  .object({
    path,
    line: lineNumber.nullish(),
    start_line: lineNumber.nullish(),
    side: z.enum(['LEFT', 'RIGHT']).nullish(),
    body: z.string().min(1).transform(remarkText),
  })
  .transform(({ path: file, line, start_line: start, side, body }): AgentRemark => {
    const lines = [start, line].filter((one) => one != null);
    const [from, to] = [Math.min(...lines), Math.max(...lines)];
    return {
      ...{ path: file, body },
      ...(lines.length > 0 && { line: to }),
      ...(from < to && { startLine: from }),
      ...(side === 'LEFT' && { side }),
    };
  });
const review = z.union([
  z.array(remark).transform((comments) => ({ summary: '', comments })),
  z.object({
    summary: z
      .string()
      .default('')
      .transform((text) => shown(text)),
    comments: z.array(remark).default([]),
  }),
]);

export interface AgentRemark {
  /** From the repository's root. */
  path: string;
  /** Of the file as it is after the change, or, on the left side, before it; of several the last. Absent: the whole file. */
  line?: number;
  /** The first of several. */
  startLine?: number;
  side?: 'LEFT';
  body: string;
}

export interface AgentReview {
  summary: string;
  /** At most a hundred. */
  comments: AgentRemark[];
  /** How many more there were. */
  omitted: number;
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

/** Reads it when nothing of the agent runs any more. @param folder where the task was put */
export async function readReview(folder: string): Promise<FoundReview> {
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
    const kept = comments.slice(0, MOST_REMARKS);
    return { kind: 'review', summary, comments: kept, omitted: comments.length - kept.length };
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
