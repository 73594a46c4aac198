/** Connecting, renewing and removing, on every forge that is connected by a token. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { githubEventErrors } from '../support/webhook-schema.js';
import { type ConnectionRig, type DoubleForge, doubles, startConnectionRig } from './connection-rig.js';

interface Listed {
  full_name: string;
}

/** The number under which apps see it. */
const idIn = (payload: Record<string, unknown> | undefined) =>
  (payload?.installation as { id: number } | undefined)?.id;
const namesIn = (list: unknown) => (list as Listed[]).map(({ full_name: name }) => name);

describe.each(Object.entries(doubles))('a connection to %s', (label, start) => {
  const state = {} as { rig: ConnectionRig; double: DoubleForge; id: string; installation: unknown };
  beforeAll(async () => {
    state.rig = await startConnectionRig();
    state.double = await start(state.rig);
  });
  afterAll(async () => {
    expect(state.double.violations()).toEqual([]);
    await state.rig.close();
  });
  const connect = (repositories: string[], token = state.double.token) =>
    state.rig.connect({ forge: state.double.forge, url: `${state.double.url}/`, token, repositories });
  const told = () => state.rig.noted.filter(({ event }) => event.startsWith('installation'));

  it('stores the token sealed, creates the webhook, and its test delivery arrives', async () => {
    const { rig, double } = state;
    const connected = await connect(['ACME/Web']);
    state.id = connected.id;
    expect(connected).toMatchObject({ renewed: false, problems: [], total: { repositories: 1, hooks: 1 } });
    expect(connected.hooks.map(({ arrived }) => arrived)).toEqual([true]);
    expect(double.hooksOf('acme/web').map(({ url }) => url)).toEqual([
      `${rig.publicUrl}/api/webhooks/${double.forge.id}/${connected.hooks[0]?.hook.id}`,
    ]);
    const stored =
      JSON.stringify(await rig.rows('SELECT * FROM connection')) + JSON.stringify(await rig.rows('SELECT * FROM hook'));
    expect(stored).toContain(connected.id);
    expect(stored).not.toContain(double.token);
    expect(stored).not.toContain('whsec_');
    expect(rig.said.join('\n')).not.toContain(double.token);
    expect(await (await rig.open(connected.id)).token()).toBe(double.token);
  });

  it('tells apps installation.created and ping in GitHub’s form, and the mirror covers the repository', async () => {
    const { rig } = state;
    await rig.quiet();
    expect(told().map(({ event }) => event)).toEqual(['installation.created']);
    // Some forges' test delivery is a ping too, of the same hook.
    const pings = rig.noted.filter(({ event }) => event === 'ping');
    expect(pings.length).toBeGreaterThanOrEqual(1);
    const [hook] = state.double.hooksOf('acme/web');
    const self = `${state.double.url}/api/v3/repos/acme/web/hooks/${hook?.id}`;
    for (const { payload } of pings)
      expect(payload).toMatchObject({
        hook_id: hook?.id,
        hook: { id: hook?.id, url: self, ping_url: `${self}/pings` },
      });
    for (const { event, payload } of rig.noted.filter(({ event }) => /^installation|^ping/.test(event)))
      expect(githubEventErrors(event.split('.', 1)[0] ?? '', payload)).toEqual([]);
    const [created] = told();
    expect(namesIn(created?.payload.repositories)).toEqual(['acme/web']);
    state.installation = idIn(created?.payload);
    const linked = await rig.rows(
      `SELECT r.status, i.virtual_id::text AS "virtualId", i.connection_id AS "connectionId"
       FROM repository r JOIN installation i ON i.id = r.installation_id`,
    );
    expect(linked).toEqual([{ status: 'active', virtualId: String(state.installation), connectionId: state.id }]);
  });

  it('adds a repository to the same connection: one installation_repositories.added, with it alone', async () => {
    const { rig } = state;
    const connected = await connect(['acme/web', 'acme/api']);
    expect(connected).toMatchObject({ id: state.id, renewed: true, total: { repositories: 2, hooks: 2 } });
    await rig.quiet();
    expect(told().map(({ event }) => event)).toEqual(['installation.created', 'installation_repositories.added']);
    const payload = told()[1]?.payload ?? {};
    expect(githubEventErrors('installation_repositories', payload)).toEqual([]);
    expect(namesIn(payload.repositories_added)).toEqual(['acme/api']);
    expect(state.double.hooksOf('acme/web')).toHaveLength(1);
  });

  it('takes a new token for the same account without anything else, and tells nobody', async () => {
    const { rig } = state;
    const before = rig.noted.length;
    const connected = await connect([]);
    expect(connected).toMatchObject({
      id: state.id,
      renewed: true,
      repositories: [],
      total: { repositories: 2, hooks: 2 },
    });
    await rig.quiet();
    expect(rig.noted).toHaveLength(before);
  });

  it('stays polled alone with a new token, and makes no webhook then', async () => {
    const { rig, double } = state;
    const { forge, token } = double;
    const inMode = (mode: 'poll' | 'both') =>
      rig.connect({ forge, url: `${double.url}/`, token, repositories: [], mode });
    await inMode('poll');
    const { hooks } = await connect(['acme/web']);
    expect(hooks).toEqual([]);
    expect(rig.said).toContain('The forge is asked for changes every minute; it sends no webhooks.');
    expect((await rig.serve(state.id, ['acme/web'])).hooks).toEqual([]);
    await inMode('both');
  });

  it('hears a repository by its own hook alone, and by that one also under another name', async () => {
    const { rig, double } = state;
    const newest = async () => {
      await rig.quiet();
      const [row] = await rig.rows<{ status: string; reason: string | null; target: string }>(
        `SELECT w.status, w.reason, h.target FROM webhook_delivery w JOIN hook h ON h.id = w.hook_id
         WHERE w.source = 'webhook' AND w.event_type ILIKE '%push%' ORDER BY w.id DESC LIMIT 1`,
      );
      return row;
    };
    const own = [...double.hooksOf('acme/api')];
    // Whoever knows the secret of one hook signs with it what is said of another repository.
    double.hooksOf('acme/api').splice(0, own.length, ...double.hooksOf('acme/web'));
    await double.push('acme/api');
    expect(await newest()).toMatchObject({
      target: 'acme/web',
      status: 'ignored',
      reason: expect.stringMatching(/^its hook is of repository \d+ alone, and it tells of repository \d+$/),
    });
    double.hooksOf('acme/api').splice(0, 1, ...own);
    await double.push('acme/api');
    expect(await newest()).toMatchObject({ target: 'acme/api', status: 'done', reason: null });
    double.rename('acme/api', 'acme/renamed');
    await double.push('acme/renamed');
    expect(await newest()).toMatchObject({ target: 'acme/renamed', status: 'done', reason: null });
    // Nobody looks for the hook, or makes another one, by the name of before.
    expect(await rig.doctor()).toMatchObject([
      { target: 'acme/web', state: 'ok' },
      { target: 'acme/renamed', state: 'ok' },
    ]);
    await connect(['acme/renamed']);
    expect(double.hooksOf('acme/renamed')).toHaveLength(1);
    double.rename('acme/renamed', 'acme/api');
    await double.push('acme/api');
    await newest();
  });

  it('gives every hook secrets of its own, which overlap when they change', async () => {
    const { rig, double } = state;
    const sealed = () =>
      rig.rows<{ secret_ciphertext: string; overlaps: boolean }>(
        `SELECT secret_ciphertext, previous_secret_ciphertext IS NOT NULL AND previous_secret_until > now() AS overlaps
         FROM hook WHERE target IS NOT NULL ORDER BY target DESC`,
      );
    const before = await sealed();
    expect(new Set(before.map(({ secret_ciphertext: text }) => text)).size).toBe(2);
    const [hook] = double.hooksOf('acme/web');
    const old = structuredClone(hook);
    await connect(['acme/web']);
    const [after] = await sealed();
    expect(after?.overlaps).toBe(true);
    expect(after?.secret_ciphertext).not.toBe(before[0]?.secret_ciphertext);
    // A delivery that was under way is signed with the secret before.
    const now = structuredClone(hook);
    if (hook === undefined || old === undefined) throw new Error('no hook');
    const count = () =>
      rig.rows(
        `SELECT FROM webhook_delivery WHERE source = 'webhook' AND hook_id IN (SELECT id FROM hook WHERE target = 'acme/web')`,
      );
    const stored = (await count()).length;
    Object.assign(hook, old);
    await double.push('acme/web');
    Object.assign(hook, now);
    await double.push('acme/web');
    expect(await count()).toHaveLength(stored + 2);
    await rig.quiet();
  });

  it('removes one repository: apps hear of it first, and what it still sends starts nothing', async () => {
    const { rig, double } = state;
    const gone = await rig.disconnect({ connectionId: state.id, repositories: ['acme/api'] });
    expect(gone).toMatchObject({ removed: false, repositories: ['acme/api'], problems: [] });
    expect(double.hooksOf('acme/api')).toEqual([]);
    const last = told().at(-1);
    expect(last?.event).toBe('installation_repositories.removed');
    expect(githubEventErrors('installation_repositories', last?.payload)).toEqual([]);
    expect(namesIn(last?.payload.repositories_removed)).toEqual(['acme/api']);
    await expect(rig.disconnect({ connectionId: state.id, repositories: ['acme/api'] })).rejects.toThrow(
      /acme\/api is not served by this connection, which has acme\/web/,
    );
  });

  it('removes the connection, also when its token has expired; and finds the same installation again', async () => {
    const { rig, double } = state;
    await rig.rows(`UPDATE connection SET status = 'expired', status_reason = 'tested'`);
    const gone = await rig.disconnect({ connectionId: state.id });
    expect(gone).toMatchObject({ removed: true, repositories: ['acme/web'], problems: [] });
    const last = told().at(-1);
    expect(last?.event).toBe('installation.deleted');
    expect(githubEventErrors('installation', last?.payload)).toEqual([]);
    expect(idIn(last?.payload)).toBe(state.installation);
    expect(double.hooksOf('acme/web')).toEqual([]);
    for (const table of ['connection', 'hook', 'installation'])
      expect(await rig.rows(`SELECT FROM ${table}`)).toEqual([]);
    expect(await rig.rows('SELECT status FROM repository')).toEqual([{ status: 'removed' }, { status: 'removed' }]);

    const again = await connect(['acme/web']);
    expect(again).toMatchObject({ renewed: false, problems: [] });
    await rig.quiet();
    const created = told().at(-1);
    expect(created?.event).toBe('installation.created');
    expect(idIn(created?.payload)).toBe(state.installation);
    await double.push('acme/web');
    await rig.quiet();
    expect(rig.noted.filter(({ event }) => event === 'push').at(-1)?.covered).toEqual(['acme/web']);
    expect(label).toBe(double.forge.label);
  });

  it('to which its account agreed serves repositories by webhook as well, and takes all of it with it', async () => {
    const { rig, double } = state;
    const [own] = await rig.rows<{ id: string }>('SELECT id FROM connection');
    await rig.disconnect({ connectionId: own?.id ?? '' });
    const id = await rig.agree(double);
    await expect(rig.serve(id, ['acme/nothing'])).rejects.toMatchObject({ code: 'FORGEWAY_CONNECTION_REFUSED' });
    const served = await rig.serve(id, ['acme/web']);
    expect(served).toMatchObject({ problems: [], total: { repositories: 1, hooks: 1 } });
    expect(served.hooks.map(({ arrived }) => arrived)).toEqual([true]);
    await rig.quiet();
    expect(told().at(-1)?.event).toBe('installation.created');
    await double.push('acme/web');
    await rig.quiet();
    expect(rig.noted.filter(({ event }) => event === 'push').at(-1)?.covered).toEqual(['acme/web']);
    const trail = await rig.rows('SELECT action FROM audit_entry WHERE subject = $1 ORDER BY 1', [id]);
    expect(trail).toEqual(['connection.added', 'connection.repositories_added'].map((action) => ({ action })));
    // Nobody registered a client here, without which no forge ends a token.
    expect(await rig.disconnect({ connectionId: id })).toMatchObject({
      ...{ removed: true, problems: [expect.stringMatching(/^The token .*acme-bot ends it on http/)] },
    });
    expect(double.hooksOf('acme/web')).toEqual([]);
  });
});
