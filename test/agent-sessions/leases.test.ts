/** One agent on one issue, whatever happens: commands at the same time, workers that die, runners that do not answer. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { assignAgent, cancelSession, replyToSession } from '../../src/jobs/agent/desired.js';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');

describe('leases of agent sessions', () => {
  let rig: AgentRig;
  beforeAll(async () => {
    if (forge === undefined) throw new Error('there is no fake to run on');
    rig = await startAgentRig(forge);
  });
  afterAll(() => rig?.close());

  const openIssue = async (title: string): Promise<number> => {
    const number = await rig.as('bob').openIssue({ title });
    await rig.quiet();
    return number;
  };
  const of = async (number: number) => {
    const ids = await rig.rows<{ id: string }>('SELECT id FROM agent_session WHERE number = $1', [number]);
    return (await rig.sessions()).filter(({ id }) => ids.some((one) => one.id === id));
  };
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

  it('gives one of ten commands at the same moment the issue, and never two at a time', async () => {
    const running = { now: 0, most: 0 };
    rig.plays(async (agent) => {
      running.now += 1;
      running.most = Math.max(running.most, running.now);
      await agent.hear().finally(() => {
        running.now -= 1;
      });
    });
    const number = await openIssue('Raced for');
    const wishes = await Promise.all(
      Array.from({ length: 10 }, async (_, at) => {
        const one = await assignment(number, `race:${at}`);
        return tenant((tx) => assignAgent(tx, one));
      }),
    );
    await rig.restart();
    await rig.until('one works', async () => (await of(number)).some(({ status }) => status === 'running'));
    await rig.until('the others are over', async () =>
      (await of(number)).every(({ status }) => status === 'running' || status === 'cancelled'),
    );
    const sessions = await of(number);
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
    await rig.until('it is over', async () => (await of(number)).every(({ status }) => status === 'cancelled'));
  });

  it('begins anew only when the one before is known to be dead', async () => {
    rig.plays(async (agent) => void (await agent.hear()));
    const number = await openIssue('Held on to');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('the first works', async () => (await of(number))[0]?.status === 'running');
    rig.runner.broken.stop = new Error('the machine does not answer');
    await rig.as('bob').comment(number, '/assign-agent once more');
    await rig.until('the second waits', async () => (await of(number)).length === 2);
    await rig.until('the first is to stop', async () => (await of(number))[0]?.stop === 'superseded');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await of(number)).toMatchObject([
      { status: 'running', stop: 'superseded', lease_held: true },
      { status: 'assigned', lease_held: false },
    ]);
    const before = rig.runner.starts.length;
    delete rig.runner.broken.stop;
    await rig.until('the second works', async () => (await of(number))[1]?.status === 'running');
    expect(await of(number)).toMatchObject([
      { status: 'cancelled', lease_held: false, fence: '1' },
      { status: 'running', lease_held: true, fence: '2' },
    ]);
    expect(rig.runner.starts.length).toBe(before + 1);
    await rig.as('bob').comment(number, '/cancel');
    await rig.until('it is over', async () => (await of(number))[1]?.status === 'cancelled');
    await rig.as('bob').comment(number, '/cancel');
    await rig.quiet();
    // What is over is said in words, and nothing else changes.
    expect((await rig.said(number)).at(-1)).toContain('It is over already');
    expect(rig.runner.running()).toEqual([]);
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
    const number = await openIssue('Read often');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it works', async () => (await of(number))[0]?.status === 'running');
    for (let death = 0; death < 5; death += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await rig.restart();
    }
    await rig.until('it is done', async () => (await of(number))[0]?.status === 'completed');
    const [session] = await of(number);
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

  it('hands a reply over once, also when the worker dies in between and the sender sends it again', async () => {
    const heard: string[] = [];
    rig.plays(async (agent) => {
      heard.push(await agent.ask('Which?'));
      heard.push(await agent.ask('And then?'));
    });
    const number = await openIssue('Told once');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it asks', async () => (await of(number))[0]?.status === 'blocked');
    const id = (await of(number))[0]?.id ?? '';
    const reply = { clientInputId: 'one', by: 'bob', text: 'the first' };
    expect(await tenant((tx) => replyToSession(tx, id, reply))).toMatchObject({ ok: true });
    expect(await tenant((tx) => replyToSession(tx, id, reply))).toMatchObject({ ok: true });
    await rig.restart();
    await rig.until('it asks again', async () => heard.length === 1 && (await of(number))[0]?.status === 'blocked');
    // As if the worker had died between handing over and writing that down.
    await rig.rows('UPDATE client_input SET delivered_at = NULL WHERE session_id = $1', [id]);
    await rig.restart();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(heard).toEqual(['the first']);
    expect((await of(number))[0]?.status).toBe('blocked');
    await tenant((tx) => replyToSession(tx, id, { clientInputId: 'two', by: 'bob', text: 'the second' }));
    await rig.restart();
    await rig.until('it ends', async () => (await of(number))[0]?.status === 'completed');
    expect(heard).toEqual(['the first', 'the second']);
  });

  it('fails in sight when an agent ends without a word, and ends what has used up its budget', async () => {
    rig.plays(async () => {
      throw new Error('crash');
    });
    const number = await openIssue('Crashes');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it has failed', async () => (await of(number))[0]?.status === 'failed');
    expect((await of(number))[0]?.failure).toBe('It ended with code 137.');
    await rig.until('it is said', async () => (await rig.said(number)).some((body) => body.includes('/retry')));

    rig.plays(async (agent) => {
      agent.say({ type: 'cost', inputTokens: 900, outputTokens: 200, total: true });
      await agent.hear();
    });
    await rig.as('bob').comment(number, '/retry');
    await rig.until('it was stopped', async () => (await of(number))[1]?.status === 'failed');
    expect((await of(number))[1]?.failure).toBe('It had used up what it may cost.');
    expect(rig.runner.running()).toEqual([]);
  });

  it('goes on with the same session, branch and pull request after a reply to what has come back', async () => {
    rig.plays(async (agent) => {
      await agent.edit('round.txt', `${agent.spec.fence}\n`);
      agent.say({ type: 'done', ok: true, title: 'Rounds', summary: 'One more.' });
    });
    const number = await openIssue('Rounds');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it is back', async () => (await of(number))[0]?.status === 'in_review');
    const [first] = await of(number);
    const started = rig.runner.starts.length;
    await rig.as('bob').comment(first?.pull_request_number ?? 0, '/reply make it two');
    await rig.until('it is back again', async () => {
      const [now] = await of(number);
      return now?.status === 'in_review' && now.round === 2 && !now.lease_held;
    });
    const [second] = await of(number);
    expect(second).toMatchObject({
      ...{ id: first?.id, branch: first?.branch, pull_request_number: first?.pull_request_number },
      ...{ fence: '2', lease_held: false },
    });
    expect(rig.runner.starts.length).toBe(started + 1);
    expect(rig.facts.at(-1)?.earlier).toEqual(
      expect.arrayContaining([{ by: 'bob', text: 'make it two', isPerson: true }]),
    );
    const { pullRequests } = await rig.fake.state({ owner: 'acme', name: 'shop' });
    expect(pullRequests.filter(({ head }) => head === first?.branch)).toHaveLength(1);
    expect(await rig.fake.readFile({ owner: 'acme', name: 'shop' }, first?.branch ?? '', 'round.txt')).toBe('2\n');
  });
});
