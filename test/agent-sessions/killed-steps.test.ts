/**
 * Workers that are killed after each thing that they ask of forge and runner, from the first look at an issue to the end: another goes on,
 * with one agent, one branch and one pull request, and nobody is told anything twice.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [forge] = fakedForges.filter(({ id }) => id === 'gitea');

/** The death of one worker. */
interface Death {
  /** The step after which it dies; undefined once it has. */
  at: string | undefined;
  isDead: boolean;
  /** What its steps wait for from then on. */
  buried: Promise<void>;
  bury(): void;
}

function deathAt(at?: string): Death {
  let bury = (): void => undefined;
  const buried = new Promise<void>((_resolve, reject) => {
    bury = () => reject(new Error('killed'));
  });
  buried.catch(() => undefined);
  return { at, isDead: false, buried, bury: () => bury() };
}

describe('a session whose worker is killed', () => {
  let rig: AgentRig;
  let death = deathAt();
  const seen: string[] = [];
  beforeAll(async () => {
    if (forge === undefined) throw new Error('there is no fake to run on');
    rig = await startAgentRig(forge, {
      async step(name) {
        if (!seen.includes(name)) seen.push(name);
        const mine = death;
        if (mine.at === name) {
          mine.at = undefined;
          mine.isDead = true;
        }
        // Whoever is dead does nothing any more, whatever it was at.
        if (mine.isDead) await mine.buried;
      },
    });
    rig.plays(async (agent) => {
      agent.say({ type: 'cost', inputTokens: 7, outputTokens: 0, total: false });
      const colour = await agent.ask('Which colour?');
      await agent.edit('colour.txt', `${colour}\n`);
      agent.say({ type: 'done', ok: true, title: 'Choose a colour', summary: 'Done.' });
    });
  });
  afterAll(async () => {
    death.bury();
    await rig?.close();
  });
  beforeEach(() => rig.rows('UPDATE command_sender SET given = 0'));

  async function buryIfDead(): Promise<void> {
    if (!death.isDead) return;
    const { bury } = death;
    death = deathAt();
    const restarted = rig.restart();
    bury();
    await restarted;
  }

  /** From the comment to when nothing is left to be done. */
  async function lives(title: string, at?: string): Promise<number> {
    const number = await rig.openIssue(title);
    const mine = deathAt(at);
    death = mine;
    await rig.as('bob').comment(number, '/assign-agent');
    let isAnswered = false;
    await rig.until(`it has come back, killed ${at}`, async () => {
      await buryIfDead();
      const [session] = await rig.rows<{ status: string; settled: boolean }>(
        'SELECT status, observed_version = desired_version AS settled FROM agent_session WHERE number = $1',
        [number],
      );
      if (session?.status === 'blocked' && !isAnswered) {
        isAnswered = true;
        await rig.as('bob').comment(number, '/reply blue');
      }
      return session?.status === 'in_review' && session.settled && !death.isDead;
    });
    await rig.quiet();
    expect(mine.at).toBeUndefined();
    return number;
  }

  async function expectOnce(number: number): Promise<void> {
    const [session, ...more] = await rig.sessionsOf(number);
    expect(more).toEqual([]);
    expect(session).toMatchObject({ status: 'in_review', fence: '1', lease_held: false, round: 1, tokens: '7' });
    const { pullRequests, branches } = await rig.fake.state(place);
    expect(pullRequests.filter(({ head }) => head === session?.branch)).toHaveLength(1);
    expect(branches.filter(({ name }) => name === session?.branch)).toHaveLength(1);
    expect(await rig.fake.readFile(place, session?.branch ?? '', 'colour.txt')).toBe('blue\n');
    expect(rig.runner.starts.filter(({ sessionId }) => sessionId === session?.id)).toHaveLength(1);
    expect(rig.runner.running()).toEqual([]);
    expect((await rig.record(session?.id ?? '')).filter((kind) => !kind.startsWith('>'))).toEqual([
      'leased',
      'started',
      'cost',
      'question',
      'reply',
      'done',
      'pushed',
      'pr.created',
    ]);
    const told = (await rig.said(number)).filter((body) => body.startsWith('@bob '));
    expect(told.map((body) => / (asks|ready)\b/.exec(body)?.[1])).toEqual(['asks', 'ready']);
  }

  it('goes on wherever that was', async () => {
    seen.length = 0;
    await expectOnce(await lives('Undisturbed'));
    const steps = seen.filter((name) => name.startsWith('after '));
    for (const verb of ['start', 'read', 'observe', 'reply', 'stop', 'result', 'push', 'remove'])
      expect(steps).toContain(`after ${verb}`);
    expect(steps).toContain('after POST /repos/{owner}/{repo}/pulls');
    for (const step of ['before start', ...steps]) {
      await rig.rows('UPDATE command_sender SET given = 0');
      await expectOnce(await lives(`Killed ${step}`, step));
    }
  });

  it('begins although that was before it had a turn', async () => {
    const { atOnce } = rig.planned;
    rig.planned.atOnce = 0;
    const number = await rig.openIssue('Not begun');
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it waits', async () => (await rig.sessionsOf(number))[0]?.status === 'assigned');
    await rig.restart();
    expect((await rig.sessionsOf(number))[0]?.status).toBe('assigned');
    rig.planned.atOnce = atOnce;
    await rig.until('it asks', async () => (await rig.sessionsOf(number))[0]?.status === 'blocked');
    await rig.as('bob').comment(number, '/reply blue');
    await rig.until('it is ready', async () => (await rig.sessionsOf(number))[0]?.status === 'in_review');
    await rig.until('it has let go', async () => (await rig.sessionsOf(number))[0]?.lease_held === false);
    await rig.until('that is told', async () => (await rig.said(number)).some((body) => body.includes(' ready ')));
    await expectOnce(number);
  });
});
