// `npm run demo`: installs what is missing, builds, and runs the demonstration. Arguments are passed on (--once, --help).
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ensureSystemPackages, root } from './setup.mjs';

if (ensureSystemPackages({ git: 'git' }).length > 0) process.exit(1);
// Root isolates previews with a uid of their own; anybody else needs bubblewrap for it.
if (process.getuid?.() !== 0 && ensureSystemPackages({ bwrap: 'bubblewrap' }).length > 0) process.exit(1);
build();
const demo = spawn(
  process.execPath,
  ['--enable-source-maps', join(root, 'dist/demo/demo.js'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
  },
);
// The terminal sends its signals to the whole group; one that was sent to this process alone is handed on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => demo.kill(signal));
demo.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 130)));
