import type { LaneRow } from './row.js';

/** A lane in memory: rows in order, the first of them running when it is busy. */
export interface Lane {
  key: string;
  shard: number;
  rows: LaneRow[];
  busy: boolean;
  /** The database has more rows of this lane than fit here; later ones must not overtake them. */
  behind: boolean;
}

export interface Shard {
  number: number;
  /** Epoch of our lease. Every write carries it. */
  epoch: bigint;
  /** Every pending row of the shard is in memory, so that new ones may be added straight away. */
  complete: boolean;
  /** A new row was turned away since the last reading began, so that reading cannot have made it complete. */
  missed: boolean;
  /** Being given to another worker: what runs may end, nothing new begins. */
  closing: boolean;
  lanes: Map<string, Lane>;
  size: number;
}

/** More would only be memory: rows are read again from the database as these are done. */
const MOST_PER_LANE = 8;
const MOST_PER_SHARD = 32;

/** The rows of our shards that are next in line, and no more of them than fit. */
export class Window {
  readonly shards = new Map<number, Shard>();
  readonly #ids = new Set<bigint>();
  #generation = 0;
  readonly #ready = new Set<Lane>();

  /** Grows with every {@link forgetWaiting}: what was read before is out of date. */
  get generation(): number {
    return this.#generation;
  }

  get ids(): bigint[] {
    return [...this.#ids];
  }

  open(number: number, epoch: bigint): void {
    this.shards.set(number, {
      number,
      epoch,
      complete: false,
      missed: false,
      closing: false,
      lanes: new Map(),
      size: 0,
    });
  }

  /** Forgets a shard and everything in it. */
  drop(number: number): void {
    const shard = this.shards.get(number);
    if (!shard) return;
    this.shards.delete(number);
    for (const lane of shard.lanes.values()) {
      this.#ready.delete(lane);
      for (const row of lane.rows) this.#ids.delete(row.id);
    }
  }

  /**
   * Forgets every row that has not been taken, so that all are read again in their order: rows may have come between that are
   * older than these.
   */
  forgetWaiting(): void {
    this.#generation += 1;
    this.#ready.clear();
    for (const shard of this.shards.values()) {
      shard.complete = false;
      shard.missed = true;
      for (const lane of [...shard.lanes.values()]) {
        for (const row of lane.rows.splice(lane.busy ? 1 : 0)) {
          this.#ids.delete(row.id);
          shard.size -= 1;
        }
        if (!lane.busy) shard.lanes.delete(lane.key);
      }
    }
  }

  /** The shard of a row, when the row is still in this window under the same lease. */
  shardOf(row: LaneRow, epoch: bigint): Shard | undefined {
    const shard = this.shards.get(row.shard);
    return shard?.epoch === epoch ? shard : undefined;
  }

  /** Adds a row behind the others of its lane. False when it must be read from the database later instead. */
  add(row: LaneRow): boolean {
    const shard = this.shards.get(row.shard);
    if (!shard) return false;
    if (this.#ids.has(row.id)) return true;
    const lane = shard.lanes.get(row.lane) ?? {
      key: row.lane,
      shard: row.shard,
      rows: [],
      busy: false,
      behind: false,
    };
    if (lane.rows.length >= MOST_PER_LANE) {
      lane.behind = true;
      return false;
    }
    if (shard.size >= MOST_PER_SHARD) {
      shard.complete = false;
      return false;
    }
    shard.lanes.set(row.lane, lane);
    lane.rows.push(row);
    shard.size += 1;
    this.#ids.add(row.id);
    if (!lane.busy) this.#ready.add(lane);
    return true;
  }

  /** As {@link add}, for a row that is newer than all others: only when none of them is still unread. */
  addNewest(row: LaneRow): boolean {
    const shard = this.shards.get(row.shard);
    if (!shard) return false;
    if (shard.complete && !shard.lanes.get(row.lane)?.behind) return this.add(row);
    shard.missed = true;
    return false;
  }

  /** The next lane that has something to run, in turn. It is busy from now on. */
  take(): { lane: Lane; row: LaneRow; epoch: bigint } | undefined {
    for (const lane of this.#ready) {
      const shard = this.shards.get(lane.shard);
      const row = lane.rows[0];
      if (!shard || !row) this.#ready.delete(lane);
      else if (!shard.closing) {
        this.#ready.delete(lane);
        lane.busy = true;
        return { lane, row, epoch: shard.epoch };
      }
    }
    return undefined;
  }

  /** Puts a lane back that was taken and did not run. */
  untake(lane: Lane): void {
    lane.busy = false;
    if (this.shards.get(lane.shard)?.lanes.get(lane.key) === lane) this.#ready.add(lane);
  }

  /** The first row of the lane is over; the next one may go. */
  finish(lane: Lane): void {
    const shard = this.shards.get(lane.shard);
    if (shard?.lanes.get(lane.key) !== lane) return;
    const row = lane.rows.shift();
    if (row) {
      this.#ids.delete(row.id);
      shard.size -= 1;
    }
    lane.busy = false;
    if (lane.rows.length > 0) this.#ready.add(lane);
    else if (!lane.behind) shard.lanes.delete(lane.key);
  }

  /** True when no row of the shard runs. */
  isQuiet(shard: Shard): boolean {
    for (const lane of shard.lanes.values()) if (lane.busy) return false;
    return true;
  }

  /** What should be read from the database next: shards with their room (every one with any when `all`), and full lanes. */
  wanted(all: boolean): { shards: { shard: number; room: number }[]; fullLanes: string[] } {
    const shards: { shard: number; room: number }[] = [];
    const fullLanes: string[] = [];
    for (const shard of this.shards.values()) {
      if (shard.closing) continue;
      let hungry = all || (!shard.complete && shard.size <= MOST_PER_SHARD / 2);
      for (const lane of shard.lanes.values()) {
        if (lane.behind && lane.rows.length <= MOST_PER_LANE / 2) hungry = true;
        if (lane.rows.length >= MOST_PER_LANE) fullLanes.push(lane.key);
      }
      const room = MOST_PER_SHARD - shard.size;
      if (!hungry || room <= 0) continue;
      shards.push({ shard: shard.number, room });
    }
    return { shards, fullLanes };
  }

  /** Reading of what is wanted begins now: rows that are turned away from here on are not part of it. */
  beginReading(wanted: ReturnType<Window['wanted']>): void {
    for (const { shard: number } of wanted.shards) {
      const shard = this.shards.get(number);
      if (shard) shard.missed = false;
    }
  }

  /** Takes in what was read for {@link wanted}. Rows that do not fit stay in the database. */
  fill(wanted: ReturnType<Window['wanted']>, rows: readonly LaneRow[]): void {
    const read = new Map<number, number>();
    for (const row of rows) read.set(row.shard, (read.get(row.shard) ?? 0) + 1);
    const full = new Set(wanted.fullLanes);
    for (const { shard: number, room } of wanted.shards) {
      const shard = this.shards.get(number);
      if (!shard) continue;
      shard.complete = (read.get(number) ?? 0) < room && !shard.missed;
      if (!shard.complete) continue;
      for (const lane of shard.lanes.values()) {
        lane.behind = full.has(lane.key);
        if (lane.rows.length === 0 && !lane.behind && !lane.busy) shard.lanes.delete(lane.key);
      }
    }
    for (const row of rows) this.add(row);
  }
}
