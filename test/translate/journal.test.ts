/** The write journal on GitHub: what is recorded, what is sent, looked for, answered from the journal, and refused. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { writeRoutes } from '../../src/forges/github/write-routes.js';
import { prune } from '../../src/inbox/prune.js';
import { replayDelivery } from '../../src/inbox/replay.js';
import type { DispatchAttempt, RunWrites } from '../../src/lib/delivery-scope.js';
import type { Bridge } from '../../src/translate/bridge.js';
import { finders } from '../../src/translate/journal/find.js';
import { nock } from '../support/nock.js';
import { createRig, type Rig } from './bridge-rig.js';
import { createJournalDatabase, type Dispatch, type JournalDatabase } from './journal-rig.js';

const API = 'https://api.github.com';
const COMMENTS = '/repos/acme/web/issues/12/comments';
const CREATE = 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments';
const REPO = { owner: 'acme', repo: 'web' };
const APP = { slug: 'forgeway', id: 12345 };

type Request = (route: string, parameters?: object) => Promise<{ status: number; data: unknown }>;
type Step = (request: Request, graphql: (query: string, variables?: object) => Promise<unknown>) => Promise<unknown>;

let rig: Rig;
let hookId: string;
let bridge: Bridge;
let journal: JournalDatabase;
const now: { step: Step } = { step: async () => undefined };
const signal = new AbortController().signal;
/** Ids of what GitHub made, each another one. */
const made = { id: 1_000 };

beforeAll(async () => {
  rig = await createRig();
  journal = await createJournalDatabase(rig.database);
  hookId = await rig.hook({ scope: 'app' });
  bridge = await rig.bridge([
    {
      name: 'greeter',
      load: (probot) => {
        probot.on('push', async (context) => {
          const { octokit } = context;
          await now.step(
            (route, parameters) => octokit.request(route, parameters as never),
            (query, variables) => octokit.graphql(query, variables as never),
          );
        });
      },
    },
  ]);
  // One token for the whole file: it is kept for 50 minutes.
  nock(API)
    .post('/app/installations/42/access_tokens')
    .reply(201, { token: 'ghs_of42', expires_at: new Date(Date.now() + 3_600_000).toISOString() });
  nock(API).get('/repos/acme/web').reply(200, {});
  await run(undefined, (request) => request('GET /repos/{owner}/{repo}', REPO));
});
afterAll(() => rig.database.drop());

const run = async (attempt: DispatchAttempt | undefined, step: Step, writes?: RunWrites): Promise<void> => {
  now.step = step;
  const fields = { name: 'push', hookId, ...(attempt && { attempt }), ...(writes && { writes }) };
  await bridge.run(rig.delivery(fields), signal);
};
const codeOf = (error: unknown): unknown => {
  const cause = (error as { cause?: { code?: unknown } }).cause;
  return cause?.code ?? (error as { status?: unknown }).status;
};
/** What a run failed with; undefined when it did not. */
const outcome = (attempt: DispatchAttempt | undefined, step: Step): Promise<unknown> =>
  run(attempt, step).then(
    () => undefined,
    (error: unknown) => ({ code: codeOf(error), permanent: bridge.isPermanent(error) }),
  );
const say =
  (body: string, issue_number = 12): Step =>
  (request) =>
    request(CREATE, { ...REPO, issue_number, body });
const madeComment = (body: string, more: object = {}) => {
  made.id += 1;
  return {
    id: made.id,
    body,
    user: { login: 'forgeway[bot]', id: 9 },
    performed_via_github_app: APP,
    created_at: new Date().toISOString(),
    ...more,
  };
};
const accepts = (body: string, answer = madeComment(body)) => nock(API).post(COMMENTS, { body }).reply(201, answer);
const reset = () => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
const loses = (body: string) => nock(API).post(COMMENTS, { body }).replyWithError(reset());
const lists = (...items: unknown[]) => nock(API).get(COMMENTS).query(true).reply(200, items);
const knowsApp = () => nock(API).get('/app').reply(200, APP);
const statuses = async (dispatch: Dispatch) => (await dispatch.rows()).map(({ status }) => status);
const lost = { code: 'FORGEWAY_FORGE_UNREACHABLE', permanent: false };
const unknown = { code: 'FORGEWAY_WRITE_OUTCOME_UNKNOWN', permanent: true };

