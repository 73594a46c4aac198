/** An agent by comment, on every forge: it edits, asks, is answered by comment, and comes back with a pull request. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { playedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

describe.each(playedForges.map((forge) => ({ forge, label: forge.label })))('an agent on $label', ({ forge }) => {
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
    expect(pull?.labels).toEqual(['agent']);
    expect(pull?.head).toMatch(/^forgeway\/[0-9a-f]{8}\/paint-the-shed$/);
    expect(pull?.body).toContain('It is blue now.');
    expect(await fake.readFile(place, pull?.head ?? '', 'colour.txt')).toBe('blue\n');
    const [session] = await rig.sessions();
    expect(session).toMatchObject({ lease_held: false, fence: '1', tokens: '15', pull_request_number: pull?.number });
    expect(await rig.record(session?.id ?? '')).toEqual([
      ...['leased', '>provisioning', 'started', '>running', 'message', 'question', '>blocked', 'reply', '>running'],
      ...['cost', 'done', '>pushing', 'pushed', 'pr.created', '>in_review'],
    ]);
    // One comment, edited in place; commands were answered by faces. Whoever asked is told what needs them, once each.
    const [, ...notices] = await rig.said(number);
    expect(notices.map((body) => body.split('\n', 1)[0])).toEqual([
      '@dave scripted asks: Which colour? It offers: blue, red. Comment `/reply` and your answer here, or `/cancel`.',
      expect.stringMatching(/^@dave the work of scripted is ready for your review: http/),
    ]);
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

  it('is told of the preview of its pull request, also of one that comes up while it works', async () => {
    const url = 'https://acme-shop-pr.preview.example';
    const [before, mine] = [(await rig.sessions()).length, async () => (await rig.sessions()).at(-1)];
    rig.plays(async (agent) => {
      const said = await agent.hear();
      agent.say({ type: 'message', text: `heard: ${said}` });
      agent.say({ type: 'done', ok: true, title: '', summary: '' });
    });
    await rig.as('dave').push({ branch: 'topic', files: { 'a.txt': 'one\n' }, message: 'feat: a' });
    const number = await rig.as('dave').openPullRequest({ head: 'topic', title: 'A topic' });
    await rig.quiet();
    await rig.as('dave').comment(number, '/assign-agent');
    await rig.until('it works', async () => (await mine())?.status === 'running');
    expect((await rig.sessions()).length).toBe(before + 1);
    await rig.rows(
      `INSERT INTO preview (organization_id, repository_id, pull_request_id, name, driver, desired_state, phase, url)
       SELECT organization_id, repository_id, id, 'acme-shop-pr', 'process', 'running', 'ready', $2
         FROM pull_request WHERE number = $1
       ON CONFLICT (pull_request_id) DO UPDATE SET phase = 'ready', url = $2`,
      [number, url],
    );
    await rig.until('it is told', async () => rig.runner.previews.length > 0);
    // It answered nothing and began nothing: the agent still waits for a person.
    expect(await mine()).toMatchObject({ status: 'running' });
    await rig.as('dave').comment(number, '/reply well done');
    await rig.until('it is over', async () => (await mine())?.status === 'completed');
    expect(rig.runner.previews).toEqual([url]);
    expect(await rig.record((await mine())?.id ?? '')).toEqual([
      ...['leased', '>provisioning', 'started', '>running', 'preview', 'reply', 'message', 'done', '>pushing'],
      ...['unchanged', '>completed'],
    ]);

    await rig.as('dave').comment(number, '/assign-agent');
    await rig.until('the next one works', async () => (await mine())?.status === 'running');
    await rig.as('dave').comment(number, '/reply fine');
    await rig.until('it is over, too', async () => (await mine())?.status === 'completed');
    // What was up when it began stands in its task.
    expect(rig.facts.at(-1)?.previewUrl).toBe(url);
    expect(rig.runner.previews).toEqual([url]);
  });
});
