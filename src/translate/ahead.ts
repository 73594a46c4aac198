/** Most that is begun and not yet asked for. */
const MOST = 64;
/** What was begun longer ago is begun anew: meanwhile things may have changed. */
const FRESH_MS = 1_000;

interface Begun<T> {
  result: Promise<T>;
  at: number;
  controller: AbortController;
}

/**
 * What is begun before anybody can ask for it, so that it is done sooner. Each is asked for once at most; what nobody asks for
 * is given up and makes no difference, so that only reading may be begun in this way.
 */
export class Ahead<T> {
  readonly #begun = new Map<string, Begun<T>>();

  begin(key: string, run: (signal: AbortSignal) => Promise<T>): void {
    this.#giveUp(key);
    const [oldest] = this.#begun.keys();
    if (this.#begun.size >= MOST && oldest !== undefined) this.#giveUp(oldest);
    const controller = new AbortController();
    const result = run(controller.signal);
    // Whoever takes it hears of a failure; of what is given up nobody needs to.
    result.catch(() => undefined);
    this.#begun.set(key, { result, at: performance.now(), controller });
  }

  /** What was begun under this key, which `signal` ends from now on; undefined when nothing was, or too long ago. */
  take(key: string, signal: AbortSignal): Promise<T> | undefined {
    const found = this.#begun.get(key);
    if (found === undefined) return undefined;
    if (performance.now() - found.at > FRESH_MS) {
      this.#giveUp(key);
      return undefined;
    }
    this.#begun.delete(key);
    const { controller, result } = found;
    const end = () => controller.abort(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    return result;
  }

  #giveUp(key: string): void {
    this.#begun.get(key)?.controller.abort();
    this.#begun.delete(key);
  }
}