describe('a handler that runs again', () => {
  it('is answered from the journal what was answered, and sends the rest', async () => {
    const dispatch = await journal.dispatch();
    const answer = madeComment('one');
    accepts('one', answer);
    const failing: Step = async (request) => {
      await say('one')(request, async () => undefined);
      throw new Error('mended later');
    };
    await expect(run(await dispatch.attempt(), failing)).rejects.toThrow('mended later');
    const seen: unknown[] = [];
    accepts('two');
    await run(await dispatch.attempt(), async (request) => {
      seen.push(await request(CREATE, { ...REPO, issue_number: 12, body: 'one' }));
      await request(CREATE, { ...REPO, issue_number: 12, body: 'two' });
    });
    expect(seen).toEqual([expect.objectContaining({ status: 201, data: answer })]);
    expect(await dispatch.rows()).toMatchObject([
      { route: CREATE, ordinal: 1, safety: 'findable', status: 'answered', sends: 1, answer_status: 201 },
      { route: CREATE, ordinal: 1, status: 'answered' },
    ]);
  });

  it('keeps two identical comments on purpose, also when the second one’s answer is lost', async () => {
    const dispatch = await journal.dispatch();
    const [first, second] = [madeComment('same'), madeComment('same')];
    const seen: unknown[] = [];
    const twice: Step = async (request) => {
      for (const at of [0, 1]) seen[at] = (await request(CREATE, { ...REPO, issue_number: 12, body: 'same' })).data;
    };
    accepts('same', first);
    loses('same');
    expect(await outcome(await dispatch.attempt(), twice)).toEqual(lost);
    // GitHub has both: the first is known as another write's.
    lists(first, second);
    knowsApp();
    await run(await dispatch.attempt(), twice);
    expect(seen).toEqual([first, second]);
    expect(await dispatch.rows()).toMatchObject([
      { ordinal: 1, status: 'answered', found: false },
      { ordinal: 2, status: 'answered', found: true },
    ]);
  });

  it('sends what never arrived: nobody else’s comment, none from before, and no other text is taken for it', async () => {
    const dispatch = await journal.dispatch();
    loses('lost');
    expect(await outcome(await dispatch.attempt(), say('lost'))).toEqual(lost);
    lists(
      madeComment('lost', { user: { login: 'ada', id: 1 }, performed_via_github_app: null }),
      madeComment('lost', { created_at: '2020-01-01T00:00:00Z' }),
      madeComment('lost, but longer'),
    );
    knowsApp();
    accepts('lost');
    await run(await dispatch.attempt(), say('lost'));
    expect(await dispatch.rows()).toMatchObject([{ status: 'answered', sends: 2, found: false }]);
  });

  it('finds what a process did that died before it heard', async () => {
    const dispatch = await journal.dispatch();
    const answer = madeComment('dying');
    accepts('dying', answer);
    await run(await dispatch.attempt(), say('dying'));
    await rig.database.store('worker').pool.query(
      `UPDATE write_journal SET status = 'sent', answered_at = NULL, answer_status = NULL, answer_body = NULL, effect = NULL
         WHERE dispatch_id = $1`,
      [dispatch.id],
    );
    lists(answer);
    knowsApp();
    await run(await dispatch.attempt(), say('dying'));
    expect(await dispatch.rows()).toMatchObject([{ status: 'answered', sends: 1, found: true }]);
  });

  it('is held up, and not taken for unknown, while it cannot be looked', async () => {
    const dispatch = await journal.dispatch();
    loses('waiting');
    await outcome(await dispatch.attempt(), say('waiting'));
    nock(API).get(COMMENTS).query(true).times(3).reply(502);
    expect(await outcome(await dispatch.attempt(), say('waiting'))).toEqual(lost);
    expect(await statuses(dispatch)).toEqual(['unknown']);
    nock(API).get(COMMENTS).query(true).reply(403, { message: 'no' });
    expect(await outcome(await dispatch.attempt(), say('waiting'))).toEqual(unknown);
  });

  it('may have changed its mind: another body is another write', async () => {
    const dispatch = await journal.dispatch();
    accepts('before');
    await run(await dispatch.attempt(), say('before'));
    accepts('after');
    await run(await dispatch.attempt(), say('after'));
    expect(await statuses(dispatch)).toEqual(['answered', 'answered']);
  });

  it('is not another one because it is later: times of check runs are not compared', async () => {
    const dispatch = await journal.dispatch();
    const check =
      (completed_at: string): Step =>
      (request) =>
        request('POST /repos/{owner}/{repo}/check-runs', {
          ...REPO,
          name: 'lint',
          head_sha: 'a'.repeat(40),
          completed_at,
        });
    nock(API).post('/repos/acme/web/check-runs').reply(201, { id: 5 });
    await run(await dispatch.attempt(), check('2026-01-01T00:00:00Z'));
    await run(await dispatch.attempt(), check('2026-01-01T00:00:09Z'));
    expect(await statuses(dispatch)).toEqual(['answered']);
  });

  it('numbers parallel writes by what they are, in whatever order they come', async () => {
    const dispatch = await journal.dispatch();
    const bodies = ['p1', 'p2', 'p2', 'p3'];
    for (const body of bodies) accepts(body);
    const all =
      (list: readonly string[]): Step =>
      (request) =>
        Promise.all(list.map((body) => request(CREATE, { ...REPO, issue_number: 12, body })));
    await run(await dispatch.attempt(), all(bodies));
    await run(await dispatch.attempt(), all([...bodies].reverse()));
    const ordinals = (await dispatch.rows()).map(({ ordinal }) => ordinal).sort();
    expect(ordinals).toEqual([1, 1, 1, 2]);
  });
});

