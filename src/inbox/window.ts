import { repositoryOf } from './lane.js';
import { START, type Walk, type Walked } from './load-pending.js';
import { Rota, type RotaLane } from './rota.js';
import type { LaneRow } from './row.js';
import type { Slots } from './slots.js';

/** A lane in memory: rows in order, the first of them running when it is busy. */
export interface Lane extends RotaLane {
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
  /** Rows by repository and by organization. */
  held: Map<string, number>;
  /** It has more repositories than one walk sees. */
  crowded: boolean;
  /** Where the next reading goes on, by organization and by repository. */
  afterOrganization: number;
  afterRepository: number;
}

/** More would only be memory: rows are read again from the database as these are done. */
const MOST_PER_LANE = 8;
const MOST_PER_SHARD = 40;
/** One repository, and one organization, leave room for others, who are found at the next reading. */
const MOST_PER_REPOSITORY = 32;
const MOST_PER_ORGANIZATION = 36;
const FEW_PER_SHARD = 16;

/** The rows of our shards that are next in line, and no more of them than fit. */
export class Window {
  readonly shards = new Map<number, Shard>();
  readonly #ids = new Set<bigint>();
  #generation = 0;
  readonly #ready = new Rota<Lane>();

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
      held: new Map(),
      crowded: false,
      afterOrganization: START,
      afterRepository: START,
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
          count(shard, lane, -1);
        }
        if (!lane.busy) shard.lanes.delete(lane.key);
      }
    }
  }

  /** Whether anything waits for a slot. */
  get hasReady(): boolean {
    return !this.#ready.isEmpty;
  }

  /** The lease under which a new row of this lane would be the first in line; undefined when it would have to wait. */
  freeLane(number: number, lane: string): bigint | undefined {
    const shard = this.shards.get(number);
    return shard?.complete && !shard.closing && !shard.lanes.has(lane) ? shard.epoch : undefined;
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
      organizationId: row.organizationId,
      repository: repositoryOf(row.lane),
      rows: [],
      busy: false,
      behind: false,
    };
    if (lane.rows.length >= MOST_PER_LANE) {
      lane.behind = true;
      return false;
    }
    const full =
      shard.size >= MOST_PER_SHARD ||
      (shard.held.get(lane.repository) ?? 0) >= MOST_PER_REPOSITORY ||
      (shard.held.get(lane.organizationId) ?? 0) >= MOST_PER_ORGANIZATION;
    if (full) {
      shard.complete = false;
      return false;
    }
    shard.lanes.set(row.lane, lane);
    lane.rows.push(row);
    count(shard, lane, 1);
    this.#ids.add(row.id);
    if (!lane.busy) this.#ready.add(lane);
    return true;
  }

  /** As {@link add}, for a row that is newer than all others: only when none of them is still unread. */
  addNewest(row: LaneRow): boolean {
    const shard = this.shards.get(row.shard);
    if (!shard) return false;
    if (shard.complete && !shard.lanes.get(row.lane)?.behind && this.add(row)) return true;
    // Also for want of room: a reading that is under way began before this row was there, and knows nothing of it.
    shard.missed = true;
    return false;
  }

  /**
   * The next lane that has something to run and a slot to run in, in turn. It is busy from now on. What has its share of
   * the slots waits while there is anything else.
   */
  take(slots: Slots): { lane: Lane; row: LaneRow; epoch: bigint } | undefined {
    return this.#take(slots, true) ?? this.#take(slots, false);
  }

  #take(slots: Slots, othersWait: boolean): { lane: Lane; row: LaneRow; epoch: bigint } | undefined {
    const lane = this.#ready.next(
      (repository) => slots.hasRepository(repository, othersWait),
      ({ shard, rows: [row] }) =>
        row !== undefined && this.shards.get(shard)?.closing === false && slots.hasApp(row.app, othersWait),
    );
    const row = lane?.rows[0];
    const shard = lane && this.shards.get(lane.shard);
    if (!lane || !row || !shard) return undefined;
    lane.busy = true;
    slots.take(row);
    return { lane, row, epoch: shard.epoch };
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
      count(shard, lane, -1);
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

  /** What should be read from the database next: walks of shards (of every one with room when `all`), and full lanes. */
  wanted(all: boolean): { walks: Walk[]; fullLanes: string[] } {
    const walks: Walk[] = [];
    const fullLanes: string[] = [];
    for (const shard of this.shards.values()) {
      if (shard.closing) continue;
      let hungry = all || (!shard.complete && shard.size <= FEW_PER_SHARD);
      for (const lane of shard.lanes.values()) {
        if (lane.behind && lane.rows.length <= MOST_PER_LANE / 2) hungry = true;
        if (lane.rows.length >= MOST_PER_LANE) fullLanes.push(lane.key);
      }
      const room = MOST_PER_SHARD - shard.size;
      if (hungry && room > 0) walks.push(...walksOf(shard, room));
    }
    return { walks, fullLanes };
  }

  /** Reading of what is wanted begins now: rows that are turned away from here on are not part of it. */
  beginReading(wanted: ReturnType<Window['wanted']>): void {
    for (const { shard: number } of wanted.walks) {
      const shard = this.shards.get(number);
      if (shard) shard.missed = false;
    }
  }

  /** Takes in what was read for {@link wanted}. Rows that do not fit stay in the database. */
  fill(wanted: ReturnType<Window['wanted']>, walked: readonly Walked[]): void {
    const full = new Set(wanted.fullLanes);
    for (const [at, walk] of wanted.walks.entries()) {
      const shard = this.shards.get(walk.shard);
      const found = walked[at];
      if (!shard || !found) continue;
      if (walk.by === 'organization') shard.afterOrganization = found.next;
      else {
        shard.afterRepository = found.next;
        shard.crowded = !found.sawAll;
        shard.complete = found.everything && !shard.missed;
      }
      if (!shard.complete) continue;
      for (const lane of shard.lanes.values()) {
        lane.behind = full.has(lane.key);
        if (lane.rows.length === 0 && !lane.behind && !lane.busy) shard.lanes.delete(lane.key);
      }
    }
    for (const { rows } of walked) for (const row of rows) this.add(row);
  }
}

/** While one walk sees every repository there is, each is served in turn, and organizations need none of their own. */
function walksOf({ number, crowded, afterOrganization, afterRepository }: Shard, room: number): Walk[] {
  if (!crowded) return [{ shard: number, by: 'repository', after: START, room }];
  const half = Math.ceil(room / 2);
  return [
    { shard: number, by: 'organization', after: afterOrganization, room: half },
    { shard: number, by: 'repository', after: afterRepository, room: half },
  ];
}

function count(shard: Shard, lane: Lane, change: 1 | -1): void {
  shard.size += change;
  for (const key of [lane.repository, lane.organizationId]) {
    const held = (shard.held.get(key) ?? 0) + change;
    if (held === 0) shard.held.delete(key);
    else shard.held.set(key, held);
  }
}
