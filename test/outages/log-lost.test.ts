/** The log cannot be written: its disk is full, or nobody reads it any more. */
import { execFileSync, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdtemp, readFile, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { itAsRoot } from '../support/small-disk.js';

/** Logs as a worker does, as much as it is told, until it is told to end. */
const PROGRAM = `
  import { createLogger } from ${JSON.stringify(join(process.cwd(), 'src/lib/logger.ts'))};
  import { guardOutput, hideLastWords } from ${JSON.stringify(join(process.cwd(), 'src/lib/guarded-output.ts'))};
  hideLastWords();
  guardOutput();
  const log = createLogger({ level: 'info', format: 'json' });
  process.on('message', (told) => {
    if (told === 'end') return process.disconnect();
    if (told === 'much') {
      for (let line = 0; line < 500; line += 1) log.info({ line, padding: 'x'.repeat(500) }, 'before');
      console.error('an app prints');
    } else log.info('after');
    process.send('done');
  });
  process.send('ready');
`;

function start(stderr: number | 'pipe') {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', PROGRAM];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', stderr, 'ipc'] });
  const heard = () => new Promise((resolve) => child.once('message', resolve));
  const ready = heard();
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    child,
    async log(what: 'much' | 'little') {
      await ready;
      const done = heard();
      child.send(what);
      expect(await Promise.race([done, ended])).toBe('done');
    },
    async end() {
      child.send('end');
      expect(await ended).toBe(0);
    },
  };
}

it.each(['/dev/full'])('a process goes on whose log is %s', async (path) => {
  const program = start(openSync(path, 'w'));
  await program.log('much');
  await program.log('little');
  await program.end();
});

it('a process goes on when nobody reads its log any more', async () => {
  const program = start('pipe');
  program.child.stderr?.destroy();
  await program.log('much');
  await program.log('little');
  await program.end();
});

const ROUNDS = 20;

itAsRoot('what is logged later arrives, after a line that says how much is missing, twenty times', async () => {
  const disk = await mkdtemp(join(tmpdir(), 'forgeway-log-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
  try {
    const path = join(disk, 'log');
    const ballast = join(disk, 'ballast');
    await writeFile(path, '');
    const program = start(openSync(path, 'a'));
    for (let round = 0; round < ROUNDS; round += 1) {
      await truncate(path);
      const { bavail, bsize } = await statfs(disk);
      await writeFile(ballast, Buffer.alloc(bavail * bsize - round * 8 * 1024));
      await program.log('much');
      await rm(ballast);
      await program.log('little');
      const lines = (await readFile(path, 'utf8')).trim().split('\n');
      const last = lines.slice(-2).map((line) => JSON.parse(line) as { msg: string; lost?: number });
      const whole = lines.filter((line) => line.includes('"before"')).length;
      expect(last.map(({ msg }) => msg)).toEqual(['lines of the log could not be written', 'after']);
      // The line of which the last bytes of the disk took a part was written, as far as anybody could say.
      expect([500 - whole, 500 - whole - 1]).toContain(last[0]?.lost);
    }
    await program.end();
  } finally {
    execFileSync('umount', ['-l', disk]);
    await rm(disk, { recursive: true });
  }
});
