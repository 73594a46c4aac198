/** `/cancel` stops what it was meant for: whatever is paused, and while the forge does not answer. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { liftHolds, placeHold } from '../../src/inbox/hold-changes.js';
import type { HoldMode } from '../../src/inbox/holds.js';
import { replayDelivery } from '../../src/inbox/replay.js';
import { pause } from '../../src/lib/clock.js';
import { openStore } from '../../src/store/database.js';
import { playedForges } from '../support/connected-forge.js';
import { type AgentRig, type Login, startAgentRig } from './session-rig.js';

describe.each(playedForges.map((forge) => ({ forge, label: forge.label })))('/cancel on $label', ({ forge }) => {
  let rig: AgentRig;
  beforeAll(async () => {
    rig = await startAgentRig(forge, { connections: 8 });
    rig.plays(async (agent) => agent.stopped);
  });
  afterAll(() => rig?.close());

  const newest = async () => (await rig.sessions()).at(-1);
  const isOver = async () => {
    const session = await newest();
    return session?.status === 'cancelled' && !session.lease_held;
  };
  async function worksOnIssue(title: string, by: Login = 'bob'): Promise<number> {
    const number = await rig.as('bob').openIssue({ title });
    await rig.quiet();
    await rig.as(by).comment(number, '/assign-agent');
    await rig.until('it works', async () => (await newest())?.status === 'running');
    return number;
  }
  const place = async (mode: HoldMode, app?: string) =>
    (
      await placeHold(rig.store, rig.organizationId, {
        ...{ mode, scope: app === undefined ? {} : { app }, actor: 'cli:ada' },
      })
    ).id;
  const lift = (id: string) => liftHolds(rig.store, rig.organizationId, [id], 'cli:ada');
  const waiting = async () =>
    (
      await rig.rows<{ n: number }>(
        "SELECT count(*)::int AS n FROM dispatch WHERE status = 'paused' AND app = 'commands'",
      )
    )[0]?.n ?? -1;

  // What no forge has a part in is tried on one of them.
  const isLast = forge === playedForges.at(-1);

  if (isLast) {
    it.each([
      { what: 'everything', app: undefined },
      { what: 'the app of commands', app: 'commands' },
    ])('stops an agent while $what is paused, and what was asked for in the pause as well', async ({ app }) => {
      const number = await worksOnIssue(`Paused ${app}`);
      const hold = await place('pause', app);
      await rig.as('dave').comment(number, '/cancel');
      await rig.until('it is over', isOver);
      expect(rig.runner.running()).toEqual([]);
      // All else waits, and in its order: what is asked for in the pause, and then not any more, never begins.
      await rig.as('bob').comment(number, '/assign-agent');
      await rig.as('bob').comment(number, '/cancel');
      await rig.until('all of it waits', async () => (await waiting()) === 3);
      const before = rig.runner.starts.length;
      await lift(hold);
      await rig.quiet();
      await rig.until('nothing waits', async () => (await waiting()) === 0);
      await rig.until('it is over', isOver);
      expect(rig.runner.starts.length - before).toBeLessThanOrEqual(1);
      expect(rig.runner.running()).toEqual([]);
      expect((await rig.said(number)).filter((body) => body.startsWith('@'))).toEqual([]);
    });

    it('stops an agent in a shadow, in which nothing is told to the forge', async () => {
      const number = await worksOnIssue('In a shadow');
      await rig.until('it is told', async () => (await rig.said(number)).some((body) => body.includes('Working')));
      const hold = await place('shadow');
      const said = await rig.said(number);
      await rig.as('dave').comment(number, '/cancel');
      await rig.until('it is over', isOver);
      expect(rig.runner.running()).toEqual([]);
      expect(await rig.said(number)).toEqual(said);
      await lift(hold);
      const { organizationId } = rig;
      for (const { id } of await rig.rows<{ id: string }>('SELECT id FROM sticky_comment'))
        await rig.pokes.report.poke({ organizationId, id });
      await rig.until('it is told', async () => (await rig.said(number)).some((body) => body.includes('Cancelled')));
    });
  }

  it('overtakes what hangs in its conversation, and what was asked for before it and waits never begins', async () => {
    const number = await worksOnIssue('Hangs', 'dave');
    await rig.as('carol').comment(number, '/status');
    await rig.quiet();
    const starts = rig.runner.starts.length;
    // Nobody counts carol's commands on: the next one hangs, and the conversation with it.
    const apart = openStore(rig.database, 'worker', { max: 1 });
    const blocked = await apart.pool.connect();
    try {
      await blocked.query('BEGIN');
      await blocked.query("SELECT set_config('app.organization_id', $1, true)", [rig.organizationId]);
      const { rowCount } = await blocked.query(
        `SELECT FROM command_sender WHERE account_id = (SELECT author_id FROM comment WHERE author_login = 'carol' LIMIT 1)
         FOR UPDATE`,
      );
      expect(rowCount).toBe(1);
      await rig.as('carol').comment(number, '/status');
      await rig.as('dave').comment(number, '/assign-agent and begin anew');
      await rig.as('bob').comment(number, '/cancel');
      await rig.until('it is over', isOver);
      // What was said is enough: the turn of the stop may come much later, or never.
      const turn = "status = 'pending' AND id = (SELECT max(id) FROM dispatch WHERE app = 'commands')";
      if (isLast)
        await rig.store.pool.query(`UPDATE dispatch SET status = 'ignored', finished_at = now() WHERE ${turn}`);
    } finally {
      await blocked.query('ROLLBACK');
      blocked.release();
      await apart.close();
    }
    await rig.quiet();
    await rig.until('nothing holds a lease', async () =>
      (await rig.sessionsOf(number)).every((one) => !one.lease_held),
    );
    expect((await rig.sessionsOf(number)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    expect(rig.runner.starts.length).toBe(starts);
    expect((await rig.said(number)).filter((body) => body.startsWith('@bob'))).toEqual([]);
    // What is asked for now is not meant, although a forge's clock may show the same second.
    await rig.as('dave').comment(number, '/assign-agent');
    await rig.until('it works', async () => (await newest())?.status === 'running');
    await rig.as('dave').comment(number, '/cancel');
    await rig.until('that is over, too', isOver);
  });

  it('stops nothing that was begun since when its delivery is run again', async () => {
    const number = await worksOnIssue('Again');
    await rig.as('dave').comment(number, '/cancel');
    await rig.until('it is over', isOver);
    await rig.quiet();
    const all = await rig.rows<{ id: bigint }>(
      "SELECT DISTINCT delivery_id AS id FROM dispatch WHERE app = 'commands' AND event_name = 'issue_comment' AND status = 'done'",
    );
    // A forge tells times by the second.
    await pause(1_100);
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('another works', async () => (await newest())?.status === 'running');
    await rig.quiet();
    for (const asStored of [false, true]) {
      for (const { id } of all) {
        const replay = await replayDelivery(rig.store, id, { actor: 'cli:ada', app: 'commands', asStored });
        expect(replay.kind).toBe('queued');
      }
      await rig.quiet();
    }
    expect((await newest())?.status).toBe('running');
    expect(rig.runner.running()).toHaveLength(1);
    // What is written now is about that one.
    await rig.as('dave').comment(number, '/cancel');
    await rig.until('that is over, too', isOver);
    expect(rig.runner.running()).toEqual([]);
  });

  it('stops, while the forge is down, for whom it said in the last day that they may', async () => {
    const number = await worksOnIssue('Said before', 'dave');
    await rig.as('bob').comment(number, '/status');
    await rig.quiet();
    const moved = (hours: number) =>
      rig.rows("UPDATE remembered_right SET asked_at = asked_at + $1 * interval '1 hour'", [hours]);
    const failures = () => rig.lines.filter((line) => line.includes('handler failed')).length;
    await moved(-25);
    rig.forgeIs.down = true;
    const before = failures();
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('that was tried', async () => failures() > before);
    expect((await newest())?.stop).toBeNull();
    await moved(25);
    // Of somebody who may not, the forge may have said so as often as it likes.
    const tried = failures();
    await rig.as('carol').comment(number, '/cancel');
    await rig.until('that was tried', async () => failures() > tried);
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it is over', isOver);
    expect(rig.runner.running()).toEqual([]);
    const trail = await rig.rows<{ why: string }>(
      "SELECT why FROM access_decision WHERE why LIKE '%does not answer%' AND allowed",
    );
    expect(trail.length).toBeGreaterThan(0);
    await rig.forgeIsBack();
    await rig.quiet();
    expect((await newest())?.status).toBe('cancelled');
  });

  it('stops what its sender has begun while the forge is down, and nothing that was begun since', async () => {
    const number = await worksOnIssue('Down', 'dave');
    rig.forgeIs.down = true;
    // Somebody who has not begun it is not believed without the forge's word for it.
    await rig.as('carol').comment(number, '/cancel');
    await rig.until('that was tried', async () => rig.lines.some((line) => line.includes('handler failed')));
    expect((await newest())?.stop).toBeNull();
    await rig.as('dave').comment(number, '/cancel');
    await rig.until('it is over', isOver);
    expect(rig.runner.running()).toEqual([]);
    await rig.rows(
      `INSERT INTO agent_session (organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
         kind, command_key, requested_by, agent, instructions, triggered_at, limit_seconds, context, status)
       SELECT organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request, kind,
         'api:later', 'test', agent, '', now(), limit_seconds, context, 'assigned'
       FROM agent_session WHERE number = $1`,
      [number],
    );
    await rig.forgeIsBack();
    await rig.quiet();
    expect((await newest())?.status).not.toBe('cancelled');
    await rig.as('dave').comment(number, '/cancel');
    await rig.until('that is over, too', isOver);
  });
});
