/** Builds that something kept from ending which passes, and builds that failed: the former are begun again, a few times. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ReportRow } from '../../../src/jobs/report/desired.js';
import type { Fate } from '../../support/kubernetes-api/pod-life.js';
import { createRig, eventually, IMAGE_CONFIG, type Rig, sha } from './rig.js';

const BUILT_CONFIG = IMAGE_CONFIG.replace('image: registry.example.com/web:{sha}', 'build: {dockerfile: Dockerfile}');
const AWAY =
  'error: failed to solve: failed to push registry.example.com/web: failed to do request: dial tcp 192.0.2.1:443: i/o timeout';
const OWN = 'error: failed to solve: process "/bin/sh -c npm test" did not complete successfully: exit code: 1';

let rig: Rig;
let builds: string[];
let fate: (attempt: number) => Fate;
let print: string;
async function begin(againAfterMs?: readonly number[]): Promise<void> {
  builds = [];
  rig = await createRig({
    ...(againAfterMs && { againAfterMs }),
    api: {
      fate: ({ owner }) => {
        if (owner.kind !== 'Job') return 'runs';
        if (!builds.includes(owner.name)) builds.push(owner.name);
        return fate(builds.indexOf(owner.name) + 1);
      },
      log: ({ owner }) => (owner.kind === 'Job' ? `#1 building\n${print}\n` : 'hello\n'),
    },
  });
  rig.forge.config = BUILT_CONFIG;
}
afterEach(() => rig.end());

describe('a build', () => {
  it('that a registry kept from ending is begun again by itself, and said so in comment and status', async () => {
    await begin([300, 300, 300]);
    [fate, print] = [(attempt) => (attempt < 3 ? 'fails' : 'succeeds'), AWAY];
    await rig.want(1, sha('a'));
    const told = await eventually(async () => {
      const line: ReportRow | undefined = await rig.comment(1);
      return line?.note === undefined ? undefined : line;
    });
    expect(told.status).toBe('Building');
    expect(told.note).toMatch(
      /^Not this commit’s fault: built again in \d+ s, for the 2\. of 4 times\. .*i\/o timeout$/,
    );
    const status = await rig.status(1);
    expect([status?.state, status?.description]).toEqual([
      'pending',
      expect.stringContaining('Not this commit’s fault'),
    ]);
    const row = await rig.settled(1, 'ready');
    expect(builds).toHaveLength(3);
    expect(row.message).toBeNull();
    expect(await rig.status(1)).toMatchObject({ state: 'success' });
    // What was begun in vain is gone.
    expect(rig.api.store.list('Job', row.name).map(({ metadata }) => metadata.name)).toEqual([builds[2]]);
  }, 60_000);

  it('is not begun again without end; a rebuild begins to count anew', async () => {
    await begin();
    [fate, print] = [() => 'fails', AWAY];
    await rig.want(1, sha('a'));
    const row = await rig.settled(1, 'failed');
    expect(builds).toHaveLength(4);
    expect(row.message).toMatch(
      /i\/o timeout\. This is not the commit’s fault, and came 4 times; `\/preview rebuild` tries it again$/,
    );
    expect(await rig.status(1)).toMatchObject({ state: 'failure' });
    // Another look is no other try.
    await rig.ask(1, 'look-again');
    await rig.settled(1, 'failed');
    expect(builds).toHaveLength(4);
    await rig.askByHand(1, 'rebuild');
    await eventually(async () => builds.length === 8);
    await rig.settled(1, 'failed');
    expect(builds).toHaveLength(8);
  }, 60_000);

  it('that failed by itself is begun once, whatever its commands printed', async () => {
    await begin();
    [fate, print] = [() => 'fails', `dial tcp: i/o timeout\n${OWN}`];
    await rig.want(1, sha('a'));
    const row = await rig.settled(1, 'failed');
    expect(builds).toHaveLength(1);
    expect(row.message).not.toContain('fault');
    expect(row.message).toContain('did not complete successfully');
  }, 60_000);

  it('that waits to be begun again makes way for another commit, and for the end', async () => {
    await begin([600_000]);
    [fate, print] = [(attempt) => (attempt === 2 ? 'succeeds' : 'fails'), AWAY];
    await rig.want(1, sha('a'));
    await eventually(async () => (await rig.comment(1))?.note?.includes('built again'));
    await rig.want(1, sha('b'));
    expect((await rig.settled(1, 'ready')).observed_sha).toBe(sha('b'));
    await rig.want(1, sha('c'));
    await eventually(async () => (await rig.comment(1))?.note?.includes('built again'));
    await rig.close(1);
    await rig.settled(1, 'gone');
    expect(builds).toHaveLength(3);
  }, 60_000);
});
