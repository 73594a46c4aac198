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

  it('are not found where there are none', async () => {
    await expect(change(4_242, 'open')).rejects.toMatchObject({ status: 404 });
    await expect(merge(4_242, '1'.repeat(40))).rejects.toMatchObject({ status: 404 });
    expect(rig.fake.violations()).toEqual([]);
  });
});
