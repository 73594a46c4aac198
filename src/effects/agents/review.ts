/** The remarks of an agent that was asked for a review: a file that it leaves beside its task. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { shown } from './protocol.js';

export const REVIEW_FILE = 'review.json';
const MOST_BYTES = 512 * 1024;
const MOST_REMARKS = 100;

const path = z
  .string()
  .min(1)
  .max(1_000)
  .refine((text) => !text.startsWith('/') && !text.split('/').includes('..') && !/\p{Cc}|\p{Cf}/u.test(text));
const remark = z.object({
  path,
  line: z.number().int().min(1).max(10_000_000),
  body: z
    .string()
    .min(1)
    .transform((text) => shown(text, 16 * 1024)),
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

export interface AgentReview {
  summary: string;
  /** At most a hundred; `path` is from the repository's root, `line` of the file as it is after the change. */
  comments: { path: string; line: number; body: string }[];
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
