/** Small disks, which only root may mount: tests that need them are counted as skipped elsewhere. */
import { execFileSync } from 'node:child_process';
import { it } from '@jest/globals';

const mounts = (): boolean => {
  try {
    const probe = execFileSync('mktemp', ['-d', '/tmp/forgeway-mount-XXXXXX']).toString().trim();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', probe], { stdio: 'pipe' });
      execFileSync('umount', [probe]);
      return true;
    } finally {
      execFileSync('rmdir', [probe]);
    }
  } catch {
    return false;
  }
};
const { skip } = it;
export const itAsRoot = process.getuid?.() === 0 && mounts() ? it : skip;
