/** What GitLab could not deliver arrives all the same, once, and a hook that was switched off is switched on again. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { gitea } from '../../src/forges/gitea/forge.js';
import type { Hook, Project } from '../../src/forges/gitlab/fake/state.js';
import type { GitLabFake } from '../../src/forges/gitlab/fake.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { type ConnectionRig, doubles, startConnectionRig } from '../connections/connection-rig.js';
import { type RecoveryRig, watchOver } from './recovery-rig.js';

describe('a GitLab’s hook', () => {
  let rig: ConnectionRig;
  let watch: RecoveryRig;
  let fake: GitLabFake;
  let project: Project;
  let hook: Hook;
  /** Moves GitLab's clock forward. */
  const clock = { ahead: 0 };
  const start = async (version?: string) => {
    clock.ahead = 0;
    const played = await rig.startGitLab({
      autoDisablesHooks: true,
      clock: () => new Date(Date.now() + clock.ahead),
      ...(version && { version }),
    });
    fake = played.fake;
    await rig.connect({ forge: gitlab, url: played.url, token: 'glpat-first-token', repositories: ['acme/web'] });
    const found = fake.state.projects.find(({ fullPath }) => fullPath === 'acme/web');
    if (found?.hooks[0] === undefined) throw new Error('no hook');
    project = found;
    [hook] = found.hooks as [Hook];
  };
  beforeEach(async () => {
    rig = await startConnectionRig();
    watch = watchOver(rig);
  });
  afterEach(async () => {
    expect(fake.api.violations).toEqual([]);
    await rig.close();
  });
  /** Issues are opened, one delivery each. */
  const happen = async (count: number) => {
    for (let at = 0; at < count; at += 1) {
      const request = new Request(`${fake.apiUrl()}/projects/${project.id}/issues`, {
        method: 'POST',
        headers: { 'private-token': 'glpat-first-token', 'content-type': 'application/json' },
        body: JSON.stringify({ title: 'Something is wrong' }),
      });
      expect((await fake.api.handle(request)).status).toBe(201);
    }
  };
  const asks = () => fake.api.log.filter(({ path }) => path.endsWith('/resend'));
  const tests = () => fake.api.log.filter(({ path }) => path.includes('/test/')).length;
  const minute = async () => {
    clock.ahead += 61_000;
    await rig.rows(`UPDATE missed_delivery SET asked_at = asked_at - interval '61 seconds'`);
  };

  it('that found nobody: what it tells arrives exactly once', async () => {
    await start();
    fake.state.autoDisablesHooks = false;
    const before = await watch.arrived('Issue Hook');
    await rig.door('shut');
    await happen(7);
    await rig.door('open');
    await happen(1);
    await watch.cycle();
    // GitLab allows five in a minute, and is not asked for a sixth.
    expect(await watch.arrived('Issue Hook')).toBe(before + 6);
    await watch.cycle();
    expect(asks().map(({ status }) => status)).toEqual([201, 201, 201, 201, 201]);
    await minute();
    await watch.cycle();
    expect(await watch.arrived('Issue Hook')).toBe(before + 8);
    await watch.cycle();
    expect(asks()).toHaveLength(7);
    const keys = await rig.rows('SELECT DISTINCT delivery_key FROM webhook_delivery');
    expect(keys).toHaveLength((await rig.rows('SELECT FROM webhook_delivery')).length);
    expect((await watch.missed()).map(({ status }) => status)).toEqual(Array(7).fill('arrived'));
    await rig.quiet();
    const numbers = rig.noted
      .filter(({ event }) => event === 'issues.opened')
      .map(({ payload }) => (payload.issue as { number: number }).number);
    expect(numbers).toHaveLength(8);
    expect(new Set(numbers).size).toBe(8);
  });

  it('that GitLab switched off comes back without a double, and then tells what it had tried', async () => {
    await start();
    const [made] = await watch.watch();
    expect(made).toBeUndefined();
    await rig.door('busy');
    await happen(6);
    expect(hook.recentFailures).toBe(4);
    await watch.cycle();
    expect(await watch.watch()).toMatchObject([
      { trouble: expect.stringMatching(/switched it off.*did not take/), enabled: false },
    ]);
    expect(asks()).toEqual([]);
    // It is off, and not tried again before its time.
    const tried = tests();
    await watch.cycle();
    expect(tests()).toBe(tried);
    await rig.door('open');
    const before = await watch.arrived('Issue Hook');
    await watch.later();
    await watch.cycle();
    expect(await watch.watch()).toMatchObject([{ trouble: null, enabled: true, enable_attempts: 2 }]);
    expect(hook).toMatchObject({ recentFailures: 0, disabledUntil: null });
    expect(project.hooks).toEqual([hook]);
    // The four that were tried; what happened while it was off is not in GitLab's list, and is polling's to find.
    expect(await watch.arrived('Issue Hook')).toBe(before + 4);
    expect(await watch.switched('disabled')).toBe(1);
    expect(await watch.switched('enabled')).toBe(1);
    await rig.quiet();
    // The sample by which it was tried reached no app.
    expect(rig.noted.filter(({ event }) => event.includes('access_token'))).toHaveLength(1);
    await happen(1);
    expect(await watch.arrived('Issue Hook')).toBe(before + 5);
  });

  it('of a version without the list is noted in silence, and brought back by another sample', async () => {
    await start('16.4.0');
    await rig.door('busy');
    await happen(5);
    await rig.door('open');
    await watch.cycle();
    expect(await watch.watch()).toMatchObject([{ trouble: null, enabled: true }]);
    expect(await watch.missed()).toEqual([]);
    const listed = fake.api.log.filter(({ path }) => path.endsWith('/events')).length;
    await watch.cycle();
    expect(fake.api.log.filter(({ path }) => path.endsWith('/events'))).toHaveLength(listed);
  });

  it('that is gone, or whose token is refused, is told of and not asked about again at once', async () => {
    await start();
    project.hooks.splice(0);
    await watch.cycle();
    expect(await watch.watch()).toMatchObject([{ trouble: 'The forge has no such webhook any more.' }]);
    fake.state.tokens.clear();
    const before = fake.api.log.length;
    await watch.cycle();
    expect(await watch.watch()).toMatchObject([{ trouble: expect.stringMatching(/Unauthorized/) }]);
    expect(fake.api.log.length - before).toBeLessThanOrEqual(2);
  });
});

describe('a Gitea’s hook', () => {
  it('that was switched off by hand is switched on once, as it was, and then left alone', async () => {
    const rig = await startConnectionRig();
    try {
      const watch = watchOver(rig);
      const double = await doubles.Gitea(rig);
      await rig.connect({ forge: gitea, url: double.url, token: double.token, repositories: ['acme/web'] });
      const [hook] = double.hooksOf('acme/web') as unknown as { active: boolean; secret: string; events: string[] }[];
      if (hook === undefined) throw new Error('no hook');
      const as = structuredClone(hook);
      await watch.cycle();
      hook.active = false;
      await watch.cycle();
      expect(hook).toMatchObject({ active: true, secret: as.secret, events: as.events });
      expect(await watch.watch()).toMatchObject([{ trouble: null, enabled: true }]);
      const before = await watch.arrived('push');
      await double.push('acme/web');
      expect(await watch.arrived('push')).toBe(before + 1);
      hook.active = false;
      await watch.later();
      await watch.cycle();
      expect(hook.active).toBe(false);
      expect(await watch.watch()).toMatchObject([{ trouble: expect.stringMatching(/left alone/) }]);
      expect(double.violations()).toEqual([]);
    } finally {
      await rig.close();
    }
  });
});
