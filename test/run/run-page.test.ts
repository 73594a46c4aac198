/** The page of a run: for whoever was given its link, and for nobody who guesses. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fastify from 'fastify';
import { createRunLinks } from '../../src/accounts/run-links.js';
import { addRunPage } from '../../src/api/run-page.js';
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
    const links = createRunLinks(Buffer.alloc(32, 1));
    const app = fastify();
    addRunPage(app, { store: rig.test.store('api'), links });
    const path = links.pathOf(rig.organizationId, run?.id ?? '');
    expect(path.length).toBeLessThan(200);
    const page = await app.inject(path);
    expect(page.statusCode).toBe(200);
    expect(page.body).toContain('planned: 1 to add, 0 to change, 0 to destroy');
    expect(page.body).toContain('plan begun');
    expect(page.body).toContain('&#60;script&#62;');
    expect(page.body).not.toContain('<script>alert');
    const other = createRunLinks(Buffer.alloc(32, 2)).pathOf(rig.organizationId, run?.id ?? '');
    for (const wrong of [other, path.slice(0, -1), `${path}0`, '/runs/x'])
      expect((await app.inject(wrong)).statusCode).toBe(404);
    await app.close();
  });
});
