/** What sessions may use: of time, tokens and money, each session, each person and everybody in a day; each limit alone. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { overBudget } from '../../src/jobs/agent/budget.js';
import { drive } from '../../src/jobs/agent/drive.js';
import { readSession } from '../../src/jobs/agent/session-record.js';
import { fakedForges } from '../support/connected-forge.js';
import { planning } from '../support/planned-agents.js';
import { type AgentRig, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');
const NONE = { tokens: null, costMicros: null };
const DOLLAR = 1_000_000;
const planned = planning([]);

let rig: AgentRig;
beforeAll(async () => {
  if (forge === undefined) throw new Error('there is no fake to run on');
  rig = await startAgentRig(forge);
});
afterAll(() => rig?.close());
beforeEach(() => rig.rows('UPDATE command_sender SET given = 0'));

const tenant = <T>(run: Parameters<typeof rig.store.tenant<T>>[1]) => rig.store.tenant(rig.organizationId, run);

interface Used {
  by?: string;
  /** Who asked for it by the API. */
  user?: string;
  /** Who asked for it on the forge. */
  account?: number;
  tokens?: number;
  costMicros?: number;
  /** Hours ago. */
  begun?: number;
  changed?: number;
  status?: string;
}
let made = 0;
/** A session of before, of which nothing runs. */
async function past({
  by = 'ann',
  user,
  account,
  tokens = 0,
  costMicros = 0,
  begun = 1,
  changed = 1,
  status = 'merged',
}: Used) {
  made += 1;
  const [row] = await rig.rows<{ id: string }>(
    `INSERT INTO agent_session (organization_id, repository_id, forge, host, remote_repository_id, number, on_pull_request,
       command_key, requested_by, agent, triggered_at, limit_seconds, tokens, cost_micros, status, created_at, updated_at,
       observed_version, work_removed_at, user_id, requester_id, requester_login)
     SELECT $1, id, forge, host, remote_id, 9000 + $2::int, false, 'past:' || $2::int, $3, 'scripted', now(), 600, $4, $5, $6,
       now() - $7 * interval '1 hour', now() - $8 * interval '1 hour', 1, now(), $9, $10::bigint, 'l' || $10::bigint
     FROM repository RETURNING id`,
    [rig.organizationId, made, by, tokens, costMicros, status, begun, changed, user ?? null, account ?? null],
  );
  return row?.id ?? '';
}
const forget = () => rig.rows('DELETE FROM agent_session');

/** What is said to the session of Ann's with these limits for a day. */
async function refusal(limits: Partial<Pick<typeof planned, 'perPersonPerDay' | 'perDay'>>, who: Used = {}) {
  const id = await past({ status: 'cancelled', ...who });
  return tenant(async (tx) => {
    const session = await readSession(tx, id);
    if (session === undefined) throw new Error('no session');
    return overBudget(tx, session, { perPersonPerDay: NONE, perDay: NONE, ...limits });
  });
}

