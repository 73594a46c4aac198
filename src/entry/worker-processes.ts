import { type ChildProcess, fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pause } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';

/** What a worker process and the server say to each other. */
export type WorkerMessage =
  | { type: 'alive' }
  /** Where its apps answer HTTP requests. */
  | { type: 'pages'; socket: string }
  | { type: 'metrics'; request: number; metrics: unknown }
  | { type: 'ask-metrics'; request: number };

export interface WorkerProcessesOptions {
  count: number;
  /** The program and arguments of one worker. */
  script: string;
  args: readonly string[];
  log: Logger;
}

export interface WorkerProcesses {
  /** Workers that have reported lately. */
  alive(): number;
  metrics(): Promise<unknown[]>;
  /** Where the apps of some worker answer HTTP requests, another one each time; undefined when none of them has routes. */
  pages(): string | undefined;
  /** Some worker had routes, and none that has is there just now. */
  pagesAwaited(): boolean;
  /** Tells every worker to finish what it runs, and kills those that have not ended in time. */
  stop(timeoutMs: number): Promise<void>;
}

/** Pauses before another worker is started: short after one that worked, so that one bad handler holds up nobody long. */
const RESTART_PAUSE_MS = 250;
const FAILED_START_CAP_MS = 30_000;
/** A worker whose event loop was blocked this long is killed: what it ran is tried again alone. */
const SILENCE_LIMIT_MS = 10_000;
/** A start may take longer: it may wait for the database. */
const START_LIMIT_MS = 60_000;

interface Slot {
  child: ChildProcess | undefined;
  lastHeard: number;
  /** It has reported at least once, so it is past its start. */
  running: boolean;
  failures: number;
  pages: string | undefined;
}

/** Keeps worker processes running: handlers may end them at any moment, and then another takes over. */
export function startWorkerProcesses(options: WorkerProcessesOptions): WorkerProcesses {
  const { log } = options;
  const stopping = new AbortController();
  const slots: Slot[] = Array.from({ length: options.count }, () => ({
    child: undefined,
    lastHeard: 0,
    running: false,
    failures: 0,
    pages: undefined,
  }));
  const answers = new Map<number, (metrics: unknown) => void>();
  let requests = 0;
  let turn = 0;
  const had = { pages: false };

  function hear(slot: Slot, message: WorkerMessage): void {
    slot.lastHeard = Date.now();
    slot.running = true;
    if (message.type === 'pages') {
      slot.pages = message.socket;
      had.pages = true;
    }
    if (message.type === 'metrics') {
      answers.get(message.request)?.(message.metrics);
      answers.delete(message.request);
    }
  }

  async function runOnce(slot: Slot): Promise<void> {
    const child = fork(options.script, [...options.args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    slot.child = child;
    slot.lastHeard = Date.now();
    slot.running = false;
    child.on('message', (message: WorkerMessage) => hear(slot, message));
    const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.once('error', (error) => {
        log.error({ err: error }, 'worker process could not be started');
        resolve({ code: 1, signal: null });
      });
      child.once('exit', (exitCode, exitSignal) => resolve({ code: exitCode, signal: exitSignal }));
    });
    slot.child = undefined;
    // One that was killed could not do it itself.
    if (slot.pages !== undefined) await rm(dirname(slot.pages), { recursive: true, force: true });
    slot.pages = undefined;
    if (stopping.signal.aborted) return;
    slot.failures = slot.running ? 0 : slot.failures + 1;
    log.error({ worker: child.pid, code, signal, failures: slot.failures }, 'worker process ended; another is started');
    await pause(Math.min(FAILED_START_CAP_MS, RESTART_PAUSE_MS * 2 ** slot.failures), stopping.signal);
  }

  const loops = slots.map(async (slot) => {
    while (!stopping.signal.aborted) await runOnce(slot);
  });

  const watchdog = setInterval(() => {
    for (const slot of slots) {
      const limit = slot.running ? SILENCE_LIMIT_MS : START_LIMIT_MS;
      if (slot.child === undefined || Date.now() - slot.lastHeard < limit) continue;
      log.error({ worker: slot.child.pid }, 'worker process does not react; it is killed');
      slot.child.kill('SIGKILL');
    }
  }, 1_000);

  return {
    alive: () =>
      slots.filter((slot) => slot.child !== undefined && slot.running && Date.now() - slot.lastHeard < 15_000).length,

    async metrics() {
      const asked = slots.flatMap((slot) => (slot.child?.connected ? [slot.child] : []));
      const waiting = asked.map((child) => {
        const request = ++requests;
        const answer = new Promise<unknown>((resolve) => answers.set(request, resolve));
        child.send({ type: 'ask-metrics', request } satisfies WorkerMessage, () => undefined);
        return Promise.race([answer, pause(1_000).then(() => answers.delete(request) && undefined)]);
      });
      return (await Promise.all(waiting)).filter((metrics) => metrics !== undefined);
    },

    pages() {
      const open = slots.flatMap(({ pages }) => pages ?? []);
      turn += 1;
      return open[turn % open.length];
    },
    pagesAwaited: () => had.pages && slots.every(({ pages }) => pages === undefined),

    async stop(timeoutMs) {
      stopping.abort();
      clearInterval(watchdog);
      for (const { child } of slots) child?.kill('SIGTERM');
      const ended = new AbortController();
      const all = Promise.all(loops).then(() => ended.abort());
      await Promise.race([all, pause(timeoutMs, ended.signal)]);
      for (const { child } of slots) {
        if (child === undefined) continue;
        log.warn({ worker: child.pid }, 'worker process did not finish in time; it is killed');
        child.kill('SIGKILL');
      }
      await all;
    },
  };
}
