/** What Terraform begins with on a cluster, as one archive: the configuration with our files beside it, state and secrets. */
import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Pack } from 'tar-stream';
import { ForgewayError } from '../../lib/errors.js';
import type { ArchiveLimits } from '../archive/archive.js';
import { streamTar } from '../archive/stream-tar.js';
import { walkArchive } from '../archive/walk.js';
import type { TerraformWork } from './executor.js';
import {
  OUT,
  OVERRIDE,
  overrideFile,
  SECRETS,
  SETTINGS,
  STATE,
  secretsFile,
  settingsFile,
  VARIABLES,
  variablesFile,
} from './work-files.js';

const LOCK = '.terraform.lock.hcl';
const failed = (message: string) => new ForgewayError('FORGEWAY_RUN_FAILED', message);

const add = (tar: Pack, name: string, content: string | Uint8Array) =>
  tar.entry({ name, mode: 0o600 }, typeof content === 'string' ? content : Buffer.from(content));
const addDirectory = (tar: Pack, name: string) => tar.entry({ name, type: 'directory', mode: 0o700 });

/** Copies the configuration, without what is ours to say. @throws ForgewayError FORGEWAY_ARCHIVE_REFUSED, FORGEWAY_RUN_FAILED */
async function addConfiguration(tar: Pack, work: TerraformWork, limits: ArchiveLimits, signal: AbortSignal) {
  const { archive, stripRoot, workingDirectory } = work.configuration;
  const place = posix.normalize(workingDirectory === '' ? '.' : workingDirectory).replace(/\/$/, '');
  const within = (name: string) => (place === '.' ? name : `${place}/${name}`);
  const ours = new Set([OVERRIDE, VARIABLES, ...(work.do.phase === 'apply' ? [LOCK] : [])].map(within));
  const isOurs = (path: string) => ours.has(path) || [...ours].some((one) => path.startsWith(`${one}/`));
  const seen = { directory: place === '.', link: false, file: false };
  await walkArchive(archive, {
    ...{ limits, stripRoot, signal },
    async visit(entry, body) {
      const { path } = entry;
      if (path === place) {
        seen.directory ||= entry.kind === 'directory';
        seen.link ||= entry.kind === 'link';
        seen.file ||= entry.kind === 'file';
      }
      seen.directory ||= path.startsWith(`${place}/`);
      if (isOurs(path)) {
        for await (const chunk of body) void chunk;
        return;
      }
      const name = `source/${path}`;
      if (entry.kind === 'directory') return void addDirectory(tar, name);
      if (entry.kind === 'link') return void tar.entry({ name, type: 'symlink', linkname: entry.target });
      const file = tar.entry({ name, size: entry.size, mode: entry.executable ? 0o700 : 0o600 });
      await pipeline(body, file);
    },
  });
  const named = JSON.stringify(workingDirectory);
  if (seen.link) throw failed(`The working directory ${named} is a link. Name the directory itself.`);
  if (seen.file) throw failed(`${named} is no directory.`);
  if (!seen.directory)
    throw failed(`The configuration has no directory ${named}. Correct the workspace's working directory.`);
}

function addOurs(tar: Pack, work: TerraformWork, mirror: string | undefined): void {
  const { workingDirectory } = work.configuration;
  const place = posix.join('source', workingDirectory);
  for (const name of ['io', 'tmp', 'home', `home/${OUT}`, `home/${posix.dirname(STATE)}`]) addDirectory(tar, name);
  add(tar, posix.join(place, OVERRIDE), overrideFile(workingDirectory));
  add(tar, posix.join(place, VARIABLES), variablesFile(work.variables));
  add(tar, `home/${SECRETS}`, secretsFile(work.untrusted ? [] : work.variables));
  add(tar, `home/${SETTINGS}`, settingsFile(mirror));
  if (work.state !== null) add(tar, `home/${STATE}`, work.state);
  if (work.do.phase !== 'apply') return;
  add(tar, `home/${OUT}/plan`, work.do.plan);
  if (work.do.lockFile !== null) add(tar, posix.join(place, LOCK), work.do.lockFile);
}

/**
 * A gzip-compressed tar with `source/`, `home/`, `io/` and `tmp/`, as it is made: nothing of it is held whole.
 * @throws ForgewayError FORGEWAY_ARCHIVE_REFUSED, FORGEWAY_RUN_FAILED
 */
export const clusterInput = (
  work: TerraformWork,
  o: { limits: ArchiveLimits; mirror: string | undefined; signal: AbortSignal },
): AsyncGenerator<Buffer> =>
  streamTar(async (tar) => {
    addDirectory(tar, 'source');
    await addConfiguration(tar, work, o.limits, o.signal);
    addOurs(tar, work, o.mirror);
  });
