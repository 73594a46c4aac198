import type { JsonObject } from '../forges/forge.js';

/** What was parsed takes several times the room of its body: only for rows that are about to run. */
const MOST = 192;
/** With no more than these there is room for what the assigner takes in at a time. */
const ROOM_AT = 64;

/** What the assigner parsed, by row, until the row runs. A row that is not found here is parsed again. */
export class Parsed {
  readonly #payloads = new Map<bigint, JsonObject>();
  #hasRoom: (() => void) | undefined;

  keep(id: bigint, payload: JsonObject): void {
    if (this.#payloads.size < MOST) this.#payloads.set(id, payload);
  }

  /** Hands it out, once. */
  take(id: bigint): JsonObject | undefined {
    const payload = this.#payloads.get(id);
    this.#payloads.delete(id);
    if (this.#payloads.size <= ROOM_AT) this.#hasRoom?.();
    return payload;
  }

  /** For when rows are let go of that did not run. */
  clear(): void {
    this.#payloads.clear();
    this.#hasRoom?.();
  }

  /**
   * Waits until most have been taken, at most `ms`. An assigner that runs ahead of the handlers makes work: what does not fit in
   * memory is read, unpacked and parsed once more.
   */
  async room(ms: number): Promise<void> {
    if (this.#payloads.size <= ROOM_AT) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#hasRoom = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hasRoom = undefined;
  }
}
