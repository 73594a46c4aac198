/** The page of a run: for whoever was given its link, and for nobody who guesses. */

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fastify from 'fastify';
import { pino } from 'pino';
import { createAccess } from '../../src/accounts/access/access.js';
import type { Person } from '../../src/accounts/access/actor.js';
import { createPageLinks } from '../../src/accounts/page-links.js';
import { addRunPage } from '../../src/api/run-page.js';
import { addWorkspacePages } from '../../src/api/workspace-pages.js';
import { createRunRig, type RunRig } from './run-rig.js';

describe('the page of a run', () => {
  let rig: RunRig;
  beforeAll(async () => {
    rig = await createRunRig();
  });
  afterAll(() => rig.close());

  it('shows plan and log, escaped, by the link that was given and by no other', async () => {
    rig.stub.ends.plan = { ...rig.stub.ends.plan, text: '+ <script>alert(1)</script>' } as typeof rig.stub.ends.plan;
    const id = await rig.workspace({ name: 'infra' });
    await rig.look();
    await rig.drive();
    const [run] = await rig.runsOf(id);
    const links = createPageLinks(Buffer.alloc(32, 1), 'run');
    const app = fastify();
    addRunPage(app, { store: rig.test.store('api'), links });
    const path = links.pathOf(rig.organizationId, run?.id ?? '');
    expect(path.length).toBeLessThan(200);
    const page = await app.inject(path);
    expect(page.statusCode).toBe(200);
    expect(page.body).toContain('<strong>Waits to be confirmed</strong>: 1 to add, 0 to change, 0 to destroy');
    expect(page.body).toContain(`forgeway runs confirm run-${run?.id}`);
    expect(page.body).toMatch(/Begun by.*the push/);
    expect(page.body).toContain('<meta http-equiv="refresh" content="15">');
    expect(page.body).toContain('plan begun');
    expect(page.body).toContain('&#60;script&#62;');
    expect(page.body).not.toContain('<script>alert');
    const other = createPageLinks(Buffer.alloc(32, 2), 'run').pathOf(rig.organizationId, run?.id ?? '');
    for (const wrong of [other, path.slice(0, -1), `${path}0`, '/runs/x'])
      expect((await app.inject(wrong)).statusCode).toBe(404);

    await rig.ask(run?.id ?? '', 'confirm');
    await rig.drive();
    const applied = (await app.inject(path)).body;
    expect(applied).toContain('<strong>Applied</strong>: 1 added, 0 changed, 0 destroyed');
    expect(applied).toMatch(/Confirmed by.*ada/);
    expect(applied).not.toContain('http-equiv');
    await app.close();
  });

  it('names people and tokens, and says of an empty one why it is empty', async () => {
    const links = createPageLinks(Buffer.alloc(32, 1), 'run');
    const app = fastify();
    addRunPage(app, { store: rig.test.store('api'), links });
    const id = await rig.workspace({ name: 'names' });
    await rig.look();
    const [run] = await rig.runsOf(id);
    const show = async () => (await app.inject(links.pathOf(rig.organizationId, run?.id ?? ''))).body;
    const [token] = await rig.rows<{ id: string }>(
      `INSERT INTO api_token (organization_id, kind, name, prefix, secret_hash, scopes, role, created_by)
       VALUES ($1, 'machine', 'ci <prod>', 'fgw_x', sha256('x'), '[]', 'admin', 'ada') RETURNING id`,
      [rig.organizationId],
    );
    await rig.rows(`UPDATE workspace SET locked_at = now(), locked_by = $2 WHERE id = $1`, [
      id,
      `machine:${token?.id}`,
    ]);
    await rig.drive();
    expect(await show()).toContain('Waits for the workspace, which the token “ci &#60;prod&#62;” has locked.');
    expect(await show()).toContain('Nothing was printed yet.');
    await rig.ask(run?.id ?? '', 'cancel', `machine:${token?.id}`);
    await rig.drive();
    const over = await show();
    expect(over).toContain('<strong>Canceled</strong><p>It was canceled by the token “ci &#60;prod&#62;”.</p>');
    expect(over).toContain('There is no log: nothing was executed');
    await rig.rows('UPDATE run SET created_by = $2 WHERE id = $1', [run?.id, `machine:${run?.id}`]);
    expect(await show()).toMatch(/Begun by.*a token that is gone/);
    await app.close();
  });

  it('is found by way of its workspace, by who is signed in and belongs to the organization', async () => {
    const links = createPageLinks(Buffer.alloc(32, 1), 'run');
    const store = rig.test.store('api');
    const access = createAccess({ store, log: pino({ level: 'silent' }), organizationId: rig.organizationId });
    const person = (suspended = false, organizationId = rig.organizationId): Person => ({
      ...{ kind: 'user', userId: 'ada', name: 'Ada', platformAdmin: false, suspended },
      memberships: new Map([[organizationId, 'viewer' as const]]),
    });
    let who: Person | undefined;
    const app = fastify();
    const o = { store, access, links, sessionActor: async () => who };
    addWorkspacePages(app, o);
    const pages = fastify();
    const [organization] = await rig.rows<{ slug: string }>('SELECT slug FROM organization');
    const all = `/app/${organization?.slug}/workspaces`;
    for (const one of [undefined, person(true)]) {
      who = one;
      const sent = await app.inject(all);
      expect([sent.statusCode, sent.headers.location]).toEqual([303, `/sign-in?return_to=${encodeURIComponent(all)}`]);
    }
    who = person(false, randomUUID());
    expect((await app.inject(all)).statusCode).toBe(404);
    who = person();
    await rig.rows('DELETE FROM workspace');
    expect((await app.inject(all)).body).toContain('There is no workspace yet.');
    const id = await rig.workspace({ name: 'shown', workingDirectory: '<prod>' });
    const one = `${all}/shown`;
    expect((await app.inject(all)).body).toMatch(
      /href="[^"]*\/workspaces\/shown">shown<\/a><\/td>\s*<td>nothing was run yet/,
    );
    expect((await app.inject(one)).body).toContain('Nothing was run yet. A push to its branch');
    await rig.look();
    await rig.drive();
    await rig.rows(`UPDATE workspace SET locked_at = now(), locked_by = 'grace', lock_reason = 'a <freeze>'`);
    expect((await app.inject(all)).body).toMatch(/shown<\/a> \(locked\)<\/td>\s*<td>Waits to be confirmed/);
    const body = (await app.inject(one)).body;
    const [run] = await rig.runsOf(id);
    expect(body).toContain(`<a href="${links.pathOf(rig.organizationId, run?.id ?? '')}">Waits to be confirmed</a>`);
    expect(body).toContain('Locked by grace: a &#60;freeze&#62;');
    expect(body).toContain('in <code>&#60;prod&#62;</code>');
    expect((await app.inject(`${all}/none`)).statusCode).toBe(404);
    // Also by the organization's id, which the start page has; and from the run back to its workspace.
    expect((await app.inject(`/app/${rig.organizationId}/workspaces`)).body).toContain(`href="${one}"`);
    addRunPage(pages, { store, links });
    expect((await pages.inject(links.pathOf(rig.organizationId, run?.id ?? ''))).body).toContain(`<a href="${one}">`);
    await pages.close();
    await rig.rows(`UPDATE connection SET status = 'revoked'`);
    expect((await app.inject(one)).body).toContain('The VCS connection of this workspace is revoked');
    await access.close();
    await app.close();
  });
});
