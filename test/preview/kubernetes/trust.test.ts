/** Commits of one pull request that may not meet: what is trusted, and what somebody approved of a stranger's (ADR 46). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { approveCommit } from '../../../src/accounts/access/trusted-commits.js';
import { createRig, eventually, type Rig, sha } from './rig.js';

const CONFIG = `preview:
  database: {engine: postgres}
  services:
    web:
      image: registry.example.com/web:{sha}
      port: 8080
`;

describe('a trusted commit and a stranger’s', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await createRig();
    rig.forge.config = CONFIG;
  });
  afterAll(() => rig.end());

  const approve = (number: number, commit: string) =>
    rig.store.tenant(rig.organizationId, (tx) =>
      approveCommit(
        tx,
        rig.organizationId,
        { repositoryId: rig.repositoryId, number, sha: commit },
        { name: 'forge:1', login: 'ada' },
      ),
    );
  const shown = (number: number, commit: string) =>
    eventually(
      async () => {
        const row = await rig.settled(number, 'ready');
        return row.observed_sha === commit && row.driver_state.serving?.sha === commit ? row : undefined;
      },
      () => rig.row(number),
    );
  const password = (name: string) => rig.api.store.get('Secret', name, 'database')?.data;
  /** What stands there that outlives a pod, or is read by one. */
  const standing = (name: string) => ({
    namespace: rig.api.store.get('Namespace', undefined, name)?.metadata.uid,
    database: rig.api.store.get('StatefulSet', name, 'database')?.metadata.uid,
    password: JSON.stringify(password(name)),
  });
  /** Everything of two places at once that was ever seen in the namespace, while `during` went on. */
  async function together(name: string, during: () => Promise<unknown>): Promise<string[]> {
    const seen = new Set<string>();
    const note = () => {
      const commits = rig.api.store
        .inNamespace(name)
        .map(({ metadata }) => metadata.annotations?.['forgeway.dev/commit'])
        .filter((one) => one !== undefined);
      seen.add([...new Set(commits)].sort().join(' '));
    };
    const stop = rig.api.store.subscribe(note);
    note();
    await during();
    stop();
    return [...seen].filter((one) => one.includes(' '));
  }

  it('are never in one namespace, nor at one database, whichever comes first; two trusted ones share both', async () => {
    const number = 1;
    await rig.want(number, sha('a'));
    const { name } = await shown(number, sha('a'));
    const first = standing(name);
    await rig.want(number, sha('b'));
    await shown(number, sha('b'));
    expect(standing(name)).toEqual(first);

    // A stranger's, from outside of the repository: the last trusted one serves on until it is approved.
    await rig.want(number, sha('c'), { fork: true });
    expect((await rig.settled(number, 'waiting')).driver_state.serving?.sha).toBe(sha('b'));
    expect(standing(name)).toEqual(first);
    await approve(number, sha('c'));
    const met = await together(name, async () => {
      await rig.ask(number, 'look-again');
      await shown(number, sha('c'));
    });
    expect(met).toEqual([]);
    const second = standing(name);
    for (const part of ['namespace', 'database', 'password'] as const) {
      expect(second[part]).toBeDefined();
      expect(second[part]).not.toBe(first[part]);
    }

    // And the other way round.
    const back = await together(name, async () => {
      await rig.want(number, sha('d'));
      await shown(number, sha('d'));
    });
    expect(back).toEqual([]);
    const third = standing(name);
    for (const part of ['namespace', 'database', 'password'] as const) expect(third[part]).not.toBe(second[part]);
    expect(rig.api.store.get('Namespace', undefined, name)?.metadata.labels?.['forgeway.dev/trust']).toBe('trusted');
  }, 120_000);

  it('approved for one commit is not approved to meet another', async () => {
    const number = 2;
    await rig.knows(number);
    await approve(number, sha('a'));
    await rig.want(number, sha('a'), { fork: true });
    const { name } = await shown(number, sha('a'));
    const first = standing(name);
    await approve(number, sha('b'));
    const met = await together(name, async () => {
      await rig.want(number, sha('b'), { fork: true });
      await shown(number, sha('b'));
    });
    expect(met).toEqual([]);
    const second = standing(name);
    for (const part of ['namespace', 'database', 'password'] as const) expect(second[part]).not.toBe(first[part]);
    // The same commit wakes with what it had.
    await rig.ask(number, 'sleep');
    await rig.settled(number, 'sleeping');
    await rig.ask(number, 'wake');
    await shown(number, sha('b'));
    expect(standing(name)).toEqual(second);
  }, 120_000);

  it('which is left of a commit that never came up goes, too', async () => {
    const number = 3;
    rig.api.setFate(({ owner }) => (owner.name.startsWith('web') ? 'crashes' : 'runs'));
    await rig.want(number, sha('a'));
    const { name } = await rig.settled(number, 'failed');
    const first = standing(name);
    expect(first.database).toBeDefined();
    rig.api.setFate(() => 'runs');
    await approve(number, sha('b'));
    await rig.want(number, sha('b'), { fork: true });
    await shown(number, sha('b'));
    const second = standing(name);
    for (const part of ['namespace', 'database', 'password'] as const) expect(second[part]).not.toBe(first[part]);
  }, 120_000);
});