describe('a write that failed', () => {
  it('with 502 is looked for when the app itself repeats it, in the same run', async () => {
    const dispatch = await journal.dispatch();
    const answer = madeComment('retry');
    nock(API).post(COMMENTS, { body: 'retry' }).reply(502);
    lists(answer);
    knowsApp();
    await run(await dispatch.attempt(), async (request, graphql) => {
      await say('retry')(request, graphql).catch(() => say('retry')(request, graphql));
    });
    expect(await dispatch.rows()).toMatchObject([{ ordinal: 1, status: 'answered', sends: 1, found: true }]);
  });

  it('with a refusal did nothing, and is sent again', async () => {
    const dispatch = await journal.dispatch();
    nock(API).post(COMMENTS, { body: 'refused' }).reply(403, {}, { 'retry-after': '0' });
    await outcome(await dispatch.attempt(), say('refused'));
    expect(await statuses(dispatch)).toEqual(['refused']);
    accepts('refused');
    await run(await dispatch.attempt(), say('refused'));
    expect(await dispatch.rows()).toMatchObject([{ status: 'answered', sends: 2 }]);
  });

  it('before anybody was there is not unknown, whatever its class', async () => {
    const dispatch = await journal.dispatch();
    const start: Step = (request) =>
      request('POST /repos/{owner}/{repo}/dispatches', { ...REPO, event_type: 'refused-connection' });
    nock(API)
      .post('/repos/acme/web/dispatches')
      .replyWithError(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    await outcome(await dispatch.attempt(), start);
    nock(API).post('/repos/acme/web/dispatches').reply(204);
    await run(await dispatch.attempt(), start);
    expect(await dispatch.rows()).toMatchObject([{ status: 'answered', sends: 2 }]);
  });

  it('and is unsafe is given up, until a person replays the delivery', async () => {
    const dispatch = await journal.dispatch();
    const start: Step = (request) => request('POST /repos/{owner}/{repo}/dispatches', { ...REPO, event_type: 'go' });
    const whole: Step = async (request, graphql) => {
      await say('first')(request, graphql);
      await start(request, graphql);
    };
    accepts('first');
    nock(API).post('/repos/acme/web/dispatches').replyWithError(reset());
    expect(await outcome(await dispatch.attempt(), whole)).toEqual(lost);
    expect(await outcome(await dispatch.attempt(), whole)).toEqual(unknown);
    expect(await statuses(dispatch)).toEqual(['answered', 'unknown']);

    const { pool } = rig.database.store('worker');
    await pool.query(`UPDATE dispatch SET status = 'dead', started_epoch = NULL WHERE id = $1`, [dispatch.id]);
    const replayed = await replayDelivery(rig.database.store('worker'), dispatch.deliveryId, { actor: 'cli:ada' });
    expect(replayed).toMatchObject({ kind: 'queued', dispatches: [expect.anything()] });
    const { rows } = await pool.query<{ id: bigint; journal_of: bigint }>(
      'SELECT id, journal_of FROM dispatch WHERE replay_of = $1',
      [dispatch.id],
    );
    expect(rows[0]?.journal_of).toBe(dispatch.id);
    await pool.query(
      `UPDATE dispatch SET attempts = 1, started_epoch = (SELECT epoch FROM lane_lease WHERE shard = 7) WHERE id = $1`,
      [rows[0]?.id],
    );
    const { rows: lease } = await pool.query<{ epoch: bigint }>('SELECT epoch FROM lane_lease WHERE shard = 7');
    nock(API).post('/repos/acme/web/dispatches').reply(204);
    // The comment is not posted again: the replay goes on where the row failed.
    await run({ dispatchId: rows[0]?.id ?? 0n, epoch: lease[0]?.epoch ?? 0n, number: 1 }, whole);
    expect(await statuses(dispatch)).toEqual(['answered', 'answered']);
  });

  it('to delete something was done when nothing is left of it', async () => {
    const dispatch = await journal.dispatch();
    const remove: Step = (request) =>
      request('DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}', { ...REPO, comment_id: 77 });
    nock(API).delete('/repos/acme/web/issues/comments/77').replyWithError(reset());
    await outcome(await dispatch.attempt(), remove);
    nock(API).delete('/repos/acme/web/issues/comments/77').reply(404, { message: 'Not Found' });
    await run(await dispatch.attempt(), remove);
    expect(await dispatch.rows()).toMatchObject([{ status: 'answered', answer_status: 204 }]);
  });
});

describe('GraphQL', () => {
  const mutation =
    (name: string): Step =>
    (_request, graphql) =>
      graphql(`mutation ($id: ID!) { ${name}(input: { subjectId: $id }) { clientMutationId } }`, { id: 'x' });
  const answersWith = (data: object) => nock(API).post('/graphql').reply(200, data);

  it('journals mutations and no queries, and repeats those alone that change nothing twice', async () => {
    const dispatch = await journal.dispatch();
    answersWith({ data: { viewer: { login: 'x' } } });
    answersWith({ data: { addComment: { clientMutationId: null } } });
    const both: Step = async (request, graphql) => {
      await graphql('{ viewer { login } }');
      await mutation('addComment')(request, graphql);
    };
    await run(await dispatch.attempt(), both);
    answersWith({ data: { viewer: { login: 'x' } } });
    await run(await dispatch.attempt(), both);
    nock(API).post('/graphql').replyWithError(reset());
    await outcome(await dispatch.attempt(), mutation('addStar'));
    answersWith({ data: { addStar: { clientMutationId: null } } });
    await run(await dispatch.attempt(), mutation('addStar'));
    expect((await dispatch.rows()).map(({ route, safety, status }) => [route, safety, status])).toEqual([
      ['mutation addComment', 'unsafe', 'answered'],
      ['mutation addStar', 'idempotent', 'answered'],
    ]);
  });

  it('knows a mutation that was refused from one that was done', async () => {
    const dispatch = await journal.dispatch();
    answersWith({ data: { addComment: null }, errors: [{ type: 'NOT_FOUND', message: 'no' }] });
    await outcome(await dispatch.attempt(), mutation('addComment'));
    expect(await statuses(dispatch)).toEqual(['refused']);
  });
});

describe('fencing', () => {
  it('refuses the writes of a worker whose lease is over', async () => {
    const dispatch = await journal.dispatch();
    const stale = await dispatch.attempt();
    await journal.takeOver();
    expect(await outcome(stale, say('stale'))).toEqual({ code: 'FORGEWAY_LEASE_LOST', permanent: false });
    expect(await dispatch.rows()).toEqual([]);
    await dispatch.attempt();
    expect(await outcome(stale, say('stale'))).toMatchObject({ code: 'FORGEWAY_LEASE_LOST' });
  });

  it('holds back what a worker that stood still had recorded before its lease was over', async () => {
    const dispatch = await journal.dispatch();
    const stale = await dispatch.attempt();
    const { pool } = rig.database.store('worker');
    const query = pool.query.bind(pool);
    jest.spyOn(pool, 'query').mockImplementation(async (...of: unknown[]) => {
      const answer = await query(...(of as Parameters<typeof query>));
      if ((of[0] as { name?: string }).name !== 'journal_begin_dispatch') return answer;
      await journal.takeOver();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_100);
      return answer;
    });
    // There is no mock: whatever is sent fails the test.
    expect(await outcome(stale, say('late'))).toEqual({ code: 'FORGEWAY_LEASE_LOST', permanent: false });
    jest.restoreAllMocks();
    expect(await statuses(dispatch)).toEqual(['refused']);
  });

  it('refuses those of an attempt that is not waited for any more', async () => {
    const dispatch = await journal.dispatch();
    const stale = await dispatch.attempt();
    accepts('next');
    await run(await dispatch.attempt(), say('next'));
    expect(await outcome(stale, say('late'))).toMatchObject({ code: 'FORGEWAY_LEASE_LOST' });
    const { pool } = rig.database.store('worker');
    await pool.query(`UPDATE dispatch SET status = 'done', started_epoch = NULL WHERE id = $1`, [dispatch.id]);
    expect(await outcome({ ...stale, number: 2 }, say('later'))).toMatchObject({ code: 'FORGEWAY_LEASE_LOST' });
  });
});

