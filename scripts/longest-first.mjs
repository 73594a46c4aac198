// The order in which Jest starts test files: the longest first, so that none of them runs alone at the end while the other cores
// have nothing to do. Jest does the same once it has run everything; in a fresh clone it goes by the size of files, and what
// has run before comes last.
import TestSequencer from '@jest/test-sequencer';

/** Seconds that the slowest files took beside the others. Only their order counts, and only until they have run once. */
export const SLOW = {
  'test/e2e/demo.test.ts': 546,
  'test/preview/preview.test.ts': 417,
  'test/canaries/canaries.test.ts': 375,
  'test/preview/sandbox.test.ts': 195,
  'test/e2e/server.test.ts': 166,
  'test/translate/journal-forges.test.ts': 127,
  'test/e2e/connections.test.ts': 126,
  'test/agent-sessions/assignments.test.ts': 125,
  'test/agent-sessions/stopping.test.ts': 125,
  'test/agent-sessions/leases.test.ts': 115,
  'test/e2e/agent-races.test.ts': 115,
  'test/conformance/forge/effects.test.ts': 113,
  'test/fuzz/fuzz.test.ts': 113,
  'test/poll/lossy.test.ts': 100,
  'test/api/pull-requests.test.ts': 98,
  'test/conformance/forge/hostile.test.ts': 94,
  'test/translate/faults-of-gitea.test.ts': 94,
  'test/translate/faults-of-gitlab.test.ts': 91,
  'test/poll/polling.test.ts': 130,
  'test/store/embedded-postgres-crashes.test.ts': 87,
  'test/jobs/queue-is-a-hint.test.ts': 79,
  'test/agents/killed-cluster-workers.test.ts': 81,
  'test/run/crash-points.test.ts': 76,
  'test/agent-sessions/story.test.ts': 69,
  'test/preview/kubernetes/faults.test.ts': 58,
  'test/agent-sessions/killed-steps.test.ts': 60,
  'test/agent-sessions/pushing.test.ts': 55,
  'test/preview/kubernetes/told.test.ts': 55,
  'test/preview/kubernetes/orders.test.ts': 52,
};

const BYTES_PER_SECOND = 1_000;
const MOST_OF_UNKNOWN = 50;

export default class LongestFirst extends TestSequencer {
  /** Those that failed the last time are looked at first, whatever they take. */
  sort(tests) {
    const places = tests.map((test) => {
      test.duration = this.time(test);
      return { test, failed: this.hasFailed(test), seconds: this.secondsOf(test) };
    });
    places.sort((a, b) => Number(b.failed) - Number(a.failed) || b.seconds - a.seconds);
    return places.map(({ test }) => test);
  }

  /** As it was measured; or as told above; or by the size of the file, as Jest does, below all of those. */
  secondsOf(test) {
    const { config, hasteFS } = test.context;
    if (test.duration !== undefined) return test.duration / 1_000;
    const file = test.path.slice(config.rootDir.length + 1).replaceAll('\\', '/');
    return SLOW[file] ?? Math.min(MOST_OF_UNKNOWN, (hasteFS.getSize(test.path) ?? 0) / BYTES_PER_SECOND);
  }
}
