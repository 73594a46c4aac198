/** How far a long command has come: one line that is written over on a terminal, now and then a new one elsewhere. */

export interface Progress {
  /** `done` of the total. */
  at(done: number): void;
  /** Leaves the line, so that what is printed next does not run into it. */
  end(): void;
}

interface Output {
  isTTY?: boolean;
  write(text: string): unknown;
}

/** Lines that a log of a whole command may have. */
const LINES = 10;

/** @param text such as `queued`; it stands after the count */
export function startProgress(total: number, text: string, output: Output = process.stderr): Progress {
  const step = Math.max(1, Math.ceil(total / LINES));
  const state = { shown: -1 };
  return {
    at(done) {
      if (output.isTTY) output.write(`\r${done} of ${total} ${text}`);
      else if (done - state.shown >= step || done === total) output.write(`${done} of ${total} ${text}\n`);
      else return;
      state.shown = done;
    },
    end() {
      if (output.isTTY && state.shown >= 0) output.write('\n');
    },
  };
}