describe('what is kept', () => {
  it('is nothing outside a run of the inbox', async () => {
    accepts('outside');
    await run(undefined, say('outside'));
    const { rows } = await rig.database
      .store('worker')
      .pool.query<{ n: bigint }>(`SELECT count(*) AS n FROM write_journal WHERE path LIKE '%outside%'`);
    expect(rows[0]?.n).toBe(0n);
  });

  it('is never a credential, and goes with the delivery', async () => {
    const dispatch = await journal.dispatch();
    const config = { url: 'https://x.example', secret: 'hunter22hunter22' };
    nock(API)
      .post('/repos/acme/web/hooks')
      .reply(201, { id: 3, config, note: `ghs_${'x'.repeat(36)}`, name: 'web' });
    await run(await dispatch.attempt(), (request) => request('POST /repos/{owner}/{repo}/hooks', { ...REPO, config }));
    const [row] = await dispatch.rows();
    expect(row?.request_body).toBeNull();
    expect(JSON.parse(row?.answer_body?.toString() ?? '')).toEqual({
      id: 3,
      config: { url: 'https://x.example', secret: '[redacted]' },
      note: '[redacted]',
      name: 'web',
    });
    const { pool } = rig.database.store('worker');
    await pool.query(`UPDATE dispatch SET status = 'done' WHERE delivery_id = $1`, [dispatch.deliveryId]);
    await pool.query(
      `UPDATE webhook_delivery SET status = 'done', finished_at = now() - interval '20 days' WHERE id = $1`,
      [dispatch.deliveryId],
    );
    await pool.query(`UPDATE write_journal SET sent_at = now() - interval '20 days' WHERE dispatch_id = $1`, [
      dispatch.id,
    ]);
    await prune(pool, { bodyDays: 14, rowDays: 30 });
    expect(await dispatch.rows()).toMatchObject([{ status: 'answered', answer_body: null }]);
    await pool.query(`UPDATE webhook_delivery SET finished_at = now() - interval '40 days' WHERE id = $1`, [
      dispatch.deliveryId,
    ]);
    await prune(pool, { bodyDays: 14, rowDays: 30 });
    expect(await dispatch.rows()).toEqual([]);
  });
});

