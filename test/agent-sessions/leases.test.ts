/** One agent on one issue, whatever happens: commands at the same time, workers that die, runners that do not answer. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { rawEvent } from '../../src/effects/agents/protocol.js';
import { assignAgent, cancelSession, pushAndCreatePr, replyToSession } from '../../src/jobs/agent/desired.js';
import { drive } from '../../src/jobs/agent/drive.js';
import { leftovers, removeLeftovers } from '../../src/jobs/agent/janitor.js';
import { systemClock } from '../../src/lib/clock.js';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');

const UNKNOWN = '00000000-0000-4000-8000-00000000dead';

describe('leases of agent sessions', () => {
  let rig: AgentRig;
  beforeAll(async () => {
    if (forge === undefined) throw new Error('there is no fake to run on');
    rig = await startAgentRig(forge);
  });
  afterAll(() => rig?.close());

  const assignment = async (number: number, commandKey: string) => {
    const [repository] = await rig.rows<{ id: string; forge: string; host: string; remote_id: bigint }>(
      'SELECT id, forge, host, remote_id FROM repository',
    );
    if (repository === undefined) throw new Error('no repository');
    return {
      ...{ organizationId: rig.organizationId, repositoryId: repository.id, forge: repository.forge },
      ...{ host: repository.host, remoteRepositoryId: repository.remote_id, number, onPullRequest: false },
      ...{ kind: 'task' as const, commandKey, requester: null, requestedBy: 'test', agent: 'scripted' },
      ...{ instructions: '', triggeredAt: new Date(), headSha: null, baseBranch: null },
      context: { title: 'A task', body: '', author: null },
      limits: { seconds: 600, tokens: null, costMicros: null },
    };
  };
  const tenant = <T>(run: Parameters<typeof rig.store.tenant<T>>[1]) => rig.store.tenant(rig.organizationId, run);
  // All of them together are more commands than one person is heard with in ten minutes.
  beforeEach(() => tenant((tx) => tx.query('UPDATE command_sender SET given = 0')));

  it('gives one of ten commands at the same moment the issue, and never two at a time', async () => {
    const running = { now: 0, most: 0 };
    rig.plays(async (agent) => {
      running.now += 1;
      running.most = Math.max(running.most, running.now);
      await agent.hear().finally(() => {
        running.now -= 1;
      });
    });
    const number = await rig.openIssue('Raced for');
    const wishes = await Promise.all(
      Array.from({ length: 10 }, async (_, at) => {
        const one = await assignment(number, `race:${at}`);
        return tenant((tx) => assignAgent(tx, one));
      }),
    );
    await rig.restart();
    await rig.until('one works', async () => (await rig.sessionsOf(number)).some(({ status }) => status === 'running'));
    await rig.until('the others are over', async () =>
      (await rig.sessionsOf(number)).every(({ status }) => status === 'running' || status === 'cancelled'),
    );
    const sessions = await rig.sessionsOf(number);
    expect(sessions).toHaveLength(10);
    expect(sessions.filter(({ lease_held }) => lease_held)).toHaveLength(1);
    // The newest has won.
    expect(sessions.at(-1)?.status).toBe('running');
    expect(running.most).toBe(1);
    // The same command again is the same session.
    const first = await assignment(number, 'race:0');
    const again = await tenant((tx) => assignAgent(tx, first));
    expect(again).toMatchObject({ created: false, session: { id: wishes[0]?.session.id } });
    await tenant((tx) => cancelSession(tx, sessions.at(-1)?.id ?? '', 'test'));
    await rig.until('it is over', async () =>
      (await rig.sessionsOf(number)).every(({ status }) => status === 'cancelled'),
    );
  });

  it('begins anew only when the one before is known to be dead', async () => {
    rig.plays(async (agent) => void (await agent.hear()));
    const number = await rig.openIssue('Held on to');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('the first works', async () => (await rig.sessionsOf(number))[0]?.status === 'running');
    rig.runner.broken.stop = new Error('the machine does not answer');
    await rig.as('bob').comment(number, '/assign-agent once more');
    await rig.until('the second waits', async () => (await rig.sessionsOf(number)).length === 2);
    await rig.until('the first is to stop', async () => (await rig.sessionsOf(number))[0]?.stop === 'superseded');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await rig.sessionsOf(number)).toMatchObject([
      { status: 'running', stop: 'superseded', lease_held: true },
      { status: 'assigned', lease_held: false },
    ]);
    const before = rig.runner.starts.length;
    delete rig.runner.broken.stop;
    await rig.until('the second works', async () => (await rig.sessionsOf(number))[1]?.status === 'running');
    expect(await rig.sessionsOf(number)).toMatchObject([
      { status: 'cancelled', lease_held: false, fence: '1' },
      { status: 'running', lease_held: true, fence: '2' },
    ]);
    expect(rig.runner.starts.length).toBe(before + 1);
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it is over', async () => (await rig.sessionsOf(number))[1]?.status === 'cancelled');
    await rig.as('bob').comment(number, '/cancel');
    await rig.quiet();
    // What is over is said in words, and nothing else changes.
    expect((await rig.said(number)).at(-1)).toContain('It is over already');
    expect(rig.runner.running()).toEqual([]);
  });

  it('gives the last free place to one of those who look at the same moment', async () => {
    const running = { now: 0, most: 0 };
    rig.plays(async () => {
      running.now += 1;
      running.most = Math.max(running.most, running.now);
      await new Promise((resolve) => setTimeout(resolve, 300));
      running.now -= 1;
    });
    const { atOnce } = rig.planned;
    rig.planned.atOnce = 2;
    const numbers: number[] = [];
    for (let at = 0; at < 8; at += 1) numbers.push(await rig.openIssue(`Crowded ${at}`));
    const wishes = await Promise.all(
      numbers.map(async (number) => {
        const one = await assignment(number, `crowd:${number}`);
        return tenant((tx) => assignAgent(tx, one));
      }),
    );
    const keys = wishes.flatMap(({ agents }) => agents);
    await Promise.all(keys.map(({ version, ...key }) => rig.pokes.agent.poke(key, { version })));
    await rig.until('all have had their turn', async () => {
      const all = await Promise.all(numbers.map(rig.sessionsOf));
      return all.flat().every(({ status }) => status === 'completed');
    });
    rig.planned.atOnce = atOnce;
    expect(running.most).toBe(2);
  });

  it('lets go of its lease although what it left cannot be removed yet, which is done later', async () => {
    rig.plays(async (agent) => void (await agent.hear()));
    const number = await rig.openIssue('Not in the way');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('the first works', async () => (await rig.sessionsOf(number))[0]?.status === 'running');
    // As when the repository is just being cloned for somebody else.
    const held = { open: (): void => undefined };
    const opened = new Promise<void>((resolve) => {
      held.open = resolve;
    });
    rig.runner.before.remove = () => opened;
    await rig.as('bob').comment(number, '/assign-agent once more');
    await rig.until('the second works', async () => (await rig.sessionsOf(number))[1]?.status === 'running');
    const [first] = await rig.sessionsOf(number);
    expect(first).toMatchObject({ status: 'cancelled', lease_held: false });
    const isRemoved = async () =>
      (await rig.rows('SELECT FROM agent_session WHERE id = $1 AND work_removed_at IS NOT NULL', [first?.id]))
        .length === 1;
    expect(await isRemoved()).toBe(false);
    held.open();
    delete rig.runner.before.remove;
    await rig.until('it is removed', isRemoved);
    expect((await rig.runner.list()).map(({ sessionId }) => sessionId)).not.toContain(first?.id);
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it is over', async () => (await rig.sessionsOf(number))[1]?.status === 'cancelled');
  });

  it('ends and lets go of an agent that says it has used more than anybody can count', async () => {
    rig.plays(async (agent) => {
      for (let at = 0; at < 20; at += 1)
        agent.say({ type: 'cost', inputTokens: 0, outputTokens: 0, usd: 1e12, total: false });
      await agent.hear();
    });
    const number = await rig.openIssue('Boasts');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it has begun', async () =>
      ['running', 'failed'].includes((await rig.sessionsOf(number))[0]?.status ?? ''),
    );
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it is over', async () => (await rig.sessionsOf(number))[0]?.lease_held === false);
    const [session] = await rig.sessionsOf(number);
    const used = { kind: 'cost' as const, tokens: 9e18, costMicros: 9e18 };
    await rig.rows(`UPDATE agent_session SET status = 'running' WHERE id = $1`, [session?.id]);
    await tenant((tx) => drive(tx, session?.id ?? '', [used, used, used], { wakes: false }));
    await tenant((tx) => drive(tx, session?.id ?? '', [used], { wakes: false }));
    expect(await rig.rows('SELECT tokens, cost_micros FROM agent_session WHERE id = $1', [session?.id])).toEqual([
      { tokens: 9_000_000_000_000_000n, cost_micros: 9_000_000_000_000_000n },
    ]);
    await rig.rows(`DELETE FROM agent_session WHERE id = $1`, [session?.id]);
  });

  it('ends an agent that has printed more than anybody can read', async () => {
    rig.plays(async (agent) => void (await agent.hear()));
    const number = await rig.openIssue('Endless');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it works', async () => (await rig.sessionsOf(number))[0]?.status === 'running');
    const { read } = rig.runner;
    const { id } = (await rig.sessionsOf(number))[0] ?? {};
    rig.runner.read = async (ref, cursor, limit) => {
      if (ref.sessionId !== id) return read(ref, cursor, limit);
      return { events: [{ at: cursor, ordinal: 0, event: rawEvent('y', 'not-json') }], next: cursor + 1, more: true };
    };
    try {
      await rig.as('bob').comment(number, '/cancel');
      await rig.until('it is over', async () => (await rig.sessionsOf(number))[0]?.lease_held === false);
    } finally {
      rig.runner.read = read;
    }
    expect((await rig.sessionsOf(number))[0]?.status).toBe('cancelled');
  });

  it('stops an agent that uses up what everybody may use in a day, while it works', async () => {
    rig.plays(async (agent) => {
      agent.say({ type: 'cost', inputTokens: 900, outputTokens: 0, total: false });
      await agent.hear();
    });
    const number = await rig.openIssue('Thirsty');
    const { perPersonPerDay, perDay } = rig.planned;
    const begun = () => rig.runner.starts.length;
    const isOver = (at: number) => async () => (await rig.sessionsOf(number))[at]?.status === 'failed';
    const [{ used } = { used: 0 }] = await rig.rows<{ used: number }>(
      `SELECT coalesce(sum(tokens), 0)::int AS used FROM agent_session WHERE requested_by LIKE '%bob%'`,
    );
    rig.planned.perPersonPerDay = { tokens: used + 500, costMicros: null };
    try {
      await rig.as('bob').comment(number, '/assign-agent');
      await rig.until('it has ended', isOver(0));
      // After that none of theirs begins, and somebody else’s does where there is something left for all.
      const starts = begun();
      await rig.as('bob').comment(number, '/assign-agent again');
      await rig.until('it does not begin', isOver(1));
      expect((await rig.sessionsOf(number))[1]?.failure).toContain('that one person may use');
      rig.planned.perPersonPerDay = perPersonPerDay;
      rig.planned.perDay = { tokens: used + 500, costMicros: null };
      await rig.as('dave').comment(number, '/assign-agent for me');
      await rig.until('theirs does not begin either', isOver(2));
      expect((await rig.sessionsOf(number))[2]?.failure).toContain('which is all there is for a day');
      expect(begun()).toBe(starts);
    } finally {
      rig.planned.perPersonPerDay = perPersonPerDay;
      rig.planned.perDay = perDay;
    }
    const [session] = await rig.sessionsOf(number);
    const [stop] = await rig.rows<{ data: { why: string; detail: string } }>(
      `SELECT data FROM session_event WHERE session_id = $1 AND kind = 'stop'`,
      [session?.id],
    );
    expect(stop?.data).toMatchObject({ why: 'budget', detail: expect.stringContaining('that one person may use') });
    await rig.until('it let go', async () => (await rig.sessionsOf(number))[0]?.lease_held === false);
    expect(rig.runner.running()).toEqual([]);
  });

  it('pushes what a failed session has left when somebody asks for it, under its own lease', async () => {
    rig.plays(async (agent) => {
      await agent.edit('half.txt', 'half\n');
      agent.say({ type: 'done', ok: false, title: 'Half a fix', summary: 'I give up.' });
    });
    const number = await rig.openIssue('Half done');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it gave up', async () => (await rig.sessionsOf(number))[0]?.status === 'failed');
    await rig.until('it has let go', async () => (await rig.sessionsOf(number))[0]?.lease_held === false);
    const id = (await rig.sessionsOf(number))[0]?.id ?? '';
    const push = () => tenant((tx) => pushAndCreatePr(tx, id, { by: 'bob', title: 'Half a fix', summary: 'By hand.' }));
    // While another works on the same issue nothing is pushed.
    rig.plays(async (agent) => void (await agent.hear()));
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('another works', async () => (await rig.sessionsOf(number))[1]?.status === 'running');
    expect(await push()).toMatchObject({ ok: false, why: expect.stringContaining('Another session') });
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it let go', async () => (await rig.sessionsOf(number))[1]?.lease_held === false);

    // Asked twice at the same moment it is one push.
    const asked = await Promise.all([push(), push()]);
    expect(asked.map(({ ok }) => ok)).toEqual([true, true]);
    const agents = asked.flatMap((one) => (one.ok ? one.wish.agents : []));
    expect(agents).toHaveLength(1);
    for (const { version, ...key } of agents) await rig.pokes.agent.poke(key, { version });
    await rig.until('its work is there', async () => (await rig.sessionsOf(number))[0]?.status === 'in_review');
    expect((await rig.sessionsOf(number))[0]).toMatchObject({ round: 1, fence: '1' });
    const { pullRequests } = await rig.fake.state(place);
    const pull = pullRequests.find(({ title }) => title === 'Half a fix');
    expect(pull).toMatchObject({ draft: true, body: expect.stringContaining('By hand.') });
    expect(await rig.fake.readFile(place, pull?.head ?? '', 'half.txt')).toBe('half\n');
    expect((await rig.record(id)).slice(-5)).toEqual(['push', '>pushing', 'pushed', 'pr.created', '>in_review']);
    const [event] = await rig.rows<{ data: object }>(
      `SELECT data FROM session_event WHERE session_id = $1 AND kind = 'pr.created'`,
      [id],
    );
    expect(Object.keys(event?.data ?? {}).sort()).toEqual(['number', 'pullRequestId', 'title', 'url']);
    // Once more it is what it is.
    expect(await push()).toMatchObject({
      ok: true,
      wish: { agents: [], session: { pullRequestNumber: pull?.number } },
    });
    await rig.until('it lets go', async () => (await rig.sessionsOf(number))[0]?.lease_held === false);
  });

  it('asks once more for an answer, ends visibly without one, and goes on when it comes after all', async () => {
    rig.plays(async (agent) => {
      agent.say({ type: 'question', text: 'Which **one**, @carol?\n/cancel', options: [] });
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const answer = await agent.ask('Well?');
      await agent.edit('one.txt', `${answer}\n`);
      agent.say({ type: 'done', ok: true, title: 'That one', summary: '' });
    });
    const number = await rig.openIssue('Asked in vain');
    const told = async (words: string) => (await rig.said(number)).filter((body) => body.includes(words));
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it asks', async () => (await told('@bob scripted asks')).length === 1);
    // Asked again while it waits, it is shown, and nobody is told anew.
    await rig.until('it asks again', async () => (await told('Well?')).length === 1);
    expect(await told('@bob scripted asks')).toHaveLength(1);
    // What an agent writes names nobody, and gives no commands.
    expect((await told('@bob scripted asks'))[0]).not.toMatch(/@carol|\*\*|^\//m);
    await rig.rows(`UPDATE agent_session SET asked_at = now() - interval '25 hours' WHERE number = $1`, [number]);
    await rig.until('it asks once more', async () => (await told('still waits for an answer')).length === 1);
    // A worker that was killed before it could say that it has told them.
    const ofNumber = 'session_id IN (SELECT id FROM agent_session WHERE number = $1)';
    await rig.rows(`UPDATE session_notice SET told_at = NULL WHERE ${ofNumber}`, [number]);
    await rig.restart();
    await rig.until('they are known to be told', async () => {
      const waiting = await rig.rows(
        `SELECT FROM session_notice WHERE told_at IS NULL AND refused IS NULL AND ${ofNumber}`,
        [number],
      );
      return waiting.length === 0;
    });
    expect([await told('@bob scripted asks'), await told('still waits')].map(({ length }) => length)).toEqual([1, 1]);
    expect((await rig.sessionsOf(number))[0]?.status).toBe('blocked');
    await rig.rows(`UPDATE agent_session SET asked_at = now() - interval '73 hours' WHERE number = $1`, [number]);
    await rig.until('it has ended', async () => (await rig.sessionsOf(number))[0]?.status === 'failed');
    expect((await rig.sessionsOf(number))[0]?.failure).toContain('Nobody answered its question in time');
    expect(rig.runner.running()).toEqual([]);
    await rig.until('they are told', async () => (await told('@bob scripted failed: Nobody answered')).length === 1);
    rig.plays(async (agent) => {
      await agent.edit('one.txt', 'this\n');
      agent.say({ type: 'done', ok: true, title: 'This one', summary: '' });
    });
    await rig.as('bob').comment(number, '/reply this one');
    await rig.until('it is done', async () => (await rig.sessionsOf(number))[0]?.status === 'in_review');
    expect((await rig.sessionsOf(number))[0]).toMatchObject({ round: 2 });
    expect(rig.facts.at(-1)?.earlier.at(-1)).toMatchObject({ text: 'this one', isPerson: true });
    await rig.until('it lets go', async () => (await rig.sessionsOf(number))[0]?.lease_held === false);
  });

  it('keeps to what the repository says of agents on its default branch, and begins none while that has mistakes', async () => {
    const write = (text: string | null) =>
      rig.as('bob').push({ branch: 'main', files: { '.forgeway.yml': text }, message: 'chore: agents' });
    const number = await rig.openIssue('Ruled');
    const limitsOf = () =>
      rig.rows('SELECT limit_seconds AS s, limit_tokens::int AS t FROM agent_session WHERE number = $1', [number]);
    await write(
      'agents:\n  allow: [scripted]\n  default: missing\n  label: ai\n  limits: { seconds: 60, tokens: 5000 }\n',
    );
    rig.plays(async () => undefined);
    // What it names as the default is none of the operator's: nothing is begun in its place.
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.as('bob').label(number, ['assign-agent']);
    await rig.quiet();
    expect(await rig.sessionsOf(number)).toEqual([]);
    await rig.as('bob').label(number, ['ai:scripted']);
    await rig.until('the label has it work', async () => (await rig.sessionsOf(number))[0]?.status === 'completed');
    // Lower than what the operator allows, and never higher.
    expect(await limitsOf()).toEqual([{ s: 60, t: 1_000 }]);
    await write('agents:\n  allow: []\n');
    await rig.as('bob').comment(number, '/assign-agent scripted');
    await rig.quiet();
    expect((await rig.said(number)).at(-1)).toContain('does not let scripted work here. It lets none.');
    await write('agents:\n  alow: [scripted]\n');
    await rig.as('bob').comment(number, '/assign-agent scripted');
    await rig.quiet();
    expect((await rig.said(number)).at(-1)).toContain('.forgeway.yml: line 2: agents.alow is not known');
    // Whoever asks by another way is stopped at the start.
    const asked = await assignment(number, 'ruled');
    const wish = await tenant((tx) => assignAgent(tx, asked));
    for (const { version, ...key } of wish.agents) await rig.pokes.agent.poke(key, { version });
    await rig.until('it is refused', async () => (await rig.sessionsOf(number))[1]?.status === 'failed');
    expect((await rig.sessionsOf(number))[1]?.failure).toContain('agents.alow is not known');
    await write(null);
  });

  it('removes what failed sessions left when it was kept for long enough, and nothing that may still be needed', async () => {
    rig.plays(async (agent) => {
      await agent.edit('left.txt', 'left\n');
      agent.say({ type: 'done', ok: false, title: '', summary: 'I give up.' });
    });
    const number = await rig.openIssue('Left behind');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it failed', async () => (await rig.sessionsOf(number))[0]?.status === 'failed');
    await rig.until('it let go', async () => (await rig.sessionsOf(number))[0]?.lease_held === false);
    rig.plays(async (agent) => void (await agent.hear()));
    const other = await rig.openIssue('At work');
    await rig.as('bob').comment(other, '/assign-agent');
    await rig.until('another works', async () => (await rig.sessionsOf(other))[0]?.status === 'running');
    const [failed = '', live = ''] = [(await rig.sessionsOf(number))[0]?.id, (await rig.sessionsOf(other))[0]?.id];
    const gone: string[] = [];
    const runner = {
      list: async () => [...(await rig.runner.list()), { sessionId: UNKNOWN, fence: 1 }],
      remove: async (ref: { sessionId: string; fence: number }) => {
        gone.push(ref.sessionId);
        if (ref.sessionId !== UNKNOWN) await rig.runner.remove(ref);
      },
    };
    const o = { store: rig.store, runner, keepMs: 3_600_000, clock: systemClock, log: pino({ level: 'silent' }) };
    const kept = new Map((await leftovers(o)).map((one) => [one.sessionId, one]));
    expect(kept.get(failed)).toMatchObject({ status: 'failed', on: `acme/shop#${number}`, goesAt: expect.any(Date) });
    expect(kept.get(live)).toMatchObject({ status: 'running', goesAt: null });
    expect(gone).toEqual([]);
    // What no row knows goes at once; the rest is kept.
    await removeLeftovers(o);
    expect(gone).toEqual([UNKNOWN]);
    await rig.rows(`UPDATE agent_session SET ended_at = now() - interval '2 hours' WHERE id = $1`, [failed]);
    expect((await removeLeftovers(o)).map(({ sessionId }) => sessionId)).toContain(failed);
    expect(gone).not.toContain(live);
    expect((await rig.runner.list()).map(({ sessionId }) => sessionId)).not.toContain(failed);
    const pushed = await tenant((tx) => pushAndCreatePr(tx, failed, { by: 'bob', title: '', summary: '' }));
    expect(pushed).toMatchObject({ ok: false, why: expect.stringContaining('was removed') });
    await rig.as('bob').comment(other, '/cancel');
    await rig.until('it is over', async () => (await rig.sessionsOf(other))[0]?.status === 'cancelled');
  });

  it('removes nothing of a session that was begun again after it was listed as left', async () => {
    rig.plays(async (agent) => {
      await agent.edit('left.txt', 'left\n');
      agent.say({ type: 'done', ok: false, title: '', summary: 'I give up.' });
    });
    const ids: string[] = [];
    for (const title of ['Left first', 'Left second']) {
      const number = await rig.openIssue(title);
      await rig.as('bob').comment(number, '/assign-agent');
      await rig.until('it has let go', async () => {
        const [one] = await rig.sessionsOf(number);
        return one?.status === 'failed' && !one.lease_held;
      });
      ids.push((await rig.sessionsOf(number))[0]?.id ?? '');
    }
    const [first = '', second = ''] = ids;
    await rig.rows(`UPDATE agent_session SET ended_at = now() - interval '9 hours' WHERE id = $1`, [first]);
    await rig.rows(`UPDATE agent_session SET ended_at = now() - interval '8 hours' WHERE id = $1`, [second]);
    const gone: string[] = [];
    const o = { store: rig.store, keepMs: 3_600_000, clock: systemClock, log: pino({ level: 'silent' }) };
    for (const begun of [`status = 'assigned'`, `status = 'failed', lease_held = true`]) {
      gone.length = 0;
      const runner = {
        list: async () => ids.map((sessionId) => ({ sessionId, fence: 1 })),
        remove: async ({ sessionId }: { sessionId: string }) => {
          gone.push(sessionId);
          await rig.rows(`UPDATE agent_session SET ${begun} WHERE id = $1`, [second]);
        },
      };
      expect((await removeLeftovers({ ...o, runner })).map(({ sessionId }) => sessionId)).toEqual([first]);
      expect(gone).toEqual([first]);
      await rig.rows(`UPDATE agent_session SET status = 'failed', lease_held = false WHERE id = $1`, [second]);
    }
  });

  it('writes every line once, although workers die while they read', async () => {
    const LINES = 120;
    rig.plays(async (agent) => {
      for (let at = 0; at < LINES; at += 1) {
        agent.say({ type: 'message', text: `line ${at}` });
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      agent.say({ type: 'done', ok: true, title: '', summary: 'done' });
    });
    const number = await rig.openIssue('Read often');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it works', async () => (await rig.sessionsOf(number))[0]?.status === 'running');
    for (let death = 0; death < 5; death += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await rig.restart();
    }
    await rig.until('it is done', async () => (await rig.sessionsOf(number))[0]?.status === 'completed');
    const [session] = await rig.sessionsOf(number);
    const lines = await rig.rows<{ text: string; sequence: bigint }>(
      `SELECT data ->> 'text' AS text, sequence FROM session_event WHERE session_id = $1 AND kind = 'message' ORDER BY sequence`,
      [session?.id],
    );
    expect(lines.map(({ text }) => text)).toEqual(Array.from({ length: LINES }, (_, at) => `line ${at}`));
    const all = await rig.rows<{ sequence: bigint }>(
      'SELECT sequence FROM session_event WHERE session_id = $1 ORDER BY sequence',
      [session?.id],
    );
    expect(all.map(({ sequence }) => Number(sequence))).toEqual(all.map((_, at) => at + 1));
  });

  it.each([
    ['failed', [{ type: 'message', text: 'the last' }]],
    ['completed', [rawEvent('the last', 'not-json'), { type: 'done', ok: true, title: '', summary: '' }]],
  ] as const)(
    'has %s with the last words of an agent that is killed just after it has said them',
    async (end, words) => {
      rig.plays(async (agent) => void (await agent.hear()));
      const number = await rig.openIssue('Killed');
      await rig.as('bob').comment(number, '/assign-agent');
      await rig.until('it works', async () => (await rig.sessionsOf(number))[0]?.status === 'running');
      const id = (await rig.sessionsOf(number))[0]?.id ?? '';
      rig.runner.before.observe = async () => {
        delete rig.runner.before.observe;
        rig.runner.die(id, ...words);
      };
      await rig.until('it is over', async () => (await rig.sessionsOf(number))[0]?.status === end);
      const said = await rig.rows<{ text: string }>(
        `SELECT data ->> 'text' AS text FROM session_event WHERE session_id = $1 AND kind IN ('message', 'raw')`,
        [id],
      );
      expect(said.map(({ text }) => text.trim())).toEqual([expect.stringContaining('the last')]);
    },
  );

  it('hands a reply over once, also when the worker dies in between and the sender sends it again', async () => {
    const heard: string[] = [];
    rig.plays(async (agent) => {
      heard.push(await agent.ask('Which?'));
      heard.push(await agent.ask('And then?'));
    });
    const number = await rig.openIssue('Told once');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it asks', async () => (await rig.sessionsOf(number))[0]?.status === 'blocked');
    const id = (await rig.sessionsOf(number))[0]?.id ?? '';
    const reply = { clientInputId: 'one', by: 'bob', text: 'the first', at: new Date() };
    expect(await tenant((tx) => replyToSession(tx, id, reply))).toMatchObject({ ok: true });
    expect(await tenant((tx) => replyToSession(tx, id, reply))).toMatchObject({ ok: true });
    await rig.restart();
    await rig.until(
      'it asks again',
      async () => heard.length === 1 && (await rig.sessionsOf(number))[0]?.status === 'blocked',
    );
    // As if the worker had died between handing over and writing that down.
    await rig.rows('UPDATE client_input SET delivered_at = NULL WHERE session_id = $1', [id]);
    await rig.restart();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(heard).toEqual(['the first']);
    expect((await rig.sessionsOf(number))[0]?.status).toBe('blocked');
    await tenant((tx) =>
      replyToSession(tx, id, { clientInputId: 'two', by: 'bob', text: 'the second', at: new Date() }),
    );
    await rig.restart();
    await rig.until('it ends', async () => (await rig.sessionsOf(number))[0]?.status === 'completed');
    expect(heard).toEqual(['the first', 'the second']);
  });

  it('fails in sight when an agent ends without a word, and ends what has used up its budget', async () => {
    rig.plays(async () => {
      throw new Error('crash');
    });
    const number = await rig.openIssue('Crashes');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it has failed', async () => (await rig.sessionsOf(number))[0]?.status === 'failed');
    expect((await rig.sessionsOf(number))[0]?.failure).toBe('It ended with code 137.');
    await rig.until('it is said', async () => (await rig.said(number)).some((body) => body.includes('/retry')));

    rig.plays(async (agent) => {
      agent.say({ type: 'cost', inputTokens: 900, outputTokens: 200, total: true });
      await agent.hear();
    });
    await rig.as('bob').comment(number, '/retry');
    await rig.until('it was stopped', async () => (await rig.sessionsOf(number))[1]?.status === 'failed');
    expect((await rig.sessionsOf(number))[1]?.failure).toBe('It had used up what it may cost.');
    expect(rig.runner.running()).toEqual([]);
  });

  it('goes on with the same session, branch and pull request after a reply to what has come back', async () => {
    rig.plays(async (agent) => {
      await agent.edit('round.txt', `${agent.spec.fence}\n`);
      agent.say({ type: 'done', ok: true, title: 'Rounds', summary: `Number ${agent.spec.fence}.` });
    });
    const number = await rig.openIssue('Rounds');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it is back', async () => (await rig.sessionsOf(number))[0]?.status === 'in_review');
    const [first] = await rig.sessionsOf(number);
    const started = rig.runner.starts.length;
    await rig.as('bob').review(first?.pull_request_number ?? 0, {
      ...{ verdict: 'request_changes', body: 'Two, please.' },
      lines: [{ path: 'round.txt', line: 1, body: 'This one.' }],
    });
    await rig.quiet();
    // Times of forges are whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await rig.as('bob').comment(first?.pull_request_number ?? 0, '/reply make it two');
    await rig.until('it is back again', async () => {
      const [now] = await rig.sessionsOf(number);
      return now?.status === 'in_review' && now.round === 2 && !now.lease_held;
    });
    const [second] = await rig.sessionsOf(number);
    expect(second).toMatchObject({
      ...{ id: first?.id, branch: first?.branch, pull_request_number: first?.pull_request_number },
      ...{ fence: '2', lease_held: false },
    });
    expect(rig.runner.starts.length).toBe(started + 1);
    expect(rig.facts.at(-1)?.earlier).toEqual(
      expect.arrayContaining([{ by: 'bob', text: 'make it two', isPerson: true }]),
    );
    // What was said about its work since it began, before this.
    expect(rig.facts.at(-1)?.comments.map(({ kind, text, place: where }) => [kind, text, where])).toEqual([
      ['comment', '/assign-agent', undefined],
      ['review', '(changes_requested) Two, please.', undefined],
      ['review comment', 'This one.', 'round.txt:1'],
    ]);
    const texts = async () => {
      const { pullRequests } = await rig.fake.state({ owner: 'acme', name: 'shop' });
      return pullRequests.filter(({ head }) => head === first?.branch).map(({ body }) => body);
    };
    expect(await texts()).toEqual([expect.stringMatching(/^Number 2\./)]);

    const edited = 'Ada says how it is to be read.';
    await rig.as('bob').editPullRequest(first?.pull_request_number ?? 0, { body: edited });
    await rig.as('bob').comment(first?.pull_request_number ?? 0, '/reply make it three');
    await rig.until('it is back once more', async () => {
      const [now] = await rig.sessionsOf(number);
      return now?.status === 'in_review' && now.round === 3 && !now.lease_held;
    });
    // A person's words stay.
    expect(await texts()).toEqual([edited]);
    expect(await rig.fake.readFile({ owner: 'acme', name: 'shop' }, first?.branch ?? '', 'round.txt')).toBe('3\n');
  });
});
