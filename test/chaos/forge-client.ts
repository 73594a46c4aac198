/** Starts a forge's process and gives it orders. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ForgeAnswer, ForgeOrder, ForgeReply, ForgeSetup } from './forge-protocol.js';

export interface ForgeClient {
  forge: string;
  setup: ForgeSetup;
  pid: number;
  /** Rejects with the forge's own words. */
  order(order: ForgeOrder): Promise<ForgeAnswer>;
  close(): Promise<void>;
}

const CLOSE_MS = 10_000;

export async function startForge(setup: ForgeSetup): Promise<ForgeClient & { started: ForgeAnswer }> {
  const script = fileURLToPath(new URL('./forge-process.ts', import.meta.url));
  const child: ChildProcess = fork(script, [], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, (reply: ForgeReply) => void>();
  let last = 0;
  child.on('message', (reply: ForgeReply) => {
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  void ended.then(() => {
    for (const [id, answer] of waiting) answer({ id, error: `the process of ${setup.forge} has ended` });
    waiting.clear();
  });

  const order = (one: ForgeOrder): Promise<ForgeAnswer> =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, ({ answer, error }) =>
        error === undefined ? resolve(answer ?? {}) : reject(new Error(`${setup.forge}: ${error}`)),
      );
      child.send({ id: last, order: one }, (error) => error && reject(error));
    });

  async function close(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const timer = setTimeout(() => child.kill('SIGKILL'), CLOSE_MS);
    // It may end before it has answered.
    if (child.connected) await order({ kind: 'close' }).catch(() => undefined);
    if (child.connected) child.disconnect();
    await ended;
    clearTimeout(timer);
  }

  try {
    const started = await order({ kind: 'start', setup });
    return { forge: setup.forge, setup, pid: child.pid ?? 0, order, close, started };
  } catch (error) {
    await close();
    throw error;
  }
}
