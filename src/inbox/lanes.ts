import type pg from 'pg';
import { retryDelay } from '../lib/backoff.js';
import { pause } from '../lib/clock.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import { attempt } from './attempt.js';
import { loadBodies } from './body-text.js';
import type { Dispatcher } from './dispatch.js';
import { Holds } from './holds.js';
import { type Finish, type Lease, loadDue, markPaused, markStarted, writeOutcomes } from './lane-statements.js';
import { loadPending } from './load-pending.js';
import { describeError, type Outcome, outcomeOf, type RetryPolicy } from './outcome.js';
import { Parsed } from './parsed.js';
import type { Beginnings, LaneRow, PlannedRow } from './row.js';
import { Slots } from './slots.js';
import { urgentAmong } from './urgent.js';
import { type Lane, Window } from './window.js';

export interface LanesOptions {
  pool: pg.Pool;
  dispatcher: Dispatcher;
  log: Logger;
  metrics: Metrics;
  /** Handlers at a time. */
  concurrency: number;
  handlerTimeoutMs: number;
  retry: RetryPolicy;
}

/** A row that is being run or written down. */
interface Running {
  lane: Lane;
  row: LaneRow;
  epoch: bigint;
  controller: AbortController;
}

/** An outcome to write; `running` is absent for a row that its crash alone put aside. */
interface Finished extends Finish {
  lane: Lane;
  running?: Running;
}

const DUE_AT_A_TIME = 200;
const DATABASE_PAUSE_MS = 500;

/** A larger body is read again when its turn comes, so that a full window stays a matter of megabytes. */
const LARGEST_KEPT_BODY = 64 * 1024;

/** True for a row whose process ended, or lost its lease, before the result was written. */
const wasCutOff = (row: LaneRow): boolean => row.startedEpoch !== null;

