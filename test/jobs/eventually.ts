import { PATIENCE_MS } from '../support/patience.js';

/** The longest pause between two questions: what takes long is not asked for so often. */
const SELDOM_MS = 100;

/** Polls until `holds` is true. Generous, since only the outcome is tested and never the speed. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string,
  { timeoutMs = PATIENCE_MS, everyMs = 20 } = {},
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let pauseMs = everyMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.max(everyMs, Math.min(SELDOM_MS, pauseMs * 1.2));
  }
}
