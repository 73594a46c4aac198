/** Tells the processes of Forgeway to count their awaits, or at which of them to die. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { writeNumberedBuild } from './numbered-build.js';

export type Role = 'server' | 'worker';

/** `at` counts from 1; 0 only counts. */
export interface Point {
  at: number;
  /** Whether the process dies when the awaited thing was begun, or when its answer is there. */
  side: 'sent' | 'answered';
}

export interface AwaitPoints {
  /** For Forgeway: loads the numbered modules. */
  environment: Record<string, string>;
  /** Awaits in the text of the modules. */
  awaits: number;
  /** Counting begins in each of these processes. `recovery`: where the next worker dies that starts. */
  arm(pids: readonly number[], points: Partial<Record<Role, Point>>, recovery?: Point): Promise<void>;
  /** Counting ends. Answers the highest count of each role. */
  count(pids: readonly number[]): Promise<Record<Role, number>>;
}

const ANSWER_MS = 5_000;

export async function prepareAwaitPoints(folder: string): Promise<AwaitPoints> {
  const dist = join(process.cwd(), 'dist/src');
  await mkdir(folder, { recursive: true });
  const awaits = await writeNumberedBuild(dist, join(folder, 'numbered'));
  await writeFile(join(folder, 'dist'), dist);
  const recoveryFile = join(folder, 'recovery.json');
  let id = 0;

  async function give(pids: readonly number[], order: object): Promise<{ role: Role; count: number }[]> {
    id += 1;
    await writeFile(join(folder, 'order.json'), JSON.stringify({ id, ...order }));
    const answers = pids.map(async (pid) => {
      try {
        process.kill(pid, 'SIGUSR2');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        return [];
      }
      const file = join(folder, `${id}-${pid}.json`);
      for (const deadline = Date.now() + ANSWER_MS; Date.now() < deadline; await sleep(10)) {
        const text = await readFile(file, 'utf8').catch(() => '');
        if (text !== '') return [JSON.parse(text) as { role: Role; count: number }];
      }
      // It died, or was still starting, which the signal ends; both happen here all the time.
      return [];
    });
    return (await Promise.all(answers)).flat();
  }

  return {
    environment: {
      FORGEWAY_CRASH_AT: folder,
      NODE_OPTIONS: `--import ${pathToFileURL(join(process.cwd(), 'test/chaos/await-points/register.mjs')).href}`,
    },
    awaits,
    async arm(pids, points, recovery) {
      await rm(recoveryFile, { force: true });
      if (recovery && recovery.at > 0) await writeFile(recoveryFile, JSON.stringify(recovery));
      await give(pids, { kind: 'arm', points });
    },
    async count(pids) {
      await rm(recoveryFile, { force: true });
      const answers = await give(pids, { kind: 'count' });
      const highest = (role: Role) =>
        Math.max(0, ...answers.filter((one) => one.role === role).map((one) => one.count));
      return { server: highest('server'), worker: highest('worker') };
    },
  };
}