/**
 * Runs the rows of the shards that this worker leases: in order within a lane, lanes beside each other. Which shards
 * those are is told by {@link open} and {@link close}; that no stale result is written is seen to by the statements.
 */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #window = new Window();
  readonly #holds = new Holds();
  readonly #running = new Set<Running>();
  #owner = '';
  readonly #parsed = new Parsed();
  /** Rows of the offer in hand that are written as begun, with the lease they began under. */
  readonly #begun = new Map<bigint, bigint>();
  #alone: Running[] = [];
  #aloneRuns = false;
  #starting = false;
  #finishes: Finished[] = [];
  #writing = false;
  #filling = false;
  #fillAgain = false;
  #resuming = false;
  #stopped = false;
  #over = false;
  #quiet: (() => void)[] = [];

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** Shards held, those that are being given away not counted. */
  get shards(): number[] {
    return [...this.#window.shards.values()].filter((shard) => !shard.closing).map((shard) => shard.number);
  }

  /** Begins a time as `owner`; leases of an earlier one are gone. */
  become(owner: string): void {
    for (const number of [...this.#window.shards.keys()]) this.drop(number);
    this.#owner = owner;
  }

  open(leases: readonly Lease[]): void {
    for (const lease of leases) this.#window.open(lease.shard, lease.epoch);
    if (leases.length > 0) void this.refill();
  }

  /** The lease is not ours any more: running handlers are told, and what they answer is not written. */
  drop(number: number): void {
    this.#window.drop(number);
    this.#parsed.clear();
    for (const { row, controller } of this.#running) if (row.shard === number) controller.abort();
    this.#alone = this.#alone.filter((held) => held.row.shard !== number);
  }

  /** Begins nothing new in these shards. */
  close(numbers: readonly number[]): void {
    for (const number of numbers) {
      const shard = this.#window.shards.get(number);
      if (shard) shard.closing = true;
    }
    // Rows set aside to run alone keep their lane busy; they did not begin, so they must not hold the shard back.
    for (const held of this.#alone.filter((held) => numbers.includes(held.row.shard))) this.#window.untake(held.lane);
    this.#alone = this.#alone.filter((held) => !numbers.includes(held.row.shard));
  }

  /** Closed shards in which nothing runs any more. */
  closed(): number[] {
    const shards = [...this.#window.shards.values()];
    return shards.filter((shard) => shard.closing && this.#window.isQuiet(shard)).map((shard) => shard.number);
  }

  /** Which of these rows would begin as soon as they are offered. Those that then do not are begun like any other. */
  plan(rows: readonly PlannedRow[]): Beginnings {
    const { concurrency } = this.#options;
    const slots = new Slots(
      concurrency,
      [...this.#running].map(({ row }) => row),
    );
    const isBusy = this.#starting || this.#stopped || this.#aloneRuns || this.#alone.length > 0;
    let room = isBusy ? 0 : concurrency - this.#running.size;
    const lanes = new Set<string>();
    const free = rows.map((row) => {
      const epoch = lanes.has(row.lane) ? undefined : this.#window.freeLane(row.shard, row.lane);
      lanes.add(row.lane);
      return this.#holds.of(row) === undefined ? epoch : undefined;
    });
    const epochs = rows.map((): bigint | null => null);
    // As they are taken: what has its share waits while there is anything else.
    for (const othersWait of this.#window.hasReady ? [true] : [true, false])
      for (const [at, row] of rows.entries()) {
        const epoch = free[at];
        if (room === 0 || epoch === undefined || epochs[at] !== null || !slots.hasBoth(row, othersWait)) continue;
        slots.take(row);
        room -= 1;
        epochs[at] = epoch;
      }
    return { owner: this.#owner, holdsVersion: this.#holds.version, epochs };
  }

  /** Takes new rows of our shards straight from the assigner, and answers the shards of those that are not ours. */
  offer(rows: readonly LaneRow[]): number[] {
    const others = new Set<number>();
    for (const row of rows) {
      if (!this.#window.shards.has(row.shard)) others.add(row.shard);
      else {
        const { payload, begunIn, ...kept } = row;
        if (kept.body && kept.body.length > LARGEST_KEPT_BODY) delete kept.body;
        if (!this.#window.addNewest(kept) || kept.body === undefined) continue;
        if (payload !== undefined) this.#parsed.keep(row.id, payload);
        if (begunIn !== undefined) this.#begun.set(row.id, begunIn);
      }
    }
    this.#pump();
    // A hold may come before those have their turn.
    this.#begun.clear();
    return [...others];
  }

  /** Waits until this process has room for more rows, at most `ms`. */
  room(ms: number): Promise<void> {
    return this.#parsed.room(ms);
  }

  /** Reads rows that are not in memory. `all`: also of shards of which everything seems to be known. */
  async refill(all = false): Promise<void> {
    this.#fillAgain = this.#filling;
    if (this.#filling) return;
    this.#filling = true;
    try {
      const wanted = this.#window.wanted(all);
      if (wanted.walks.length > 0) {
        const { generation } = this.#window;
        this.#window.beginReading(wanted);
        const walked = await loadPending(this.#options.pool, wanted.walks, this.#window.ids, wanted.fullLanes);
        if (generation === this.#window.generation) {
          this.#window.fill(wanted, walked);
          this.#pump();
        } else this.#fillAgain = true;
      }
    } catch (error) {
      this.#options.log.warn({ err: messageOf(error) }, 'lanes could not be read; tried again within a second');
    } finally {
      this.#filling = false;
      if (this.#fillAgain) void this.refill();
    }
  }

  /** Lets parked rows whose time has come join their lanes again. */
  async resumeParked(): Promise<void> {
    // A database that is slow is not asked the same once more each second.
    if (this.#resuming || this.shards.length === 0) return;
    this.#resuming = true;
    try {
      const due = await loadDue(this.#options.pool, this.shards, this.#window.ids, DUE_AT_A_TIME);
      for (const row of due) this.#window.add(row);
      if (due.length > 0) this.#pump();
    } finally {
      this.#resuming = false;
    }
  }

  /** Begins nothing new, and waits until what runs is written down, at most `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopped = true;
    if (this.#running.size > 0 || this.#starting || this.#writing) {
      const waiting = new AbortController();
      const quiet = new Promise<void>((resolve) => this.#quiet.push(resolve));
      await Promise.race([quiet, pause(timeoutMs, waiting.signal)]);
      waiting.abort();
    }
    this.#over = true;
    for (const { controller } of this.#running) controller.abort();
  }

  #pump(): void {
    if (this.#starting || this.#stopped || this.#aloneRuns) return;
    const batch: Running[] = [];
    const { concurrency } = this.#options;
    const slots = new Slots(
      concurrency,
      [...this.#running].map(({ row }) => row),
    );
    while (this.#running.size + batch.length < concurrency) {
      const taken = this.#window.take(slots);
      if (!taken) break;
      const running = { ...taken, controller: new AbortController() };
      if (!wasCutOff(taken.row)) batch.push(running);
      else if (taken.row.status === 'pending' && taken.row.startedEpoch !== null && taken.row.startedEpoch < 0n) {
        this.#putAside(running);
      } else this.#alone.push(running);
    }
    // Nothing else begins until those that run alone have had their turn; what was taken waits with its lane.
    if (this.#alone.length > 0) {
      for (const running of batch) this.#window.untake(running.lane);
      if (this.#running.size > 0) return;
      const [first] = this.#alone.splice(0, 1);
      if (first) this.#begin([first], true);
    } else if (batch.length > 0) this.#begin(batch, false);
  }

  /** A row that ended its process while it ran alone waits like one that failed, or is given up. */
  #putAside({ lane, row, epoch }: Running): void {
    const { backoff, random } = this.#options.retry;
    const died = new ForgewayError('FORGEWAY_WORKER_DIED', `the worker ended while ${row.app} ran`);
    const error = describeError(died);
    const outcome: Outcome =
      row.attempts - row.uncounted >= backoff.attempts
        ? {
            status: 'dead',
            reason: `the worker process ended in each of its last attempts (${row.attempts - row.uncounted} in all)`,
            error,
          }
        : { status: 'parked', error, waitMs: retryDelay(backoff, row.attempts - row.uncounted, random) };
    this.#finish({ lane, row, epoch, outcome, unbegun: true });
  }

  #begin(batch: Running[], alone: boolean): void {
    this.#starting = true;
    this.#aloneRuns = alone;
    for (const running of batch) this.#running.add(running);
    this.#start(batch, alone)
      .catch((error: unknown) => {
        this.#options.log.warn({ err: messageOf(error) }, 'rows could not be started; their shards are read again');
        // Whether they were marked is not known: only reading them again tells.
        for (const running of batch) this.#forget(running);
      })
      .finally(() => {
        this.#starting = false;
        this.#settle();
      });
  }

  async #start(batch: Running[], alone: boolean): Promise<void> {
    const { pool } = this.#options;
    const { version: holdsVersion } = this.#holds;
    const begun = batch.filter(({ row, epoch }) => this.#begun.get(row.id) === epoch);
    for (const running of begun) if (running.row.body !== undefined) void this.#run(running, running.row.body);
    if (begun.length === batch.length) return;
    const [free, stopped] = await this.#withHolds(batch.filter((running) => !begun.includes(running)));
    const bodiless = free.filter(({ row }) => row.body === undefined).map(({ row }) => row.deliveryId);
    const [started, paused, bodies] = await Promise.all([
      free.length > 0 ? markStarted(pool, this.#owner, free, { alone, holdsVersion }) : undefined,
      stopped.length > 0 ? markPaused(pool, this.#owner, stopped, holdsVersion) : undefined,
      bodiless.length > 0 ? loadBodies(pool, bodiless) : new Map<bigint, Buffer>(),
    ]);
    const holdsChanged = started?.holdsChanged === true || paused?.holdsChanged === true;
    if (holdsChanged) await this.#holds.load(pool);
    for (const running of stopped) {
      if (paused?.rows.has(running.row.id)) this.#leave(running);
      else this.#forget(running);
    }
    for (const running of free) {
      const attempts = started?.rows.get(running.row.id);
      if (attempts === undefined || !this.#window.shardOf(running.row, running.epoch)) {
        this.#forget(running);
        continue;
      }
      running.row.attempts = attempts;
      running.row.status = 'pending';
      const body = running.row.body ?? bodies.get(running.row.deliveryId);
      if (body) void this.#run(running, body);
      else {
        const outcome: Outcome = { status: 'ignored', reason: 'its body is no longer stored' };
        this.#finish({ row: running.row, lane: running.lane, epoch: running.epoch, outcome, running });
      }
    }
    if (!holdsChanged) return;
    // Rows that were let go may be older than those in memory, so all of them are read again.
    this.#window.forgetWaiting();
    this.#parsed.clear();
    void this.refill(true);
  }

  /** Those that may begin, silenced where a hold says so, and those that may not. */
  async #withHolds(batch: readonly Running[]): Promise<[free: Running[], stopped: Running[]]> {
    const covered: Running[] = [];
    for (const running of batch) {
      const { row } = running;
      if (row.urgency === 'now') delete row.urgency;
      const hold = this.#holds.of(row);
      if (hold === 'shadow' && row.writes === 'send') row.writes = 'shadow';
      if (hold === 'pause') covered.push(running);
    }
    if (covered.length === 0) return [[...batch], []];
    const urgent = await urgentAmong(this.#options.pool, this.#options.dispatcher, covered);
    for (const { row } of urgent) if (row.writes === 'send' && this.#holds.silences(row)) row.writes = 'shadow';
    const stopped = covered.filter((running) => !urgent.has(running));
    return [batch.filter((running) => !stopped.includes(running)), stopped];
  }

  async #run(running: Running, body: Buffer): Promise<void> {
    const { dispatcher, handlerTimeoutMs, metrics, retry } = this.#options;
    const { row, lane, epoch, controller } = running;
    const log = this.#options.log.child({ delivery: row.deliveryKey, event: row.eventName, app: row.app });
    const rehearsed = row.writes === 'rehearsal';
    const elapsed = metrics.dispatchSeconds.startTimer({ app: row.app });
    const payload = this.#parsed.take(row.id);
    const result = await attempt(dispatcher, row, epoch, body, payload, handlerTimeoutMs, controller);
    elapsed();
    const isUrgent = row.urgency === 'now';
    if (result.kind === 'settled' && isUrgent) return this.#finishUrgent(running);
    if (result.kind === 'settled') {
      if (!rehearsed) metrics.dispatches.inc({ app: row.app, result: result.result.kind });
      log.debug({ attempt: row.attempts, result: result.result.kind }, 'handler finished');
      const outcome: Outcome =
        result.result.kind === 'done' ? { status: 'done' } : { status: 'ignored', reason: result.result.reason };
      return this.#finish({ row, lane, epoch, outcome, running });
    }
    const attempts = row.attempts - row.uncounted;
    const outcome: Outcome = rehearsed
      ? { status: 'dead', reason: 'it failed in a rehearsal', error: describeError(result.error) }
      : outcomeOf({ ...result, attempts, begun: row.attempts, lane: row.lane, since: row.createdAt }, retry);
    if (!rehearsed)
      metrics.dispatches.inc({ app: row.app, result: outcome.status === 'pending' ? 'retried' : outcome.status });
    log.warn(
      { attempt: row.attempts, urgent: isUrgent, outcome: outcome.status, err: describeError(result.error) },
      'handler failed',
    );
    // The rest of it has not been tried yet.
    if (isUrgent && outcome.status === 'dead') return this.#finishUrgent(running);
    this.#finish({ row, lane, epoch, outcome, running });
  }

  /** What could not wait is done, or given up; the row itself waits for the end of the pause, in its place. */
  #finishUrgent(running: Running): void {
    const { row, lane, epoch } = running;
    row.urgency = 'done';
    row.uncounted += 1;
    this.#finish({ row, lane, epoch, outcome: { status: 'pending', waitMs: 0, uncounted: true }, running });
  }

  #finish(finish: Finished): void {
    this.#finishes.push(finish);
    if (!this.#writing) void this.#write();
  }

  /** Writes whatever has gathered, in one statement at a time. */
  async #write(): Promise<void> {
    this.#writing = true;
    // Results of the same turn of the event loop belong into the same statement.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#finishes.length > 0) {
      const batch = this.#finishes;
      this.#finishes = [];
      try {
        const ours = await writeOutcomes(this.#options.pool, this.#owner, batch);
        for (const finish of batch) this.#written(finish, ours);
      } catch (error) {
        this.#options.log.warn(
          { err: messageOf(error), rows: batch.length },
          'results could not be written; tried again',
        );
        this.#finishes = batch.concat(this.#finishes);
        // After the last moment nobody keeps the database open: what is not written runs again elsewhere.
        if (this.#over) this.#finishes = [];
        else await pause(DATABASE_PAUSE_MS);
        this.#finishes = this.#finishes.filter((finish) => this.#isOurs(finish));
      }
      this.#settle();
      if (this.#window.wanted(false).walks.length > 0) void this.refill();
    }
    this.#writing = false;
    this.#settle();
  }

  /** After an error: results of shards that were lost meanwhile are of no use. */
  #isOurs({ row, epoch, running }: Finished): boolean {
    if (this.#window.shardOf(row, epoch)) return true;
    if (running) this.#running.delete(running);
    return false;
  }

  #written({ row, lane, epoch, outcome, running }: Finished, ours: ReadonlySet<number>): void {
    if (running) this.#running.delete(running);
    const shard = this.#window.shardOf(row, epoch);
    if (!shard) return;
    if (!ours.has(row.shard)) {
      this.#options.log.warn({ shard: row.shard, dispatch: String(row.id) }, 'a result was refused: the lease is lost');
      this.drop(row.shard);
    } else if (outcome.status === 'pending') {
      row.startedEpoch = null;
      setTimeout(() => {
        this.#window.untake(lane);
        this.#pump();
      }, outcome.waitMs);
    } else this.#window.finish(lane);
  }

  /** A row that could not be begun: what the database says about its shard is read again. */
  #forget(running: Running): void {
    const shard = this.#window.shardOf(running.row, running.epoch);
    if (shard) shard.complete = false;
    this.#leave(running);
  }

  /** The row is no longer this worker's concern; its lane goes on. */
  #leave(running: Running): void {
    this.#parsed.take(running.row.id);
    this.#running.delete(running);
    if (this.#window.shardOf(running.row, running.epoch)) this.#window.finish(running.lane);
  }

  #settle(): void {
    if (this.#aloneRuns && this.#running.size === 0) this.#aloneRuns = false;
    if (this.#running.size === 0 && !this.#starting && !this.#writing)
      for (const resolve of this.#quiet.splice(0)) resolve();
    this.#pump();
  }
}
