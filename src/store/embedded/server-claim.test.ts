import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { claimDataDir, type ServerClaim } from './server-claim.js';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'forgeway-claim-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

async function race(contenders: number): Promise<{ winners: ServerClaim[]; losers: unknown[] }> {
  const results = await Promise.allSettled(Array.from({ length: contenders }, () => claimDataDir(dataDir)));
  return {
    winners: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    losers: results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : [])),
  };
}

async function plantClaim(number: number, content: string): Promise<void> {
  await mkdir(join(dataDir, `server.lock.${number}`));
  await writeFile(join(dataDir, `server.lock.${number}`, 'holder.json'), content);
}

async function endedProcess(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid ?? 0;
}

describe('claimDataDir', () => {
  it('lets one of twenty in and names it to the others', async () => {
    const { winners, losers } = await race(20);
    expect(winners).toHaveLength(1);
    expect(losers).toHaveLength(19);
    for (const loser of losers) {
      expect(loser).toMatchObject({
        code: 'FORGEWAY_DATABASE_IN_USE',
        message: expect.stringContaining(`process id ${process.pid}`),
      });
    }
  });

  it('is free again after its release', async () => {
    for (let round = 0; round < 3; round++) {
      const { winners } = await race(5);
      expect(winners).toHaveLength(1);
      await winners[0]?.release();
    }
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('is taken over once from a holder that is dead', async () => {
    await plantClaim(1, JSON.stringify({ pid: await endedProcess(), started: 'x' }));
    const { winners } = await race(20);
    expect(winners).toHaveLength(1);
  });

  it('is taken over from a holder whose pid now belongs to another process', async () => {
    await plantClaim(1, JSON.stringify({ pid: process.pid, started: 'an earlier boot:1' }));
    const { winners } = await race(3);
    expect(winners).toHaveLength(1);
  });

  it.each(['', '{', 'null', '[]', '{"pid":1}'])(
    'is taken over from a holder that a power loss left as %j',
    async (content) => {
      await plantClaim(1, content);
      const { winners } = await race(3);
      expect(winners).toHaveLength(1);
    },
  );

  it('keeps only the newest claims of many holders that died', async () => {
    const pid = await endedProcess();
    for (let number = 1; number <= 40; number++) await plantClaim(number, JSON.stringify({ pid, started: 'x' }));
    await claimDataDir(dataDir);
    const names = await readdir(dataDir);
    expect(names).toContain('server.lock.41');
    expect(names.length).toBeLessThan(20);
  });
});
