// Makes a fresh clone ready: packages, generated database client, and (for root on Debian) system packages.
// Uses only what Node brings, since it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a program, its output shown; ends this process with a clear line when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) throw new Error(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    console.error(`\n${[command, ...args].join(' ')} ended with ${result.signal ?? `exit code ${result.status}`}.`);
    process.exit(result.status ?? 1);
  }
}

function findProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Node 20.19 or newer is what every dependency runs on. */
function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22) return;
  console.error(`Forgeway needs Node 20.19 or newer (20.x), or 22.12 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

function installPackages() {
  const lock = join(root, 'package-lock.json');
  const stamp = join(root, 'node_modules', '.forgeway-installed');
  const wanted = readFileSync(lock, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.error('Installing npm packages …');
  // No package needs its install script: binaries come as platform packages. `npm ci` would refuse a lock file that was
  // made where a registry mirror lacks the packages of other platforms; `--no-save` keeps to the lock file and leaves it.
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: ['ignore', 2, 2],
  });
  writeFileSync(stamp, wanted);
}

function generateClient() {
  const schema = join(root, 'prisma/schema.prisma');
  const generated = join(root, 'src/store/generated/client.ts');
  if (existsSync(generated) && statSync(generated).mtimeMs > statSync(schema).mtimeMs) return;
  console.error('Generating the database client …');
  // `prisma generate` needs no engine binary, yet tries to download one unless it is named.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true', PRISMA_HIDE_UPDATE_MESSAGE: '1' };
  run(process.execPath, [join(root, 'node_modules/prisma/build/index.js'), 'generate'], {
    stdio: ['ignore', 'ignore', 2],
    env,
  });
}

/**
 * Makes sure that programs of Debian packages are there. Root installs them; anybody else is told what to type.
 * @param {Record<string, string>} wanted program name → Debian package
 * @returns {string[]} packages that are still missing
 */
export function ensureSystemPackages(wanted) {
  const missing = () =>
    Object.entries(wanted)
      .filter(([program]) => !findProgram(program))
      .map(([, name]) => name);
  const packages = [...new Set(missing())];
  if (packages.length === 0) return [];
  if (process.getuid?.() === 0 && findProgram('apt-get')) {
    console.error(`Installing Debian packages: ${packages.join(' ')} …`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const quiet = { cwd: root, stdio: ['ignore', 'ignore', 2], env };
    spawnSync('apt-get', ['update', '-qq'], quiet);
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet);
  }
  const left = [...new Set(missing())];
  if (left.length > 0)
    console.error(`Missing: ${left.join(', ')}. As root: apt-get update && apt-get install -y ${left.join(' ')}`);
  return left;
}

/** Everything a clone needs before it can build, run or be tested. */
export function setup() {
  checkNode();
  installPackages();
  generateClient();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup();
