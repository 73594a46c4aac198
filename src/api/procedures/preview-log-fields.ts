/** How the log of a preview is asked for, and where it goes on. */
import { z } from 'zod';
import { type LogCursor, logStages } from '../../jobs/preview/logs.js';
import { InvalidRequest } from '../problem.js';
import { id, scope } from './fields.js';

const cursorSchema = z.object({
  place: z.string().max(200),
  stage: z.enum(logStages),
  run: z.string().max(200),
  at: z.object({ inode: z.string().max(30), offset: z.number().int().min(0) }).nullable(),
});

export const written = (cursor: LogCursor | null): string | null =>
  cursor && Buffer.from(JSON.stringify(cursor)).toString('base64url');

/** @throws InvalidRequest for a cursor that we did not give */
export function readCursor(text: string | undefined): LogCursor | undefined {
  if (text === undefined) return undefined;
  try {
    return cursorSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
  } catch {
    throw new InvalidRequest([{ path: ['cursor'], message: 'is no cursor of this log' }]);
  }
}

export const logWish = z.strictObject({
  ...scope,
  id,
  stage: z.enum(logStages).optional().describe('Without it: the build while it builds, else the run.'),
  cursor: z.string().max(900).optional().describe('`nextCursor` of the answer before.'),
  service: z
    .string()
    .max(63)
    .regex(/^[a-z0-9-]+$/)
    .optional()
    .describe('Of several services the one; without it, that of the preview’s own address, or all builds.'),
  since: z.iso
    .datetime({ offset: true })
    .optional()
    .describe(
      'Only what was printed from then on; where it is on the server’s machine, lines of the two seconds before may come along.',
    ),
});
