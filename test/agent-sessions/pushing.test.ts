/** While an agent's work goes out: people who stop it, workers that come back too late; and comments that are no commands. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { replayDelivery } from '../../src/inbox/replay.js';
import { cancelSession } from '../../src/jobs/agent/desired.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { keepSecret } from '../../src/lib/known-secrets.js';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitlab');
const BOT = 'project_7001_bot_5f1c';

const KEY = 'model-key-0f9e8d7c6b5a43';
/** A process knows a key from when it read it, which one that was started later has not yet. */
const keys = { areRead: false, areGone: false };

interface Told {
  type: string;
  text: string;
  data: { sessionId: string; status: string; question: { text: string } | null };
}
/** What the operator's address was told, each time. */
const told: (Told & { id: string })[] = [];
const notify = { fails: 0 };

/** Something that is waited for, and how often it was come to. */
function gate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const seen = { times: 0 };
  return {
    seen,
    open,
    pass: async () => {
      seen.times += 1;
      await opened;
    },
  };
}

describe('an agent whose work goes out', () => {
  let rig: AgentRig;
  beforeAll(async () => {
    if (forge === undefined) throw new Error('there is no fake to run on');
    rig = await startAgentRig(forge, {
      others: [BOT],
      notify: {
        async send(id, body) {
          told.push({ id, ...(body as unknown as Told) });
          if (notify.fails > 0) {
            notify.fails -= 1;
            throw new Error('the address is down');
          }
          return 'taken';
        },
      },
      async secretsOf() {
        if (keys.areGone) throw new ForgewayError('FORGEWAY_AGENT_SECRET_MISSING', 'The agent needs MODEL_KEY.');
        if (keys.areRead) keepSecret(KEY);
        return { MODEL_KEY: KEY };
      },
    });
  });
  afterAll(() => rig?.close());

  const newest = async () => (await rig.sessions()).at(-1);
  const pullsOf = async (branch: string | null | undefined) =>
    (await rig.fake.state(place)).pullRequests.filter(({ head }) => head === branch);
  const branches = async () => (await rig.fake.state(place)).branches.map(({ name }) => name);
  /** An agent that has changed a file, and whose work waits at `verb`. */
  async function workWaitsAt(verb: 'result' | 'push', title: string) {
    const held = gate();
    rig.runner.before[verb] = held.pass;
    rig.plays(async (agent) => {
      await agent.edit('out.txt', `${title}\n`);
      agent.say({ type: 'done', ok: true, title, summary: 'Done.' });
    });
    const number = await rig.as('bob').openIssue({ title });
    await rig.quiet();
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('its work waits', async () => held.seen.times === 1);
    delete rig.runner.before[verb];
    const session = await newest();
    if (session === undefined) throw new Error('no session');
    return { held, number, session };
  }

  it('pushes nothing when it was cancelled while its work was being looked at', async () => {
    const { held, number, session } = await workWaitsAt('result', 'Stopped in time');
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('the wish is known', async () => (await newest())?.stop === 'cancelled');
    // The same again is no other wish.
    await rig.as('dave').comment(number, '/cancel');
    await rig.quiet();
    held.open();
    await rig.until('it is over', async () => (await newest())?.status === 'cancelled');
    await rig.until('it has let go', async () => (await newest())?.lease_held === false);
    expect(await branches()).not.toContain(session.branch);
    expect(await pullsOf(session.branch)).toEqual([]);
    expect((await rig.record(session.id)).slice(-2)).toEqual(['stop', '>cancelled']);
  });

  it('is begun once, and nothing is said against it, when the delivery of its /retry is run again', async () => {
    const retried = async (number: number) => {
      await rig.as('bob').comment(number, '/retry');
      await rig.quiet();
      const [told] = await rig.rows<{ id: bigint }>(
        `SELECT max(delivery_id) AS id FROM dispatch WHERE app = 'commands' AND event_name = 'issue_comment' AND status = 'done'`,
      );
      return () => replayDelivery(rig.store, told?.id ?? 0n, { actor: 'cli:ada', app: 'commands' });
    };
    const answers = async (number: number) =>
      (await rig.said(number)).filter((body) => body.startsWith('@bob') && !body.includes('<!-- forgeway:notice'));
    rig.plays(async (agent) => agent.stopped);
    const number = await rig.openIssue('Run again');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it works', async () => (await newest())?.status === 'running');
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it is over', async () => (await newest())?.status === 'cancelled');
    const again = await retried(number);
    await rig.until('it works again', async () => (await newest())?.status === 'running');
    expect((await again()).kind).toBe('queued');
    await rig.quiet();
    expect((await rig.sessionsOf(number)).map(({ status }) => status)).toEqual(['cancelled', 'running']);
    expect(await answers(number)).toEqual([]);
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('that is over, too', async () => (await newest())?.status === 'cancelled');

    // What is pushed by it is pushed once.
    let pushes = 0;
    rig.runner.before.push = async () => {
      pushes += 1;
      if (pushes === 1) throw new ForgewayError('FORGEWAY_PUSH_REFUSED', 'git push: remote: Not now.');
    };
    rig.plays(async (agent) => {
      await agent.edit('again.txt', 'again\n');
      agent.say({ type: 'done', ok: true, title: 'Run again', summary: 'Done.' });
    });
    const other = await rig.openIssue('Pushed again');
    await rig.as('bob').comment(other, '/assign-agent');
    const onOther = async () => (await rig.sessionsOf(other)).at(-1);
    await rig.until('it has failed', async () => {
      const session = await onOther();
      return session?.status === 'failed' && !session.lease_held;
    });
    const pushedAgain = await retried(other);
    await rig.until('it waits for a review', async () => (await onOther())?.status === 'in_review');
    expect((await pushedAgain()).kind).toBe('queued');
    await rig.quiet();
    delete rig.runner.before.push;
    expect(pushes).toBe(2);
    expect((await rig.sessionsOf(other)).map(({ status }) => status)).toEqual(['in_review']);
    expect(await answers(other)).toEqual([]);
  });

  it('fails at once when the forge refuses what it made, in its words, and a /retry pushes that and begins nothing anew', async () => {
    let pushes = 0;
    rig.runner.before.push = async () => {
      pushes += 1;
      if (pushes === 1)
        throw new ForgewayError('FORGEWAY_PUSH_REFUSED', 'git push: remote: Only signed commits, please.');
    };
    rig.plays(async (agent) => {
      await agent.edit('refused.txt', 'refused\n');
      agent.say({ type: 'done', ok: true, title: 'Refused', summary: 'Done.' });
    });
    const number = await rig.openIssue('Refused');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it has failed', async () => (await newest())?.status === 'failed');
    const failed = await newest();
    expect({ pushes, failure: failed?.failure }).toEqual({
      pushes: 1,
      failure: 'It could not be pushed: git push: remote: Only signed commits, please.',
    });
    await rig.until('it has let go', async () => (await newest())?.lease_held === false);
    const starts = rig.runner.starts.length;
    await rig.as('bob').comment(number, '/retry');
    await rig.until('it waits for a review', async () => (await newest())?.status === 'in_review');
    delete rig.runner.before.push;
    expect(await newest()).toMatchObject({ id: failed?.id, branch: failed?.branch });
    expect(rig.runner.starts.length).toBe(starts);
    expect(await pullsOf(failed?.branch)).toHaveLength(1);
  });

  it('waits for a forge that goes down in the middle of a push, and opens one pull request when it is back', async () => {
    let pushes = 0;
    rig.runner.before.push = async () => {
      pushes += 1;
      if (pushes <= 8)
        throw new ForgewayError('FORGEWAY_GIT_FAILED', 'git push ended with 128: the remote end hung up');
    };
    rig.plays(async (agent) => {
      await agent.edit('down.txt', 'down\n');
      agent.say({ type: 'done', ok: true, title: 'Down', summary: 'Done.' });
    });
    const number = await rig.openIssue('Down while it pushes');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it waits for a review', async () => (await rig.sessionsOf(number))[0]?.status === 'in_review');
    delete rig.runner.before.push;
    const [session, ...others] = await rig.sessionsOf(number);
    expect({ pushes, others }).toEqual({ pushes: 9, others: [] });
    expect(await pullsOf(session?.branch)).toHaveLength(1);
    expect((await rig.record(session?.id ?? '')).filter((kind) => kind === 'pushed')).toHaveLength(1);
  });

  it('opens no pull request when it was cancelled while its branch was being pushed', async () => {
    const { held, number, session } = await workWaitsAt('push', 'Stopped on the way');
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('the wish is known', async () => (await newest())?.stop === 'cancelled');
    held.open();
    await rig.until('it is over', async () => (await newest())?.status === 'cancelled');
    await rig.quiet();
    expect(await pullsOf(session.branch)).toEqual([]);
    // What is public already is said, and who may look for it finds it.
    expect((await rig.record(session.id)).slice(-3)).toEqual(['stop', 'pushed', '>cancelled']);
    await rig.until('it is told', async () =>
      (await rig.said(number)).some((body) => body.includes('Cancelled') && body.includes(session.branch ?? '?')),
    );
  });

  /** An agent whose work arrives on the forge, and whose worker has not heard of it yet. */
  async function workArrives(title: string) {
    const held = gate();
    rig.runner.before.pushed = (signal) =>
      Promise.race([
        held.pass(),
        // As git does that is killed.
        new Promise<void>((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('git was stopped')));
        }),
      ]);
    rig.plays(async (agent) => {
      await agent.edit('arrived.txt', `${title}\n`);
      agent.say({ type: 'done', ok: true, title, summary: 'Done.' });
    });
    const number = await rig.as('bob').openIssue({ title });
    await rig.quiet();
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('its work has arrived', async () => held.seen.times === 1);
    const session = await newest();
    if (session === undefined) throw new Error('no session');
    expect(await branches()).toContain(session.branch);
    return { held, number, session };
  }
  const pushOf = async (id: string) =>
    (
      await rig.rows<{ sha: string | null; begun: string | null }>(
        'SELECT result_sha AS sha, push_sha AS begun FROM agent_session WHERE id = $1',
        [id],
      )
    )[0];
  const headOn = async (branch: string | null) =>
    (await rig.fake.state(place)).branches.find(({ name }) => name === branch)?.sha;

  it('writes down what has arrived although its push was killed by a stop', async () => {
    const { number, session } = await workArrives('Arrived all the same');
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it is over', async () => (await newest())?.status === 'cancelled');
    delete rig.runner.before.pushed;
    await rig.until('what it has left is known', async () => (await rig.record(session.id)).includes('pushed'));
    expect((await rig.record(session.id)).slice(-3)).toEqual(['stop', '>cancelled', 'pushed']);
    expect(await pushOf(session.id)).toEqual({ sha: await headOn(session.branch), begun: null });
    expect(await pullsOf(session.branch)).toEqual([]);
    await rig.until('people are told where it is', async () =>
      (await rig.said(number)).some((body) => body.includes('Cancelled') && body.includes(session.branch ?? '?')),
    );
  });

  it('goes on from what has arrived when its worker was killed before it could say so, and looks at nothing anew', async () => {
    const { held, session } = await workArrives('Arrived unseen');
    // From here on nothing of it would pass, such as with limits that were lowered meanwhile.
    rig.runner.broken.result = new Error('it is looked at anew');
    rig.runner.broken.pushed = new Error('the connection was lost');
    held.open();
    await rig.until('it is over', async () => ['failed', 'in_review'].includes((await newest())?.status ?? ''));
    delete rig.runner.before.pushed;
    delete rig.runner.broken.result;
    delete rig.runner.broken.pushed;
    expect((await newest())?.status).toBe('in_review');
    expect((await rig.record(session.id)).filter((kind) => kind === 'pushed')).toEqual(['pushed']);
    expect(await pushOf(session.id)).toEqual({ sha: await headOn(session.branch), begun: null });
    expect(await pullsOf(session.branch)).toHaveLength(1);
  });

  it('takes what it has pushed itself for nobody else’s, when it has failed without hearing of it', async () => {
    const { held, number, session } = await workArrives('Arrived, and not heard of');
    rig.runner.broken.pushed = new ForgewayError('FORGEWAY_CONFIG_INVALID', 'there is no use in trying again');
    held.open();
    await rig.until('it has failed', async () => (await newest())?.status === 'failed');
    delete rig.runner.broken.pushed;
    delete rig.runner.before.pushed;
    await rig.until('it is known', async () => (await pushOf(session.id))?.begun === null);
    expect(await pushOf(session.id)).toEqual({ sha: await headOn(session.branch), begun: null });
    rig.plays(async (agent) => {
      await agent.edit('arrived.txt', 'more\n');
      agent.say({ type: 'done', ok: true, title: 'More', summary: 'Done.' });
    });
    await rig.as('bob').comment(number, '/reply more of it');
    await rig.until('its second round is there', async () => {
      const now = await newest();
      return now?.status === 'in_review' && now.round === 2;
    });
    expect(await pushOf(session.id)).toEqual({ sha: await headOn(session.branch), begun: null });
  });

  it('leaves a start alone that is not its own, when it comes back from a push after its lease was lost', async () => {
    const { held, session } = await workWaitsAt('push', 'Came back late');
    // Another worker has taken it for dead meanwhile, and the session has begun anew.
    await rig.rows(
      `UPDATE agent_session SET status = 'running', fence = fence + 1, round = round + 1, line_cursor = 0, result_sha = NULL
       WHERE id = $1`,
      [session.id],
    );
    const before = await rig.record(session.id);
    held.open();
    await rig.until('the late worker has looked again', async () => (await newest())?.status !== 'running');
    // What it found is a start of which nothing runs; of its own push it has said nothing to it.
    const after = (await rig.record(session.id)).slice(before.length);
    expect(after).not.toContain('pushed');
    expect(await rig.rows('SELECT result_sha FROM agent_session WHERE id = $1', [session.id])).toEqual([
      { result_sha: null },
    ]);
    expect((await newest())?.failure).not.toContain('pushed');
    await rig.store.tenant(rig.organizationId, (tx) => cancelSession(tx, session.id, 'test'));
  });

  it('hears all lines of an answer, and lets an agent call nobody, close nothing else and give GitLab no orders', async () => {
    const heard: string[] = [];
    const other = await rig.as('bob').openIssue({ title: 'Not to be closed' });
    rig.plays(async (agent) => {
      heard.push(await agent.ask('How?'));
      await agent.edit('words.txt', 'words\n');
      agent.say({
        ...{ type: 'done', ok: true, title: 'For @carol' },
        summary: `@everyone look.\n\n/merge\n/assign @carol\nCloses #${other}.`,
      });
    });
    const number = await rig.as('bob').openIssue({ title: 'Words' });
    await rig.quiet();
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it asks', async () => (await newest())?.status === 'blocked');
    // Whoever may only read answers nothing, wherever they say it.
    await rig.as('carol').comment(number, '/reply as I say');
    await rig.quiet();
    await rig
      .as('bob')
      .comment(number, '/reply like this:\n\n- \u200bone <!-- hidden -->\n- ![two](x)\n/tmp is full\n/status');
    await rig.until('its work is there', async () => (await newest())?.status === 'in_review');
    expect(heard).toEqual(['like this:\n- one \n- ![picture](x)\n/tmp is full']);
    const session = await newest();
    const [pull] = await pullsOf(session?.branch);
    expect(pull?.title).not.toMatch(/@carol/);
    const asked = await fetch(`${rig.fake.url}/api/v4/projects/acme%2Fshop/merge_requests/${pull?.number}`, {
      headers: { 'private-token': rig.fake.token },
    });
    const { description, state } = (await asked.json()) as { description: string; state: string };
    // Everything can be read, and nothing of it does anything.
    expect(description.replaceAll(/[\u200b\u2060]/g, '')).toContain(
      '@everyone look.\n\n/merge\n/assign @carol\nCloses #',
    );
    expect(description).not.toMatch(/^[ \t]*\/(?:merge|assign)/m);
    expect(description).not.toMatch(/@(?:everyone|carol)/);
    expect(description).not.toContain(`#${other - 1_000_000_000}`);
    expect(description).toContain(`Closes #${number - 1_000_000_000}.`);
    expect(state).toBe('opened');
  });

  it('shows no key of an agent that a worker reads which has not started it', async () => {
    const held = gate();
    rig.plays(async (agent) => {
      await held.pass();
      agent.say({ type: 'message', text: `I use ${KEY} here.` });
      await agent.hear();
    });
    const number = await rig.as('bob').openIssue({ title: 'Talks too much' });
    await rig.quiet();
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it works', async () => (await newest())?.status === 'running');
    keys.areRead = true;
    await rig.restart();
    held.open();
    const { id = '' } = (await newest()) ?? {};
    await rig.until('it has said it', async () => (await rig.record(id)).includes('message'));
    const told = await rig.rows<{ text: string }>(
      `SELECT data ->> 'text' AS text FROM session_event WHERE session_id = $1 AND kind = 'message'`,
      [id],
    );
    expect(told).toEqual([{ text: 'I use [redacted] here.' }]);
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it is over', async () => (await newest())?.status === 'cancelled');
  });

  it('fails in sight when the key that its next turn needs was taken away', async () => {
    rig.plays(async (agent) => {
      await agent.ask('Which?');
    });
    const number = await rig.as('bob').openIssue({ title: 'Without a key' });
    await rig.quiet();
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it asks', async () => (await newest())?.status === 'blocked');
    keys.areGone = true;
    await rig.as('bob').comment(number, '/reply this');
    await rig.until('it has failed', async () => (await newest())?.status === 'failed');
    keys.areGone = false;
    expect((await newest())?.failure).toBe('The agent needs MODEL_KEY.');
    await rig.until('nothing of it runs', async () => (await newest())?.lease_held === false);
    expect(rig.runner.running()).toEqual([]);
  });

  it('tells the address of the operator of everything that somebody may wait for, also when it was down', async () => {
    rig.plays(async (agent) => {
      await agent.edit('told.txt', `${await agent.ask('Which one, <!channel> @bob?')}\n`);
      agent.say({ type: 'done', ok: true, title: 'Told', summary: 'Done.' });
    });
    const number = await rig.as('bob').openIssue({ title: 'Tell me' });
    await rig.quiet();
    notify.fails = 1;
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it asks', async () => (await newest())?.status === 'blocked');
    const { id = '' } = (await newest()) ?? {};
    const of = () => told.filter(({ data }) => data.sessionId === id);
    await rig.until('it was tried', async () => of().length === 1);
    // Meanwhile nobody waits for it, and it is not asked every second.
    await rig.as('bob').comment(number, '/reply this');
    await rig.until('it is ready', async () => (await newest())?.status === 'in_review');
    await rig.until('that is told', async () => of().length === 2);
    // As if the half minute had passed, after which it is asked again.
    await rig.rows(`UPDATE session_notice SET tried_at = now() - interval '1 minute' WHERE session_id = $1`, [id]);
    await rig.until('it is told after all', async () => {
      await rig.rows('UPDATE agent_session SET next_attempt_at = NULL WHERE id = $1', [id]);
      return of().length === 3;
    });
    const pull = (await pullsOf((await newest())?.branch)).at(0);
    await rig.as('bob').editPullRequest(pull?.number ?? 0, { draft: false });
    await rig.as('bob').mergePullRequest(pull?.number ?? 0);
    await rig.until('the merge is told', async () => of().length === 4);
    expect(of().map(({ type }) => type)).toEqual([
      'session.question',
      'session.ready',
      'session.question',
      'session.merged',
    ]);
    expect(of()[0]?.id).toBe(of()[2]?.id);
    expect(of()[0]).toMatchObject({
      text: expect.stringMatching(
        /^acme\/shop, Tell me: scripted asks: Which one, &lt;!channel&gt; .* http\S+\/acme\/shop\/-\/issues\/\d{1,3}$/,
      ),
      data: { status: 'blocked', question: { text: 'Which one, <!channel> @bob?' } },
    });
  });

  it('hears no command in a comment that was edited, or that a bot wrote', async () => {
    const number = await rig.as('bob').openIssue({ title: 'Only new words of people' });
    await rig.quiet();
    const before = (await rig.sessions()).length;
    const comment = await rig.as('bob').comment(number, 'Nothing to see.');
    await rig.quiet();
    const iid = number - 1_000_000_000;
    const edited = await fetch(`${rig.fake.url}/api/v4/projects/acme%2Fshop/issues/${iid}/notes/${comment}`, {
      method: 'PUT',
      headers: { 'private-token': 'glpat-bob', 'content-type': 'application/json' },
      body: JSON.stringify({ body: '/assign-agent at once' }),
    });
    expect(edited.status).toBe(200);
    await rig.quiet();
    await rig.as(BOT as 'bob').comment(number, '/assign-agent');
    await rig.quiet();
    // Told of and read, each of them.
    const told = await rig.rows<{ kind: string }>(
      `SELECT event_type AS kind FROM webhook_delivery WHERE event_type LIKE '%ote%'`,
    );
    expect(told.length).toBeGreaterThanOrEqual(3);
    expect((await rig.sessions()).length).toBe(before);
    // Only the bot's own comment stands there.
    expect(await rig.said(number)).toEqual(['/assign-agent']);
  });
});
