/** Commands at the same moment, and two workers that take up everything at once: one lease, one pull request, one answer each. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');

describe('races of commands', () => {
  let rig: AgentRig;
  const at = { work: 0, most: 0 };
  beforeAll(async () => {
    if (forge === undefined) throw new Error('there is no fake to run on');
    rig = await startAgentRig(forge, { workers: 2 });
  });
  afterAll(() => rig?.close());
  beforeEach(() => rig.rows('UPDATE command_sender SET given = 0'));

  const works = (file: string) =>
    rig.plays(async (agent) => {
      at.work += 1;
      at.most = Math.max(at.most, at.work);
      try {
        await Promise.race([agent.hear(), new Promise((resolve) => setTimeout(resolve, 300))]);
        await agent.edit(file, `${agent.spec.sessionId} ${agent.spec.fence}\n`);
        agent.say({ type: 'done', ok: true, title: file, summary: 'Done.' });
      } finally {
        at.work -= 1;
      }
    });
  const OVER = ['in_review', 'completed', 'failed', 'cancelled', 'merged'];
  /** When nothing is under way any more there. */
  async function ended(number: number) {
    await rig.quiet();
    await rig.until('everything is over and has let go', async () =>
      (await rig.sessionsOf(number)).every(({ status, lease_held }) => OVER.includes(status) && !lease_held),
    );
    return rig.sessionsOf(number);
  }
  const pullsOf = async (sessions: readonly { branch: string | null }[]) =>
    (await rig.fake.state(place)).pullRequests.filter(({ head }) => sessions.some(({ branch }) => branch === head));
  const atOnce = (number: number, ...said: ['bob' | 'dave', string][]) =>
    Promise.all(said.map(([login, text]) => rig.as(login).comment(number, text)));

  it('end with one agent that has worked to its end when two ask for one', async () => {
    works('asked.txt');
    const number = await rig.openIssue('Asked for twice');
    await atOnce(number, ['bob', '/assign-agent'], ['dave', '/assign-agent']);
    const sessions = await ended(number);
    expect(sessions.map(({ status }) => status).sort()).toEqual(['cancelled', 'in_review']);
    expect(await pullsOf(sessions)).toHaveLength(1);
    expect(at.most).toBe(1);
  });

  it('retry once for each who asks, one after the other', async () => {
    rig.plays(async () => {
      throw new Error('crash');
    });
    const number = await rig.openIssue('Retried twice');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it has failed', async () => (await rig.sessionsOf(number))[0]?.status === 'failed');
    works('retried.txt');
    await atOnce(number, ['bob', '/retry'], ['dave', '/retry']);
    const sessions = await ended(number);
    expect(sessions.filter(({ status }) => status === 'in_review')).toHaveLength(1);
    expect(await pullsOf(sessions)).toHaveLength(1);
    expect(at.most).toBe(1);
  });

  it('leave nothing at work that was stopped, and nothing stopped that was asked for afterwards', async () => {
    works('stopped.txt');
    for (let turn = 0; turn < 4; turn += 1) {
      const number = await rig.openIssue(`Stopped and asked for ${turn}`);
      await rig.as('bob').comment(number, '/assign-agent');
      await atOnce(number, ['bob', '/cancel'], ['dave', '/assign-agent'], ['bob', '/cancel']);
      const sessions = await ended(number);
      expect(rig.runner.running()).toEqual([]);
      expect((await pullsOf(sessions)).length).toBeLessThanOrEqual(1);
      await rig.rows('UPDATE command_sender SET given = 0');
    }
    expect(at.most).toBe(1);
  });

  it('go on once after two replies to what has come back', async () => {
    works('replied.txt');
    const number = await rig.openIssue('Replied to twice');
    await rig.as('bob').comment(number, '/assign-agent');
    const [first] = await ended(number);
    expect(first?.status).toBe('in_review');
    const starts = rig.runner.starts.length;
    await atOnce(number, ['bob', '/reply one'], ['dave', '/reply two']);
    const [second, ...more] = await ended(number);
    expect(more).toEqual([]);
    expect(second).toMatchObject({ id: first?.id, branch: first?.branch, status: 'in_review' });
    expect(await pullsOf([{ branch: first?.branch ?? null }])).toHaveLength(1);
    // Each is told to the agent, in the round that it began or the one that followed.
    const told = await rig.rows<{ body: string }>('SELECT body FROM client_input WHERE session_id = $1 ORDER BY body', [
      first?.id,
    ]);
    expect(told.map(({ body }) => body)).toEqual(['one', 'two']);
    expect(rig.runner.starts.length - starts).toBe((second?.round ?? 0) - 1);
    expect(at.most).toBe(1);
  });
});
