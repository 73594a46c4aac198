/** A node keeps only so much of a pod's log, and answers no more than the newest file of it: what is lost is said. */
import { describe, expect, it } from '@jest/globals';
import { formats } from '../../src/effects/agents/formats/registry.js';
import { type KnownPlaces, readJobLines } from '../../src/effects/agents/job-lines.js';
import type { ClusterJobs } from '../../src/effects/kubernetes/job/cluster-jobs.js';
import { readPodLog } from '../../src/effects/kubernetes/job/pod-log.js';
import type { JobRecord } from '../../src/effects/kubernetes/job/records.js';
import { LOG_BEGINS } from '../../src/effects/kubernetes/job/scripts.js';

/** The newest file of a log, as a kubelet has it. */
function openLog() {
  let file: string[] = [];
  let printed = 0;
  const print = (text: string) => {
    const time = new Date(Date.UTC(2026, 0, 1, 0, 0, 0, 10 * printed)).toISOString();
    file.push(`${time.replace('Z', '000000Z')} ${text}\n`);
    printed += 1;
  };
  print(LOG_BEGINS);
  return {
    say: (from: number, to: number) => {
      for (let at = from; at <= to; at += 1) print(JSON.stringify({ type: 'message', text: `line ${at}` }));
    },
    rotate: () => {
      file = [];
    },
    logs: async ({ sinceTime = '1970-01-01T00:00:00Z', mostBytes = 0 }) =>
      Buffer.from(file.filter((line) => Date.parse(line.split(' ', 1)[0] ?? '') >= Date.parse(sinceTime)).join(''))
        .subarray(0, mostBytes)
        .toString(),
  };
}

/** Reads on as a session does, which keeps cursor and lines together. */
function openReader(log: ReturnType<typeof openLog>) {
  const jobs = {
    log: (_record: unknown, _pod: string, read: Parameters<typeof readPodLog>[2]) =>
      readPodLog(log, { namespace: 'n', pod: 'p', container: 'work' }, read),
  } as unknown as ClusterJobs;
  const state = { cursor: 0, places: [] as KnownPlaces, texts: [] as string[] };
  const page = () =>
    readJobLines({
      ...{ jobs, record: {} as JobRecord, pod: 'p', format: formats.forgeway, from: 0, limit: 7 },
      ...{ places: state.places, cursor: state.cursor, isWhole: false, mostBytes: 1e9 },
    });
  async function read(): Promise<string[]> {
    for (;;) {
      const lost = await page();
      // A worker that dies before it has written them down is followed by one that reads the same.
      const found = await page();
      expect(found).toEqual(lost);
      if (found.page.next === state.cursor) return state.texts.splice(0);
      state.cursor = found.page.next;
      state.places = found.places;
      state.texts.push(...found.page.events.map(({ event }) => ('text' in event ? event.text : event.type)));
    }
  }
  return { read };
}

const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `line ${from + at}`);
const lost = expect.stringMatching(/^Lines may be missing here/);

describe('lines of an agent on a cluster', () => {
  it('are all there, and nothing is said to be missing, while the log is whole', async () => {
    const log = openLog();
    const { read } = openReader(log);
    expect(await read()).toEqual([]);
    log.say(1, 20);
    expect(await read()).toEqual(lines(1, 20));
    log.say(21, 25);
    expect(await read()).toEqual(lines(21, 25));
  });

  it('are said to be missing, once and where they were, when the log was turned over before they were read', async () => {
    const log = openLog();
    const { read } = openReader(log);
    log.say(1, 20);
    expect(await read()).toEqual(lines(1, 20));
    log.say(21, 30);
    log.rotate();
    expect(await read()).toEqual([]);
    log.say(31, 60);
    expect(await read()).toEqual([lost, ...lines(31, 60)]);
    log.say(61, 62);
    expect(await read()).toEqual(lines(61, 62));
  });

  it('are said to be missing also when nobody has read the first of them', async () => {
    const log = openLog();
    const { read } = openReader(log);
    log.say(1, 20);
    log.rotate();
    log.say(21, 40);
    expect(await read()).toEqual([lost, ...lines(21, 40)]);
  });
});
