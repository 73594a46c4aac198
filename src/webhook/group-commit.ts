import type pg from 'pg';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { insertBytes } from './batch-insert.js';
import { type InboxRow, insertOf, MOST_ROWS } from './insert-statement.js';

/** Resolves `true` once the row is committed, `false` when that did not happen in time. Never rejects. */
type Settle = (committed: boolean) => void;

interface Waiting {
  key: string;
  row: InboxRow;
  deadline: number;
  /** More than one when the same delivery arrives again while the first is still being written. */
  settle: Settle[];
  /** Written by itself, since a batch it was part of was refused for its content. */
  alone: boolean;
}

export interface GroupCommitOptions {
  pool: pg.Pool;
  log: Logger;
  /** How long a request may wait for its commit. */
  commitTimeoutMs: number;
  /** Called after each commit. */
  committed: () => void;
}

/** Measured best: a third batch in flight only makes the batches smaller. */
const IN_FLIGHT = 2;
const MOST_BATCH_BYTES = 4 * 1024 * 1024;
const RETRY_PAUSE_MS = 100;
const SWEEP_MS = 100;

/** SQLSTATE classes that blame the data of a row and not the state of the server. */
const CONTENT_ERRORS = /^(?:22|23|54)/;

const sqlStateOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/**
 * Commits rows in batches: whatever has gathered while the previous batch was being written is the next one, so a
 * batch costs no waiting. A row is committed, or its request is told that it was not, within `commitTimeoutMs`.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #pending = new Map<string, Waiting>();
  #queue: Waiting[] = [];
  #running = 0;
  #heldBytes = 0;
  #scheduled = false;
  #pausedUntil = 0;
  #failing = false;
  #idle: (() => void)[] = [];
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  /** Bytes of bodies that wait for their commit. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  add(row: InboxRow, settle: Settle): void {
    const key = `${row.hookId}\n${row.deliveryKey}`;
    const already = this.#pending.get(key);
    if (already) {
      already.settle.push(settle);
      return;
    }
    const deadline = performance.now() + this.#options.commitTimeoutMs;
    const waiting: Waiting = { key, row, deadline, settle: [settle], alone: false };
    this.#pending.set(key, waiting);
    this.#heldBytes += row.body.bytes.length;
    this.#queue.push(waiting);
    this.#schedule();
  }

  /** Resolves when nothing waits any more. */
  async close(): Promise<void> {
    if (this.#pending.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    clearInterval(this.#sweeper);
  }

  /** Everything that arrives in one turn of the event loop goes into one batch. */
  #schedule(): void {
    if (this.#scheduled || this.#running >= IN_FLIGHT) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#running < IN_FLIGHT && this.#queue.length > 0 && performance.now() >= this.#pausedUntil) {
        void this.#write(this.#take());
      }
    });
  }

  #take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      bytes += waiting.row.body.bytes.length;
      if (count > 0 && (bytes > MOST_BATCH_BYTES || waiting.alone || count === MOST_ROWS)) break;
      count += 1;
      if (waiting.alone) break;
    }
    return this.#queue.splice(0, count);
  }

  async #write(batch: Waiting[]): Promise<void> {
    this.#running += 1;
    try {
      const statement = insertOf(batch.map((waiting) => waiting.row));
      await insertBytes(this.#options.pool, statement, this.#options.commitTimeoutMs);
      if (this.#failing) this.#options.log.info('deliveries are committed again');
      this.#failing = false;
      // First, since whoever is woken waits longer than a sender does.
      this.#options.committed();
      for (const waiting of batch) this.#settle(waiting, true);
    } catch (error) {
      this.#retry(batch, error);
    } finally {
      this.#running -= 1;
      if (this.#queue.length > 0) this.#schedule();
    }
  }

  #retry(batch: Waiting[], error: unknown): void {
    const code = sqlStateOf(error);
    const refused = CONTENT_ERRORS.test(code);
    // Once per outage: a retry every tenth of a second would fill the log.
    if (!this.#failing) {
      this.#options.log.error({ rows: batch.length, code, err: messageOf(error) }, 'deliveries cannot be committed');
    }
    this.#failing = true;
    if (!refused) this.#pausedUntil = performance.now() + RETRY_PAUSE_MS;
    const again: Waiting[] = [];
    for (const waiting of batch) {
      if (waiting.alone && refused) this.#settle(waiting, false);
      else again.push(Object.assign(waiting, { alone: refused }));
    }
    this.#queue = again.concat(this.#queue);
  }

  #settle(waiting: Waiting, committed: boolean): void {
    if (this.#pending.get(waiting.key) === waiting) this.#pending.delete(waiting.key);
    this.#heldBytes -= waiting.row.body.bytes.length;
    for (const settle of waiting.settle) settle(committed);
    waiting.settle = [];
    if (this.#pending.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Gives up on rows whose time is over. One that is being written keeps its memory counted until that has ended. */
  #sweep(): void {
    const now = performance.now();
    const late = this.#queue.filter((waiting) => waiting.deadline <= now);
    if (late.length > 0) {
      this.#queue = this.#queue.filter((waiting) => waiting.deadline > now);
      for (const waiting of late) this.#settle(waiting, false);
    }
    for (const waiting of this.#pending.values()) {
      if (waiting.deadline > now) break;
      for (const settle of waiting.settle.splice(0)) settle(false);
    }
    if (this.#queue.length > 0) this.#schedule();
  }
}
