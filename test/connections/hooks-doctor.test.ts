/** What may become of a webhook at its forge, and that it delivers again afterwards. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ConnectionRig, type DoubleForge, doubles, startConnectionRig } from './connection-rig.js';

describe.each(Object.entries(doubles))('hooks doctor on %s', (_label, start) => {
  const state = {} as { rig: ConnectionRig; double: DoubleForge };
  beforeAll(async () => {
    state.rig = await startConnectionRig();
    state.double = await start(state.rig);
    const { forge, url, token } = state.double;
    await state.rig.connect({ forge, url, token, repositories: ['acme/web'] });
  });
  afterAll(async () => {
    expect(state.double.violations()).toEqual([]);
    await state.rig.close();
  });
  const hook = () => {
    const [only] = state.double.hooksOf('acme/web');
    if (only === undefined) throw new Error('no hook');
    return only;
  };
  const arrived = async () => (await state.rig.rows(`SELECT FROM webhook_delivery WHERE source = 'webhook'`)).length;

  it('finds nothing where nothing is wrong, and says so after a test delivery', async () => {
    expect(await state.rig.doctor()).toMatchObject([{ state: 'ok', fix: '' }]);
    const [found] = await state.rig.doctor({ test: true });
    expect(found?.finding).toMatch(/a test delivery arrived/);
  });

  const defects: [string, RegExp, () => unknown, { test?: boolean }?][] = [
    ['is gone', /no such webhook any more/, () => state.double.hooksOf('acme/web').splice(0)],
    [
      'points elsewhere',
      /It points to http:\/\/127\.0\.0\.1:9\/elsewhere/,
      () => Object.assign(hook(), { url: 'http://127.0.0.1:9/elsewhere' }),
    ],
    [
      'tells of pushes only',
      /It was told to leave out .*issues/,
      () => Object.assign(hook(), { events: Array.isArray(hook().events) ? ['push'] : { push_events: true } }),
    ],
    [
      'tells of some branches only',
      /It was told to leave out .*branches other than release\/\*/,
      () => state.double.filterBranches('acme/web', 'release/*'),
    ],
    [
      'is there twice',
      /2 webhooks point to the same address/,
      () => state.double.hooksOf('acme/web').push({ ...structuredClone(hook()), id: 98_765 }),
    ],
    ['has another secret', /A test delivery did not arrive/, () => state.double.spoil('acme/web'), { test: true }],
  ];

  it.each(defects)('mends one that %s', async (_what, finding, spoil, options = {}) => {
    const { rig, double } = state;
    await spoil();
    expect(await rig.doctor(options)).toMatchObject([
      { state: 'problem', finding: expect.stringMatching(finding), fix: expect.stringMatching(/--repair/) },
    ]);
    const [mended] = await rig.doctor({ ...options, repair: true });
    expect(mended).toMatchObject({ state: 'repaired', fix: '' });
    expect(mended?.finding).toMatch(/A test delivery arrived\.$/);
    expect(double.hooksOf('acme/web')).toHaveLength(1);
    const before = await arrived();
    await double.push('acme/web');
    expect(await arrived()).toBe(before + 1);
    expect(await rig.doctor({ test: true })).toMatchObject([{ state: 'ok' }]);
  });

  it('says of a delivery that did not arrive which setting of the forge may hold it back', async () => {
    await state.double.spoil('acme/web');
    const [found] = await state.rig.doctor({ test: true });
    expect(found?.fix).toMatch(/list of recent deliveries.*an administrator/);
  });

  it('takes up a hook whose making was interrupted before its id was noted', async () => {
    const { rig, double } = state;
    await rig.rows(`UPDATE hook SET remote_hook_id = NULL WHERE target = 'acme/web'`);
    const { forge, url, token } = double;
    expect(await rig.connect({ forge, url, token, repositories: ['acme/web'] })).toMatchObject({ problems: [] });
    expect(double.hooksOf('acme/web')).toHaveLength(1);
  });

  it('says that the token is refused, which a new one mends', async () => {
    const { rig, double } = state;
    double.revoke();
    const [found] = await rig.doctor({ repair: true });
    expect(found).toMatchObject({ state: 'problem', fix: expect.stringMatching(/connections add/) });
    expect(await rig.rows('SELECT status FROM connection')).toEqual([{ status: 'revoked' }]);
  });
});

describe('hooks doctor on a GitLab', () => {
  it('replaces a webhook that GitLab switched off, and leaves alone what it cannot test', async () => {
    const rig = await startConnectionRig();
    try {
      const { fake, url } = await rig.startGitLab();
      const { gitlab } = await import('../../src/forges/gitlab/forge.js');
      const admin = fake.addUser({ username: 'root', admin: true, token: 'glpat-admin-token' });
      expect(fake.state.admins.has(admin.id)).toBe(true);
      const connected = await rig.connect({ forge: gitlab, url, token: 'glpat-admin-token', level: 'system' });
      expect(connected).toMatchObject({ problems: [], hooks: [{ hook: { scope: 'system', target: '' } }] });
      expect(connected.hooks[0]?.arrived).toBeUndefined();
      expect(rig.said.join('\n')).toMatch(/The token belongs to root, a person/);
      fake.state.systemHooks.splice(0);
      expect(await rig.doctor({ repair: true })).toMatchObject([{ target: '(whole server)', state: 'repaired' }]);
      expect(fake.state.systemHooks).toHaveLength(1);
    } finally {
      await rig.close();
    }
  });
});
