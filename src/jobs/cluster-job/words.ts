/** What a job is told, as it is kept and as its courier reads it. */
import { z } from 'zod';
import type { JobWord } from '../../effects/kubernetes/job/records.js';

const word = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('interrupt') }),
  z.object({ kind: z.literal('end') }),
  z.object({ kind: z.literal('finish') }),
  z.object({ kind: z.literal('pause') }),
  z.object({ kind: z.literal('go') }),
  z.object({ kind: z.literal('note'), id: z.string(), text: z.string() }),
  z.object({ kind: z.literal('say'), id: z.string(), text: z.string() }),
]) satisfies z.ZodType<JobWord>;

export const jobWords = z.array(word);

/** A line for each word after the `after`th: its number, what it is, and text in base64, for a shell to read. */
export function wordLines(words: readonly JobWord[], after: number): string {
  return words
    .map((one, index) => {
      const text = 'text' in one ? ` ${Buffer.from(one.text).toString('base64')}` : '';
      return index < after ? '' : `${index + 1} ${one.kind}${text}\n`;
    })
    .join('');
}
