/** What a run against a cluster leaves out and why; scripts/test-kubernetes.mjs prints it when it ends. */
import { appendFileSync } from 'node:fs';

export function leaveOut(what: string, why: string): void {
  const file = process.env.FORGEWAY_TEST_LEFT_OUT;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ what, why })}\n`);
}