describe('a rehearsal', () => {
  it('of a row that failed is answered what the row was, records the rest apart, and sends nothing', async () => {
    const failed = await journal.dispatch();
    const answer = madeComment('before it failed');
    accepts('before it failed', answer);
    await run(await failed.attempt(), say('before it failed'));
    const whole = await failed.rows();
    const { id, deliveryId } = failed;
    const rehearsal = await journal.dispatch({ deliveryId, replayOf: id, journalOf: id, writes: 'rehearsal' });
    const seen: unknown[] = [];
    const step: Step = async (request) => {
      for (const body of ['before it failed', 'after it'])
        seen.push((await request(CREATE, { ...REPO, issue_number: 12, body })).data);
    };
    await run(await rehearsal.attempt(), step, 'rehearsal');
    expect(seen).toEqual([answer, expect.objectContaining({ id: 1, body: 'after it' })]);
    expect(await rehearsal.rows()).toMatchObject([
      { status: 'shadow', request_body: Buffer.from('{"body":"after it"}') },
    ]);
    expect(await failed.rows()).toEqual(whole);
  });
});

describe('shadow', () => {
  it('records writes without sending them, and a later run sends them', async () => {
    const dispatch = await journal.dispatch();
    const seen: unknown[] = [];
    const step: Step = async (request) => {
      seen.push(await request(CREATE, { ...REPO, issue_number: 12, body: 'shadow' }));
      seen.push(await request('DELETE /repos/{owner}/{repo}/labels/{name}', { ...REPO, name: 'bug' }));
    };
    await run(await dispatch.attempt(), step, 'shadow');
    expect(seen).toMatchObject([{ status: 201, data: { id: 1, body: 'shadow' } }, { status: 204 }]);
    const rows = await dispatch.rows();
    expect(rows.map(({ status }) => status)).toEqual(['shadow', 'shadow']);
    expect(JSON.parse(rows[0]?.request_body?.toString() ?? '')).toEqual({ body: 'shadow' });
    accepts('shadow');
    nock(API).delete('/repos/acme/web/labels/bug').reply(204);
    await run(await dispatch.attempt(), step);
    expect(await statuses(dispatch)).toEqual(['answered', 'answered']);
    await run(undefined, say('nowhere'), 'shadow');
  });
});

