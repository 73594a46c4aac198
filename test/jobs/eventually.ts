import { PATIENCE_MS } from '../support/patience.js';

/** Polls until `holds` is true. Generous, since only the outcome is tested and never the speed. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string,
  { timeoutMs = PATIENCE_MS, everyMs = 20 } = {},
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
