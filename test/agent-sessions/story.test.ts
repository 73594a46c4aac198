/** An agent by comment, on every forge: it edits, asks, is answered by comment, and comes back with a pull request. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fakedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

describe.each(fakedForges.map((forge) => ({ forge, label: forge.label })))('an agent on $label', ({ forge }) => {
  let rig: AgentRig;
  beforeAll(async () => {
    rig = await startAgentRig(forge);
  });
  afterAll(() => rig?.close());

  it('is asked for by a comment, asks back, and opens a pull request', async () => {
    const { fake } = rig;
    rig.plays(async (agent) => {
      agent.say({ type: 'message', text: 'I look at it.' });
      const colour = await agent.ask('Which colour?', ['blue', 'red']);
      await agent.edit('colour.txt', `${colour}\n`);
      agent.say({ type: 'cost', inputTokens: 10, outputTokens: 5, total: false });
      agent.say({ type: 'done', ok: true, title: 'Paint it', summary: `It is ${colour} now.` });
    });
    const number = await rig.as('carol').openIssue({ title: 'Paint the shed', body: 'Please.' });
    await rig.quiet();
    await rig.as('dave').comment(number, '/assign-agent be quick');
    await rig.until('the question is asked', async () => (await rig.sessions())[0]?.status === 'blocked');
    await rig.until('the question is on the issue', async () =>
      (await rig.said(number)).some((body) => body.includes('/reply blue')),
    );
    const [asking] = await rig.said(number);
    expect(asking).toContain('Which colour?');
    expect(rig.facts).toMatchObject([
      { title: 'Paint the shed', text: { text: 'Please.', author: { login: 'carol' } }, previewUrl: null },
    ]);
    expect(rig.facts[0]?.session).toMatchObject({ instructions: 'be quick', requester: { login: 'dave' } });

    await rig.as('dave').comment(number, '/reply blue');
    await rig.until('the pull request is there', async () => (await rig.sessions())[0]?.status === 'in_review');
    await rig.until('its link is told', async () => (await rig.said(number))[0]?.includes('Pull request') === true);
    await rig.quiet();

    const { pullRequests } = await fake.state(place);
    expect(pullRequests).toMatchObject([{ title: 'Paint it', base: 'main', state: 'open', author: fake.bot.login }]);
    const [pull] = pullRequests;
    expect(pull?.head).toMatch(/^forgeway\/[0-9a-f]{8}\/paint-the-shed$/);
    expect(pull?.body).toContain('It is blue now.');
    expect(await fake.readFile(place, pull?.head ?? '', 'colour.txt')).toBe('blue\n');
    const [session] = await rig.sessions();
    expect(session).toMatchObject({ lease_held: false, fence: '1', tokens: '15', pull_request_number: pull?.number });
    expect(await rig.record(session?.id ?? '')).toEqual([
      ...['leased', '>provisioning', 'started', '>running', 'message', 'question', '>blocked', 'reply', '>running'],
      ...['cost', 'done', '>pushing', 'pushed', 'pr.created', '>in_review'],
    ]);
    // One comment, edited in place; commands were answered by faces.
    expect(await rig.said(number)).toHaveLength(1);
    expect(rig.runner.running()).toEqual([]);
    expect(
      await rig.rows(
        `SELECT p.session_id = $1 AS ours, c.is_forgeway_commit AS marked FROM pull_request p
           JOIN git_commit c ON c.sha = p.head_sha`,
        [session?.id],
      ),
    ).toEqual([{ ours: true, marked: true }]);
    expect(await rig.rows('SELECT status FROM task_run')).toEqual([{ status: 'running' }]);

    expect(pull?.draft).toBe(true);
    await rig.as('dave').editPullRequest(pull?.number ?? 0, { draft: false });
    await rig.as('dave').mergePullRequest(pull?.number ?? 0);
    await rig.until('it is merged', async () => (await rig.sessions())[0]?.status === 'merged');
    expect(await rig.rows('SELECT status FROM task_run')).toEqual([{ status: 'completed' }]);
    expect(fake.violations()).toEqual([]);
  });
});