describe('every write that GitHub’s table has', () => {
  const filled = (route: string) => {
    const [method = '', path = ''] = route.split(' ');
    return { method, path: path.replace(/\{\w+\}/g, '1') };
  };
  const answersOnce = (method: string, path: string) => {
    const scope = nock(API).intercept(path, method);
    return scope;
  };
  const asked =
    (route: string): Step =>
    (request) => {
      const { method, path } = filled(route);
      return request(`${method} ${path}`, { title: 'x' });
    };
  const of = (safety: string) => Object.keys(writeRoutes).filter((route) => writeRoutes[route] === safety);

  it('that says it can be found has a finder', () => {
    expect(of('findable').filter((route) => finders[route] === undefined)).toEqual([]);
  });

  it.each(of('idempotent'))('%s is sent again', async (route) => {
    const dispatch = await journal.dispatch();
    const { method, path } = filled(route);
    answersOnce(method, path).replyWithError(reset());
    expect(await outcome(await dispatch.attempt(), asked(route))).toEqual(lost);
    answersOnce(method, path).reply(200, {});
    await run(await dispatch.attempt(), asked(route));
    expect(await dispatch.rows()).toMatchObject([{ route, safety: 'idempotent', status: 'answered', sends: 2 }]);
  });

  it.each(of('unsafe'))('%s is sent once at most', async (route) => {
    const dispatch = await journal.dispatch();
    const { method, path } = filled(route);
    answersOnce(method, path).replyWithError(reset());
    expect(await outcome(await dispatch.attempt(), asked(route))).toEqual(lost);
    expect(await outcome(await dispatch.attempt(), asked(route))).toEqual(unknown);
    expect(await dispatch.rows()).toMatchObject([{ route, safety: 'unsafe', status: 'unknown', sends: 1 }]);
  });

  it('an unknown one is sent once at most', async () => {
    const dispatch = await journal.dispatch();
    const step: Step = (request) => request('POST /orgs/{org}/campaigns', { org: 'acme', name: 'x' });
    nock(API).post('/orgs/acme/campaigns').replyWithError(reset());
    await outcome(await dispatch.attempt(), step);
    expect(await outcome(await dispatch.attempt(), step)).toEqual(unknown);
  });
});
