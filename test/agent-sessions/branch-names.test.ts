/** Branches with names that mean something else elsewhere: what an agent has done goes into the branch that it was asked for, and no other. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const NAMES = ['HEAD', '-upload-pack=x', 'refs/heads/x', 'a%2Fb%20c#d&e=f', 'züge/分支', "it's-$(x)"];

describe.each(fakedForges.map((forge) => ({ forge, label: forge.label })))('a branch on $label', ({ forge }) => {
  let rig: AgentRig;
  beforeAll(async () => {
    rig = await startAgentRig(forge);
    rig.plays(async (agent) => {
      await agent.edit('done.txt', 'done\n');
      agent.say({ type: 'done', ok: true, title: 'Do it', summary: 'Done.' });
    });
  });
  afterAll(() => rig?.close());
  beforeEach(() => rig.rows('UPDATE command_sender SET given = 0'));

  it.each(NAMES)('called %s is worked on, and no other', async (branch) => {
    const head = await rig.as('dave').push({ branch, files: { 'a.txt': `${branch}\n` }, message: 'feat: a' });
    const number = await rig.as('dave').openPullRequest({ head: branch, title: 'Odd' });
    await rig.quiet();
    const before = (await rig.fake.state(place)).branches;
    await rig.as('bob').comment(number, '/assign-agent');
    await rig.until('it is over', async () =>
      ['in_review', 'failed'].includes((await rig.sessionsOf(number))[0]?.status ?? ''),
    );
    const [session] = await rig.sessionsOf(number);
    expect(session).toMatchObject({ status: 'in_review', failure: null });
    expect(rig.runner.starts.at(-1)?.repository.sha).toBe(head);
    const { branches, pullRequests } = await rig.fake.state(place);
    expect(branches.filter(({ name }) => name !== session?.branch)).toEqual(before);
    expect(pullRequests.filter(({ head: from }) => from === session?.branch)).toMatchObject([{ base: branch }]);
  });
});