describe('what may be used in a day', () => {
  beforeEach(forget);
  afterAll(forget);

  it('is of one person what they have used, of whatever session', async () => {
    await past({ tokens: 600, costMicros: 2 * DOLLAR });
    await past({ tokens: 400, costMicros: 3 * DOLLAR });
    await past({ by: 'ben', tokens: 5_000, costMicros: 50 * DOLLAR });
    const own = (perPersonPerDay: { tokens: number | null; costMicros: number | null }) => refusal({ perPersonPerDay });
    expect(await own({ tokens: 1_001, costMicros: 5 * DOLLAR + 1 })).toBeUndefined();
    expect(await own({ ...NONE, tokens: 1_000 })).toContain('used the 1000 tokens that one person');
    expect(await own({ ...NONE, costMicros: 5 * DOLLAR })).toContain('used the $5.00 that one person');
    expect(await own(NONE)).toBeUndefined();
  });

  it('is of one person what they have asked for on the forge and with whatever token', async () => {
    await rig.addAccount('ann-user', { id: 4_711, login: 'ann' });
    await past({ by: 'user:ann-user token:1', user: 'ann-user', tokens: 100 });
    await past({ by: 'user:ann-user token:2', user: 'ann-user', tokens: 100 });
    await past({ by: 'gitea:git.example:4711', account: 4_711, tokens: 100 });
    await past({ by: 'gitea:git.example:4712', account: 4_712, tokens: 5_000 });
    await past({ by: 'machine:7', tokens: 5_000 });
    for (const who of [
      { by: 'user:ann-user token:3', user: 'ann-user' },
      { by: 'gitea:git.example:4711', account: 4_711 },
    ]) {
      expect(await refusal({ perPersonPerDay: { ...NONE, tokens: 301 } }, who)).toBeUndefined();
      expect(await refusal({ perPersonPerDay: { ...NONE, tokens: 300 } }, who)).toContain('used the 300 tokens');
    }
    const other = { by: 'gitea:git.example:4712', account: 4_712 };
    expect(await refusal({ perPersonPerDay: { ...NONE, tokens: 5_000 } }, other)).toContain('used the 5000 tokens');
    expect(await refusal({ perPersonPerDay: { ...NONE, tokens: 1 } }, { by: 'machine:8' })).toBeUndefined();
  });

  it('is of everybody what they have used together', async () => {
    await past({ tokens: 600, costMicros: 2 * DOLLAR });
    await past({ by: 'ben', tokens: 400, costMicros: 3 * DOLLAR });
    expect(await refusal({ perDay: { tokens: 1_001, costMicros: 5 * DOLLAR + 1 } })).toBeUndefined();
    expect(await refusal({ perDay: { ...NONE, tokens: 1_000 } })).toContain('1000 tokens were used, which is all');
    expect(await refusal({ perDay: { ...NONE, costMicros: 5 * DOLLAR } })).toContain('$5.00 were used, which is all');
  });

  it('is what was used since yesterday, and not what a session that goes on has used before', async () => {
    await past({ tokens: 1_000, begun: 30, changed: 25 });
    const old = await past({ tokens: 1_000, begun: 30 * 24, changed: 0, status: 'running' });
    await rig.rows(
      `INSERT INTO session_event (organization_id, session_id, sequence, kind, data, created_at)
       VALUES ($1, $2, 0, 'cost', '{"tokens": 900, "costMicros": 900}', now() - interval '25 hours')`,
      [rig.organizationId, old],
    );
    expect(await refusal({ perDay: { ...NONE, tokens: 1 } })).toBeUndefined();
    await tenant((tx) => drive(tx, old, [{ kind: 'cost', tokens: 70, costMicros: 9 }], { wakes: false }));
    expect(await refusal({ perDay: { ...NONE, tokens: 71 } })).toBeUndefined();
    expect(await refusal({ perDay: { ...NONE, tokens: 70 } })).toContain('70 tokens were used');
    expect(await refusal({ perDay: { ...NONE, costMicros: 9 } })).toContain('were used');
    expect(await refusal({ perPersonPerDay: { ...NONE, tokens: 70 } })).toContain('70 tokens');
  });
});

describe('a session at work', () => {
  let number = 0;
  /** The session of the issue that was opened last. */
  const newest = async () => {
    const [own] = await rig.rows<{ id: string }>('SELECT id FROM agent_session WHERE number = $1', [number]);
    return (await rig.sessions()).find(({ id }) => id === own?.id);
  };
  const limits = { seconds: 600, tokens: 1_000 as number | null, costMicros: (5 * DOLLAR) as number | null };
  async function begins(own: Partial<typeof limits>): Promise<void> {
    const agent = rig.planned.byName.get('scripted');
    if (agent === undefined) throw new Error('no agent');
    agent.limits = { ...limits, ...own };
    number = await rig.as('bob').openIssue({ title: 'Uses much' });
    await rig.quiet();
    await rig.as('bob').comment(number, '/assign-agent');
  }
  const ended = async () => {
    await rig.until('it is over', async () => {
      const now = await newest();
      return now?.status === 'failed' && !now.lease_held;
    });
    const session = await newest();
    const [stop] = await rig.rows<{ data: { why: string; detail: string } }>(
      `SELECT data FROM session_event WHERE session_id = $1 AND kind = 'stop'`,
      [session?.id],
    );
    return { status: session?.status, ...stop?.data };
  };
  const uses = (cost: { inputTokens?: number; outputTokens?: number; usd?: number; total?: boolean }) =>
    rig.plays(async (agent) => {
      agent.say({ type: 'cost', inputTokens: 0, outputTokens: 0, total: false, ...cost });
      await agent.hear();
    });

  it.each([
    ['tokens', { inputTokens: 400, outputTokens: 600 }, {}, { why: 'budget', detail: 'It may use 1000 tokens.' }],
    ['money', { usd: 5 }, {}, { why: 'budget', detail: 'It may use $5.00.' }],
    ['time', {}, { seconds: 1 }, { why: 'timeout', detail: 'It may work for 1 s.' }],
  ])('is ended when it has used up its %s', async (_what, cost, own, stop) => {
    uses(cost);
    await begins(own);
    expect(await ended()).toMatchObject({ status: 'failed', ...stop });
    expect(rig.runner.running()).toEqual([]);
  });

  it('is ended by its time although it prints faster than anybody reads', async () => {
    rig.plays(async (agent) => void (await agent.hear()));
    const { read } = rig.runner;
    rig.runner.read = async (_ref, cursor) => ({
      events: [{ at: cursor, ordinal: 0, event: { type: 'message', text: 'y' } }],
      ...{ next: cursor + 1, more: (await newest())?.stop === null },
    });
    try {
      await begins({ seconds: 2 });
      expect(await ended()).toMatchObject({ status: 'failed', why: 'timeout' });
    } finally {
      rig.runner.read = read;
    }
  });

  it('is held to what a day may cost also by a worker that comes to it when it has told its cost', async () => {
    const { perDay } = rig.planned;
    uses({ inputTokens: 10 });
    await begins({});
    await rig.until('its cost is known', async () => (await newest())?.tokens === '10');
    rig.planned.perDay = { tokens: 1, costMicros: null };
    try {
      await rig.restart();
      expect(await ended()).toMatchObject({ status: 'failed', why: 'budget' });
    } finally {
      rig.planned.perDay = perDay;
    }
  });

  it.each(['tokens', 'costMicros'] as const)(
    'is not begun when the day’s %s are used up, and says so',
    async (what) => {
      const { perDay, perPersonPerDay } = rig.planned;
      await past({ tokens: 100, costMicros: 100 });
      const before = rig.runner.starts.length;
      rig.planned.perDay = { ...NONE, [what]: 100 };
      try {
        await begins({});
        await rig.until('it has failed', async () => (await newest())?.status === 'failed');
        expect((await newest())?.failure).toContain('which is all there is for a day');
        expect(rig.runner.starts.length).toBe(before);
      } finally {
        Object.assign(rig.planned, { perDay, perPersonPerDay });
      }
    },
  );
});

