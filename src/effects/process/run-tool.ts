/** Runs one short program of the system to its end, from an argument list and with an environment of our own. */
import { spawn } from 'node:child_process';

/** Nothing of our own environment reaches other programs: it holds secrets. */
export const TOOL_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

const OUTPUT_LIMIT = 64 * 1024;

export interface ToolResult {
  /** Null when a signal ended it; -1 when it could not be started. */
  code: number | null;
  /** Standard output and standard error together, at most the first 64 KiB. */
  output: string;
}

/** Never rejects: a tool that is missing is a result too. @param timeoutMs after which it is killed */
export function runTool(command: string, args: readonly string[], timeoutMs = 120_000): Promise<ToolResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: '/', env: TOOL_ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    const state = { bytes: 0 };
    const collect = (chunk: Buffer) => {
      if (state.bytes < OUTPUT_LIMIT) chunks.push(chunk.subarray(0, OUTPUT_LIMIT - state.bytes));
      state.bytes += chunk.length;
    };
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve({ code: -1, output: error.message });
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output: Buffer.concat(chunks).toString('utf8') });
    });
  });
}

/** Deletes a directory tree of any depth without following links. Rejects when something is left. */
export async function removeTree(path: string): Promise<void> {
  const { code, output } = await runTool('rm', ['-rf', '--one-file-system', '--', path]);
  if (code !== 0) throw new Error(`${path} could not be removed: ${output.trim().slice(0, 300)}`);
}
