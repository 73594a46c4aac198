/** What a runner writes down of a session, so that another process goes on where a killed one left off. */
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import { agentDefinition } from './definition.js';

const input = z.object({
  id: z.string(),
  turn: z.number(),
  /** Where in what the agent reads it stands, for one that listens. */
  at: z.number(),
  text: z.string(),
  kind: z.enum(['reply', 'preview']).default('reply'),
});

const record = z.object({
  sessionId: z.string(),
  fence: z.number(),
  /** `preparing`: the place is being made. `starting`: turn `turn` is to begin, or has. `begun`: it has. */
  phase: z.enum(['preparing', 'starting', 'begun']),
  turn: z.number(),
  agent: agentDefinition,
  branch: z.string(),
  base: z.object({ repositoryId: z.string(), sha: z.string(), start: z.string() }),
  inputs: z.array(input),
});
export type SessionRecord = z.output<typeof record>;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function checked(sessionId: string): string {
  if (UUID.test(sessionId)) return sessionId;
  throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', 'A session has an invalid id.');
}

async function unlessMissing<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaced whole, and on the disk before it counts. Where there is no room for it, nothing is left of it. */
async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.new`;
  try {
    const file = await open(next, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}

/** @param directory private to us and the other processes of this installation */
export async function openSessionRecords(directory: string) {
  const [records, fences] = [join(directory, 'sessions'), join(directory, 'fences')];
  for (const folder of [records, fences]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const pathOf = (sessionId: string) => join(records, `${checked(sessionId)}.json`);
  const fencePath = (sessionId: string) => join(fences, checked(sessionId));
  return {
    /** For a lock, and for files that belong to the session. */
    pathOf: (sessionId: string, ending: string) => join(records, `${checked(sessionId)}.${ending}`),

    async read(sessionId: string): Promise<SessionRecord | undefined> {
      const text = await unlessMissing(readFile(pathOf(sessionId), 'utf8'));
      return text === undefined ? undefined : record.parse(JSON.parse(text));
    },

    write: (value: SessionRecord): Promise<void> => replaceFile(pathOf(value.sessionId), `${JSON.stringify(value)}\n`),

    async remove(sessionId: string): Promise<void> {
      for (const ending of ['json', 'json.new', 'egress', 'egress.pid', 'egress.pid.new'])
        await rm(join(records, `${checked(sessionId)}.${ending}`), { force: true });
    },

    /** The highest fence that was seen; it stays when the session is removed, so that nobody late begins it again. */
    async fence(sessionId: string): Promise<number> {
      return Number((await unlessMissing(readFile(fencePath(sessionId), 'utf8'))) ?? 0);
    },

    raiseFence: (sessionId: string, fence: number): Promise<void> => replaceFile(fencePath(sessionId), String(fence)),

    async list(): Promise<SessionRecord[]> {
      const names = (await readdir(records)).filter((name) => name.endsWith('.json'));
      const texts = await Promise.all(names.map((name) => unlessMissing(readFile(join(records, name), 'utf8'))));
      return texts.flatMap((text) => (text === undefined ? [] : [record.parse(JSON.parse(text))]));
    },
  };
}

/** Puts bytes at a place in a file, once: where they are already, nothing changes. */
export async function putAt(path: string, at: number, text: string): Promise<void> {
  const handle = await unlessMissing(open(path, 'r+'));
  if (handle === undefined) return writeFile(path, text, { mode: 0o600 });
  try {
    const bytes = Buffer.from(text);
    const { size } = await handle.stat();
    if (size >= at + bytes.length) return;
    await handle.write(bytes, 0, bytes.length, at);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