describe('two workers that look at once', () => {
  let two: AgentRig;
  beforeAll(async () => {
    if (forge === undefined) throw new Error('there is no fake to run on');
    two = await startAgentRig(forge, { workers: 2 });
  });
  afterAll(() => two?.close());

  it.each(['perPersonPerDay', 'perDay'] as const)(
    'count what agents use once, and let none use more of %s than what each is just doing',
    async (whose) => {
      const STEP = 30;
      const [{ used } = { used: 0 }] = await two.rows<{ used: number }>(
        'SELECT coalesce(sum(tokens), 0)::int AS used FROM agent_session',
      );
      const ofSession = async (id: string) => (await two.sessions()).find((one) => one.id === id);
      let told = 0;
      two.plays(async (agent) => {
        let steps = 0;
        do {
          steps += 1;
          told += STEP;
          agent.say({ type: 'cost', inputTokens: STEP, outputTokens: 0, total: false });
          const isCounted = async () => Number((await ofSession(agent.spec.sessionId))?.tokens) >= steps * STEP;
          await Promise.race([two.until('that is counted', isCounted), agent.stopped]);
        } while (two.runner.running().includes(agent.spec.sessionId));
      });
      const limit = 4 * STEP + 10;
      const before = two.planned[whose];
      two.planned[whose] = { tokens: used + limit, costMicros: null };
      try {
        const numbers = [await two.openIssue(`${whose} one`), await two.openIssue(`${whose} two`)];
        await Promise.all(numbers.map((at) => two.as('bob').comment(at, '/assign-agent')));
        await two.until('both are over', async () => {
          const all = (await Promise.all(numbers.map((at) => two.sessionsOf(at)))).flat();
          return all.length === 2 && all.every(({ status, lease_held }) => status === 'failed' && !lease_held);
        });
        const sessions = (await Promise.all(numbers.map((at) => two.sessionsOf(at)))).flat();
        const counted = sessions.reduce((sum, { tokens }) => sum + Number(tokens), 0);
        expect(counted).toBe(told);
        expect(counted).toBeGreaterThanOrEqual(limit);
        // Each may be in the middle of a step when the last one is counted, and tell of one more before it is stopped.
        expect(counted).toBeLessThan(limit + 2 * 2 * STEP);
        const starts = two.runner.starts.length;
        const late = await two.openIssue(`${whose} late`);
        await two.as('bob').comment(late, '/assign-agent');
        await two.until('it is refused', async () => (await two.sessionsOf(late))[0]?.status === 'failed');
        expect(two.runner.starts.length).toBe(starts);
      } finally {
        two.planned[whose] = before;
      }
    },
  );
});
