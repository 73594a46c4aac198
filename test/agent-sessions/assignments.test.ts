/** Other ways to have an agent work, who may, and what a review comes to, on every forge. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { plannedFor } from '../support/planned-agents.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

describe.each(fakedForges.map((forge) => ({ forge, label: forge.label })))('agents on $label', ({ forge }) => {
  let rig: AgentRig;
  beforeAll(async () => {
    rig = await startAgentRig(forge, { planned: plannedFor('scripted', 'other') });
  });
  afterAll(() => rig?.close());

  it('work for a label and for being assigned, for whoever may have them work', async () => {
    rig.plays(async () => undefined);
    const number = await rig.as('carol').openIssue({ title: 'By other ways' });
    await rig.quiet();
    await rig.as('carol').comment(number, '/assign-agent');
    await rig.quiet();
    // Who may only read is answered by a face.
    expect(await rig.sessions()).toEqual([]);
    await rig.as('dave').label(number, ['assign-agent:other']);
    await rig.until('the label has one work', async () => (await rig.sessions())[0]?.status === 'completed');
    await rig.as('dave').assign(number, [rig.fake.bot.login]);
    await rig.until('so has the assignment', async () => (await rig.sessions())[1]?.status === 'completed');
    expect((await rig.sessions()).map(({ agent }) => agent)).toEqual(['other', 'scripted']);
    await rig.as('dave').label(number, ['unrelated']);
    await rig.quiet();
    expect(await rig.sessions()).toHaveLength(2);
  });

  it('review a pull request with comments on its lines, and refuse one that has moved on', async () => {
    await rig.as('dave').push({ branch: 'topic', files: { 'a.txt': 'one\ntwo\n' }, message: 'feat: a' });
    const number = await rig.as('dave').openPullRequest({ head: 'topic', title: 'A topic' });
    await rig.quiet();
    rig.plays(async (agent) => {
      agent.remark({ path: 'a.txt', line: 2, body: 'Why two?' });
      agent.say({ type: 'done', ok: true, title: '', summary: 'One question.' });
    });
    await rig.as('dave').comment(number, '/fw assign-agent other --review look at a.txt');
    await rig.until('it is reviewed', async () => (await rig.sessions())[2]?.status === 'completed');
    expect((await rig.sessions())[2]).toMatchObject({ kind: 'review', agent: 'other', branch: expect.any(String) });
    const state = async () => (await rig.fake.state(place)).pullRequests.find((one) => one.number === number);
    expect((await state())?.lineComments).toMatchObject([{ path: 'a.txt', line: 2, body: 'Why two?' }]);
    // The branch it worked on was never pushed.
    expect((await rig.fake.state(place)).branches.map(({ name }) => name).sort()).toEqual(['main', 'topic']);

    const before = rig.runner.starts.length;
    rig.runner.broken.start = new Error('not yet');
    await rig.as('dave').comment(number, '/assign-agent');
    await rig.until('it is getting ready', async () => (await rig.sessions())[3]?.status === 'provisioning');
    await rig.as('dave').push({ branch: 'topic', files: { 'a.txt': 'three\n' }, message: 'feat: b' });
    // Still broken: a start that was begun before the push would be one at the commit that was asked for.
    await rig.until('it has failed', async () => (await rig.sessions())[3]?.status === 'failed');
    delete rig.runner.broken.start;
    expect((await rig.sessions())[3]?.failure).toContain('has moved from');
    expect(rig.runner.starts.length).toBe(before);
  });

  it('say what may be used here, and why not', async () => {
    const number = await rig.as('carol').openIssue({ title: 'Help' });
    await rig.quiet();
    await rig.as('carol').comment(number, '/help');
    await rig.quiet();
    const [help = ''] = await rig.said(number);
    expect(help).toContain('`/status`');
    expect(help).not.toContain('`/cancel`');
    await rig.as('dave').comment(number, '/why-not /ok-to-test');
    await rig.as('dave').comment(number, '/why-not assign-agent');
    await rig.as('dave').comment(number, '/status');
    await rig.as('dave').comment(number, '/cancel');
    await rig.quiet();
    const said = (await rig.said(number)).slice(1);
    expect(said.some((body) => body.includes('is for pull requests'))).toBe(true);
    expect(said.some((body) => body.includes('you may use it here. The forge says write'))).toBe(true);
    expect(said.filter((body) => body.includes('no agent has worked here yet'))).toHaveLength(2);
  });
});
