/** A webhook at the repository and one at its organization: everything arrives twice, and happens once. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ConnectionRig, type DoubleForge, doubles, startConnectionRig } from './connection-rig.js';

describe.each(Object.entries(doubles))('hooks at two levels of %s', (_label, start) => {
  const state = {} as { rig: ConnectionRig; double: DoubleForge };
  beforeAll(async () => {
    state.rig = await startConnectionRig();
    state.double = await start(state.rig);
  });
  afterAll(async () => {
    expect(state.double.violations()).toEqual([]);
    await state.rig.close();
  });

  it('tell of each happening once, whichever comes first', async () => {
    const { rig, double } = state;
    const { forge, url, token } = double;
    double.own('acme');
    await rig.connect({ forge, url, token, repositories: ['acme/web'] });
    const above = await rig.connect({
      ...{ forge, url, token, repositories: ['acme/web'] },
      ...{ level: 'organization', organization: 'acme' },
    });
    expect(above.hooks.map(({ hook }) => [hook.scope, hook.target])).toEqual([['organization', 'acme']]);
    await rig.quiet();
    const newest = () =>
      rig.rows<{ id: string; scope: string; status: string; reason: string | null }>(
        `SELECT w.id::text, h.scope, w.status, w.reason FROM webhook_delivery w JOIN hook h ON h.id = w.hook_id
         WHERE w.source = 'webhook' ORDER BY w.id`,
      );
    const before = new Set((await newest()).map(({ id }) => id));
    const heard = () => rig.noted.filter(({ event }) => event === 'push').length;
    const heardBefore = heard();
    for (let count = 1; count <= 3; count += 1) {
      await double.push('acme/web');
      await rig.quiet();
      expect(heard()).toBe(heardBefore + count);
    }
    const arrived = (await newest()).filter(({ id }) => !before.has(id));
    expect(arrived.map(({ scope }) => scope).sort()).toEqual([
      ...['organization', 'organization', 'organization'],
      ...['repository', 'repository', 'repository'],
    ]);
    const ignored = arrived.filter(({ status }) => status === 'ignored');
    expect(ignored.map(({ reason }) => reason)).toEqual(Array(3).fill('another source reported the same before'));
    expect(arrived.filter(({ status }) => status === 'done')).toHaveLength(3);
  });
});
