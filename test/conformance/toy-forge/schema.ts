/** What the toy says, as far as it is read: of its webhooks and of the answers of its API alike. */
import { z } from 'zod';

/** `pe-3`: the letters say what it is of. */
const key = z.string().regex(/^[a-z]{2}-\d{1,15}$/);
const time = z.string();

export const nativePerson = z.object({ key, handle: z.string().min(1), robot: z.boolean().catch(false) });
export const nativeSticker = z.object({ key, word: z.string().min(1), paint: z.string().catch('#888888') });
export const nativeShelf = z.object({
  key,
  path: z.string().regex(/^[^/]+\/[^/]+$/),
  secret: z.boolean().catch(false),
  trunk: z.string().catch('main'),
  about: z.string().nullable().catch(null),
  subjects: z.array(z.string()).catch([]),
});
const nativeEnd = z.object({ line: z.string(), tip: z.string() });
export const nativeMatter = z.object({
  key,
  no: z.number().int().positive(),
  sort: z.enum(['ticket', 'proposal']),
  heading: z.string(),
  text: z.string().nullable().catch(null),
  stage: z.enum(['open', 'shut', 'merged']),
  by: nativePerson.nullable().catch(null),
  stickers: z.array(nativeSticker).catch([]),
  helpers: z.array(nativePerson).catch([]),
  made: time,
  touched: time,
  from: nativeEnd.optional().catch(undefined),
  into: nativeEnd.optional().catch(undefined),
  landed: z.string().optional().catch(undefined),
});
export const nativeRemark = z.object({
  key,
  no: z.number().int().positive(),
  text: z.string(),
  by: nativePerson.nullable().catch(null),
  made: time,
  touched: time,
});
export const nativeCommit = z.object({
  sha: z.string(),
  says: z.string(),
  by: z.object({ name: z.string(), mail: z.string() }),
  at: time,
  before: z.array(z.string()).catch([]),
  paths: z.object({ added: z.array(z.string()), changed: z.array(z.string()), gone: z.array(z.string()) }),
});
export const nativeMark = z.object({
  key,
  tip: z.string(),
  label: z.string(),
  light: z.enum(['amber', 'green', 'red']),
  say: z.string().nullable().catch(null),
  by: nativePerson.nullable().catch(null),
  made: time,
});
export const nativeLine = nativeEnd;
export const nativeFile = z.object({ path: z.string(), blob: z.string(), content: z.string() });
export const nativeChanges = z.object({
  commits: z.array(nativeCommit),
  files: z.array(z.object({ path: z.string(), how: z.enum(['added', 'changed', 'gone']) })),
});

export type NativePerson = z.infer<typeof nativePerson>;
export type NativeSticker = z.infer<typeof nativeSticker>;
export type NativeShelf = z.infer<typeof nativeShelf>;
export type NativeMatter = z.infer<typeof nativeMatter>;
export type NativeRemark = z.infer<typeof nativeRemark>;
export type NativeCommit = z.infer<typeof nativeCommit>;
export type NativeMark = z.infer<typeof nativeMark>;
