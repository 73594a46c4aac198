/**
 * Commits of one pull request that may not meet: what is trusted, and what somebody approved of a stranger's (ADR 46); on whichever
 * Kubernetes API the tests run against.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { approveCommit } from '../../../src/accounts/access/trusted-commits.js';
import type { ApiObject } from '../../support/kubernetes-api/objects.js';
import type { KubernetesApiOptions } from '../../support/kubernetes-api/server.js';
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
  type Fate = NonNullable<KubernetesApiOptions['fate']>;
  let fate: Fate = () => 'runs';
  beforeAll(async () => {
    rig = await createRig({
      on: 'chosen, told',
      api: { fate: (...pod) => fate(...pod) },
      timeoutMs: 10_000,
      readyTimeoutSeconds: 60,
    });
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
  /** What stands there that outlives a pod, or is read by one. */
  async function standing(name: string) {
    const { behind } = rig.chosen;
    const [namespace, database, password] = await Promise.all([
      behind.get('Namespace', undefined, name),
      behind.get('StatefulSet', name, 'database'),
      behind.get('Secret', name, 'database'),
    ]);
    return {
      namespace: namespace?.metadata.uid,
      database: database?.metadata.uid,
      password: password && JSON.stringify(password.data),
    };
  }
  /** Commits whose objects were ever seen in the namespace beside those of this one, while `during` went on. */
  async function together(name: string, commit: string, during: () => Promise<unknown>): Promise<string[]> {
    const seen = new Set<string>();
    const note = (all: readonly ApiObject[]) => {
      const commits = all
        .map(({ metadata }) => metadata.annotations?.['forgeway.dev/commit'])
        .filter((one) => one !== undefined);
      seen.add([...new Set(commits)].sort().join(' '));
    };
    const { memory, behind } = rig.chosen;
    // That in memory tells each change; a real one is looked at again and again.
    const stop = memory?.store.subscribe(() => note(memory.store.inNamespace(name)));
    let isOver = false;
    const looking = (async () => {
      while (!isOver) {
        note(await behind.everything(name));
        await sleep(20);
      }
    })();
    const done = during().finally(() => {
      isOver = true;
    });
    await Promise.all([done, looking]);
    stop?.();
    return [...seen].filter((one) => one.includes(' ') && one.includes(commit));
  }

  it('are never in one namespace, nor at one database, whichever comes first; two trusted ones share both', async () => {
    const number = 1;
    await rig.want(number, sha('a'));
    const { name } = await shown(number, sha('a'));
    const first = await standing(name);
    await rig.want(number, sha('b'));
    await shown(number, sha('b'));
    expect(await standing(name)).toEqual(first);

    // A stranger's, from outside of the repository: the last trusted one serves on until it is approved.
    await rig.want(number, sha('c'), { fork: true });
    expect((await rig.settled(number, 'waiting')).driver_state.serving?.sha).toBe(sha('b'));
    expect(await standing(name)).toEqual(first);
    await approve(number, sha('c'));
    const met = await together(name, sha('c'), async () => {
      await rig.ask(number, 'look-again');
      await shown(number, sha('c'));
    });
    expect(met).toEqual([]);
    const second = await standing(name);
    for (const part of ['namespace', 'database', 'password'] as const) {
      expect(second[part]).toBeDefined();
      expect(second[part]).not.toBe(first[part]);
    }

    // And the other way round.
    const back = await together(name, sha('d'), async () => {
      await rig.want(number, sha('d'));
      await shown(number, sha('d'));
    });
    expect(back).toEqual([]);
    const third = await standing(name);
    for (const part of ['namespace', 'database', 'password'] as const) expect(third[part]).not.toBe(second[part]);
    const namespace = await rig.chosen.behind.get('Namespace', undefined, name);
    expect(namespace?.metadata.labels?.['forgeway.dev/trust']).toBe('trusted');
  }, 300_000);

  it('approved for one commit is not approved to meet another', async () => {
    const number = 2;
    await rig.knows(number);
    await approve(number, sha('a'));
    await rig.want(number, sha('a'), { fork: true });
    const { name } = await shown(number, sha('a'));
    const first = await standing(name);
    await approve(number, sha('b'));
    const met = await together(name, sha('b'), async () => {
      await rig.want(number, sha('b'), { fork: true });
      await shown(number, sha('b'));
    });
    expect(met).toEqual([]);
    const second = await standing(name);
    for (const part of ['namespace', 'database', 'password'] as const) expect(second[part]).not.toBe(first[part]);
    // The same commit wakes with what it had.
    await rig.ask(number, 'sleep');
    await rig.settled(number, 'sleeping');
    await rig.ask(number, 'wake');
    await shown(number, sha('b'));
    expect(await standing(name)).toEqual(second);
  }, 300_000);

  it('which is left of a commit that never came up goes, too', async () => {
    const number = 3;
    fate = ({ owner }) => (owner.name.startsWith('web') ? 'crashes' : 'runs');
    await rig.want(number, sha('a'));
    const { name } = await rig.settled(number, 'failed');
    const first = await standing(name);
    expect(first.database).toBeDefined();
    fate = () => 'runs';
    await approve(number, sha('b'));
    await rig.want(number, sha('b'), { fork: true });
    await shown(number, sha('b'));
    const second = await standing(name);
    for (const part of ['namespace', 'database', 'password'] as const) expect(second[part]).not.toBe(first[part]);
  }, 300_000);
});
