// Compiles src/ and demo/ to dist/ when a source is newer than the last build.
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run, setup } from './setup.mjs';

const newest = (path) => {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
};

export function build() {
  setup();
  const dist = join(root, 'dist');
  const stamp = join(dist, '.built');
  const sources = ['src', 'demo', 'tsconfig.json', 'tsconfig.build.json', 'package.json'].map((name) =>
    newest(join(root, name)),
  );
  if (existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...sources)) return;
  console.error('Building …');
  // Beside what is there: a server that runs from it may start another worker, and somebody may run a command.
  const fresh = `${dist}-${process.pid}`;
  // Types are checked by `npm test`, of everything at once; here that would double the time for whoever wants to start.
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const target = ['--outDir', fresh, '--tsBuildInfoFile', join(fresh, '.tsbuildinfo')];
  process.once('exit', () => rmSync(fresh, { recursive: true, force: true }));
  run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck', ...target]);
  // `npx forgeway` makes it executable the first time only, and fails after the next build.
  chmodSync(join(fresh, 'src/entry/cli.js'), 0o755);
  writeFileSync(join(fresh, '.built'), '');
  const before = `${fresh}-before`;
  if (existsSync(dist)) renameSync(dist, before);
  renameSync(fresh, dist);
  rmSync(before, { recursive: true, force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
