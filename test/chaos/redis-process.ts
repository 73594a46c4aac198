/** A Redis with the configuration that it comes with, but for its place: what it had is gone when it is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RedisProcess {
  url: string;
  pid(): number;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const START_MS = 10_000;

/**
 * @param more further settings, such as a password
 * @throws Error when there is no redis-server on this machine
 */
export async function startRedisProcess(
  port: number,
  directory: string,
  more: readonly string[] = [],
): Promise<RedisProcess> {
  const state: { child?: ChildProcess } = {};

  async function start(): Promise<void> {
    const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...more];
    const child = spawn('redis-server', place, { stdio: 'ignore' });
    state.child = child;
    await once(child, 'spawn');
    for (const deadline = Date.now() + START_MS; Date.now() < deadline; await sleep(50))
      if (await answers(port)) return;
    throw new Error('redis-server does not listen.');
  }
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: () => state.child?.pid ?? 0,
    start,
    async stop() {
      const { child } = state;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
