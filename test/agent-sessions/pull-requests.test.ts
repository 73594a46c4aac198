/** Pull requests as a service on each forge: asked for twice, and asked of what is merged, or was never there. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDraftPr } from '../../src/jobs/pull-request/service.js';
import type { ForgeOctokit } from '../../src/jobs/sync/octokit.js';
import { playedForges } from '../support/connected-forge.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const { signal } = new AbortController();
const at = { owner: place.owner, repo: place.name };
const PULL = '/repos/{owner}/{repo}/pulls/{pull_number}';

describe.each(playedForges.map((forge) => ({ name: forge.label, forge })))('pull requests on $name', ({ forge }) => {
  let rig: AgentRig;
  let octokit: ForgeOctokit;
  beforeAll(async () => {
    rig = await startAgentRig(forge);
    for (const branch of ['one', 'two'])
      await rig.as('dave').push({ branch, files: { [`${branch}.txt`]: `${branch}\n` }, message: `feat: ${branch}` });
    await rig.as('dave').openIssue({ title: 'So that it is known' });
    await rig.quiet();
    const [stored] = await rig.rows<{ id: string }>('SELECT id FROM repository');
    octokit = await rig.bridge.octokitFor(rig.organizationId, stored?.id ?? '');
  });
  afterAll(() => rig?.close());

  const draft = (head: string) => createDraftPr(octokit, at, { head, base: 'main', title: head, body: '' }, signal);
  const change = (number: number, state: 'open' | 'closed') =>
    octokit.request(`PATCH ${PULL}`, { ...at, pull_number: number, state });
  const merge = (number: number, sha: string) =>
    octokit.request(`PUT ${PULL}/merge`, { ...at, pull_number: number, sha });
  const stateOf = async (number: number) =>
    (await rig.fake.state(place)).pullRequests.find((one) => one.number === number);

  it('are opened once, however often and by how many they are asked for', async () => {
    const asked = [...(await Promise.all([draft('one'), draft('one')])), await draft('one')];
    expect(asked.filter(({ created }) => created)).toHaveLength(1);
    const { pullRequests } = await rig.fake.state(place);
    expect(pullRequests.filter(({ head }) => head === 'one')).toMatchObject([{ state: 'open', draft: true }]);
    for (const head of ['nowhere', 'main']) await expect(draft(head)).rejects.toMatchObject({ status: 422 });
  });

  it('stay merged, and say so to whoever wants them otherwise', async () => {
    const number = await rig.as('dave').openPullRequest({ head: 'two', title: 'Two' });
    const sha = (await stateOf(number))?.headSha ?? '';
    await expect(merge(number, '1'.repeat(40))).rejects.toMatchObject({ status: 409 });
    await merge(number, sha);
    const merged = await stateOf(number);
    expect(merged?.state).toBe('merged');
    await expect(merge(number, sha)).rejects.toMatchObject({ status: 405 });
    await expect(change(number, 'open')).rejects.toMatchObject({ status: 422 });
    expect((await change(number, 'closed')).data).toMatchObject({ state: 'closed', merged: true });
    expect(await stateOf(number)).toEqual(merged);
  });

  describe('of an agent', () => {
    const newest = async () => (await rig.sessions()).at(-1);
    const pullsOf = async (branch: string | null | undefined) =>
      (await rig.fake.state(place)).pullRequests.filter((one) => one.head === branch);
    /** It has changed a file, and what is done to the forge is done while that is pushed. */
    const worksOn = async (number: number, meanwhile: () => Promise<unknown>) => {
      rig.runner.before.push = async () => {
        delete rig.runner.before.push;
        await meanwhile();
      };
      rig.plays(async (agent) => {
        await agent.edit('more.txt', `${number}\n`);
        agent.say({ type: 'done', ok: true, title: `More for ${number}`, summary: 'Done.' });
      });
      await rig.as('dave').comment(number, '/assign-agent');
    };
    const isOpened = (number: number) =>
      rig.until('it waits for a review', async () => (await rig.sessionsOf(number)).at(-1)?.status === 'in_review');

    it('wait for the branch that they are for, which was deleted', async () => {
      const fleeting = (message: string) =>
        rig.as('dave').push({ branch: 'fleeting', message, files: { 'fleeting.txt': `${message}\n` } });
      await fleeting('feat: it');
      const number = await rig.as('dave').openPullRequest({ head: 'fleeting', title: 'Fleeting' });
      await rig.quiet();
      await worksOn(number, () => rig.as('dave').deleteBranch('fleeting'));
      const hasFailed = async () => (await newest())?.status === 'failed' && !(await newest())?.lease_held;
      await rig.until('it has failed', hasFailed);
      const failed = await newest();
      expect(failed?.failure).toBe(
        'Its work is pushed, and its pull request could not be opened: The branch fleeting, which it is for, is not there any ' +
          'more. When it is back, /retry opens it.',
      );
      const starts = rig.runner.starts.length;
      await fleeting('feat: it again');
      await rig.as('dave').comment(number, '/retry');
      await isOpened(number);
      expect(rig.runner.starts.length).toBe(starts);
      expect(await pullsOf(failed?.branch)).toMatchObject([{ base: 'fleeting', state: 'open' }]);
    });

    it('are for the default branch, whatever that is called by then', async () => {
      const number = await rig.openIssue('Renamed meanwhile', 'dave');
      await rig.as('dave').push({ branch: 'trunk', message: 'feat: trunk', files: { 'trunk.txt': 'x\n' } });
      await worksOn(number, async () => {
        await octokit.request('PATCH /repos/{owner}/{repo}', { ...at, default_branch: 'trunk' });
        await rig.as('bob').deleteBranch('main');
      });
      await isOpened(number);
      expect(await pullsOf((await newest())?.branch)).toMatchObject([{ base: 'trunk', state: 'open' }]);
    });
  });

  it('are not found where there are none', async () => {
    await expect(change(4_242, 'open')).rejects.toMatchObject({ status: 404 });
    await expect(merge(4_242, '1'.repeat(40))).rejects.toMatchObject({ status: 404 });
    expect(rig.fake.violations()).toEqual([]);
  });
});
