/** Has git started by the run's `git-runner-process.mjs`, which global-setup.ts has begun. */
import { connect, type Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';
import { type GitOutcome, type GitStart, startGitBy } from '../../src/forges/kit/fake/git-process.js';

type Answer = { id: number; outcome: GitOutcome } | { id: number; error: string };

interface Waiting {
  resolve(outcome: GitOutcome): void;
  reject(error: Error): void;
}

/** Answers what closes the connection. */
export function useGitRunner(path: string): () => void {
  const waiting = new Map<number, Waiting>();
  const state: { socket?: Socket; ids: number } = { ids: 0 };

  function open(): Socket {
    let kept: Buffer = Buffer.alloc(0);
    const socket = connect(path);
    // What still waits keeps the test going by itself.
    socket.unref();
    socket.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]);
      while (kept.length >= 4 && kept.length >= 4 + kept.readUInt32BE(0)) {
        const end = 4 + kept.readUInt32BE(0);
        settle(deserialize(kept.subarray(4, end)) as Answer);
        kept = kept.subarray(end);
      }
    });
    socket.on('close', () => {
      for (const { reject } of waiting.values()) reject(new Error('The process that starts git is gone.'));
      waiting.clear();
    });
    socket.on('error', () => socket.destroy());
    return socket;
  }

  function settle(answer: Answer): void {
    const one = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('error' in answer) one?.reject(new Error(answer.error));
    else one?.resolve({ ...answer.outcome, out: Buffer.from(answer.outcome.out) });
  }

  startGitBy(
    (order: GitStart) =>
      new Promise((resolve, reject) => {
        state.socket ??= open();
        const id = ++state.ids;
        waiting.set(id, { resolve, reject });
        const body = serialize({ id, ...order });
        const length = Buffer.alloc(4);
        length.writeUInt32BE(body.length);
        state.socket.write(Buffer.concat([length, body]));
      }),
  );
  return () => state.socket?.destroy();
}
