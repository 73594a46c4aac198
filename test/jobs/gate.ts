/** Holds work back until the test lets some of it through, so that what is unfinished does not depend on speed. */
export interface Gate {
  /** Resolves when one may pass. */
  pass(): Promise<void>;
  /** How many wait. */
  waiting(): number;
  /** Lets so many through, now or when they come. */
  let(count: number): void;
  /** Lets everybody through from now on. */
  open(): void;
}

export function createGate(): Gate {
  const queue: (() => void)[] = [];
  const state = { permits: 0 };
  const move = () => {
    while (state.permits > 0 && queue.length > 0) {
      state.permits -= 1;
      queue.shift()?.();
    }
  };
  return {
    pass: () =>
      new Promise((resolve) => {
        queue.push(resolve);
        move();
      }),
    waiting: () => queue.length,
    let(count) {
      state.permits += count;
      move();
    },
    open() {
      state.permits = Number.POSITIVE_INFINITY;
      move();
    },
  };
}
