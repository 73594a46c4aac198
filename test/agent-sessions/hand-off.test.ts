/** Issues that are handed to the forge's own agent: with the own token of whoever asks, and with no other. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { saveOwnToken } from '../../src/accounts/connection-kinds.js';
import { createVault } from '../../src/accounts/vault.js';
import { playedForges } from '../support/connected-forge.js';
import { TEST_KEYS } from '../support/database.js';
import { plannedFor } from '../support/planned-agents.js';
import { type AgentRig, place, startAgentRig } from './session-rig.js';

const [github] = playedForges.filter(({ agent }) => agent !== undefined);

describe('an issue for Copilot', () => {
  let rig: AgentRig;
  beforeAll(async () => {
    if (github === undefined) throw new Error('there is no fake to run on');
    rig = await startAgentRig(github, { planned: plannedFor('scripted'), others: ['Copilot'] });
    rig.plays(async () => undefined);
  });
  afterAll(() => rig?.close());

  const issueOf = async (number: number) => (await rig.fake.state(place)).issues.find((one) => one.number === number);
  const last = async () => (await rig.sessions()).at(-1);

  it('is refused with a link to connect, is handed over once that is done, and followed to its merge', async () => {
    const number = await rig.openIssue('Too slow', 'dave');
    await rig.as('dave').comment(number, '/assign-agent copilot use an index');
    await rig.until('it is refused', async () => (await last())?.status === 'failed');
    expect((await last())?.failure).toMatch(
      /Copilot is asked with your own connection.*you have none here.*https:\/\/forgeway\.example\/account, then comment \/retry/,
    );
    await rig.until('dave is told', async () =>
      (await rig.said(number)).some((body) => body.startsWith('@dave copilot')),
    );
    expect((await issueOf(number))?.assignees).toEqual([]);

    const [{ id: accountId = '', host = '' } = {}] = await rig.rows<{ id: string; host: string }>(
      'SELECT requester_id::text AS id, host FROM agent_session',
    );
    await rig.addMember('dave');
    await connect(accountId, host);
    await rig.as('dave').comment(number, '/retry');
    await rig.until('it is handed over', async () => (await last())?.status === 'running');
    expect((await issueOf(number))?.assignees).toEqual(['Copilot']);
    expect(rig.runner.starts).toEqual([]);
    await rig.as('dave').comment(number, '/reply hurry');
    await rig.until('dave is told where to write', async () =>
      (await rig.said(number)).some((body) => body.includes('is told in its own pull request')),
    );

    const copilot = rig.fake.as('Copilot', place);
    // Somebody else's pull request about it, and one of Copilot's about another, are none of this session's.
    await rig.as('dave').push({ branch: 'copilot/mine', files: { 'x.txt': 'x\n' }, message: 'fix: x' });
    await rig.as('dave').openPullRequest({ head: 'copilot/mine', title: 'x', body: `Fixes #${number}` });
    await copilot.push({ branch: 'copilot/other', files: { 'y.txt': 'y\n' }, message: 'fix: y' });
    await copilot.openPullRequest({ head: 'copilot/other', title: 'y', body: `Fixes #${number}99` });
    await copilot.push({ branch: 'copilot/fix-slow', files: { 'index.txt': 'a\n' }, message: 'fix: index' });
    const pull = await copilot.openPullRequest({
      ...{ head: 'copilot/fix-slow', title: '[WIP] Add an index', body: `Fixes #${number}`, draft: true },
    });
    await rig.until('its pull request is linked', async () => (await last())?.pull_request_number === pull);
    expect((await last())?.status).toBe('running');
    await rig.until(
      'people see it',
      async () => (await rig.said(number))[0]?.includes('Add an index (1 commit)') === true,
    );
    await copilot.editPullRequest(pull, { title: 'Add an index', draft: false });
    await rig.until('it is finished', async () => (await last())?.status === 'in_review');
    await rig.until('dave is told', async () =>
      (await rig.said(number)).some((body) =>
        body.startsWith('@dave the work of copilot is ready for your review: http'),
      ),
    );
    await rig.as('dave').mergePullRequest(pull);
    await rig.until('it is merged', async () => (await last())?.status === 'merged');
    await rig.until('it lets go', async () => (await last())?.lease_held === false);
    expect(await rig.record((await last())?.id ?? '')).toEqual([
      ...['leased', '>provisioning', 'started', '>running', 'message', 'done', '>pushing', 'pr.created'],
      ...['>in_review', '>merged'],
    ]);
    expect(rig.fake.violations()).toEqual([]);
  });

  it('is taken back when it is cancelled, and never handed over with the token of the App', async () => {
    const number = await rig.openIssue('Not now', 'dave');
    await rig.as('dave').comment(number, '/assign-agent copilot');
    await rig.until('it is handed over', async () => (await last())?.status === 'running');
    await rig.as('dave').comment(number, '/cancel');
    await rig.until('it is taken back', async () => (await last())?.status === 'cancelled');
    expect((await issueOf(number))?.assignees).toEqual([]);

    const [{ id = '' } = {}] = await rig.rows<{ id: string }>('SELECT id FROM repository');
    const app = await rig.bridge.octokitFor(rig.organizationId, id);
    const asked = app.request('POST /repos/{owner}/{repo}/issues/{issue_number}/assignees', {
      ...{ owner: place.owner, repo: place.name, issue_number: number, assignees: ['copilot-swe-agent[bot]'] },
    });
    await expect(asked).rejects.toMatchObject({ status: 403 });
    // A member who has connected nothing gets none of what others have.
    await rig.as('bob').comment(number, '/assign-agent copilot');
    await rig.until('bob is refused', async () => (await last())?.status === 'failed');
    expect((await last())?.failure).toContain('you have none here');
    expect((await issueOf(number))?.assignees).toEqual([]);
  });

  async function connect(accountId: string, host: string): Promise<void> {
    const facts = {
      ...{ version: '', edition: '', account: { id: BigInt(accountId), login: 'dave' }, isPerson: true },
      ...{ scopes: [], capabilities: [], warnings: [], expiresAt: null },
    };
    await saveOwnToken(
      rig.store,
      createVault(TEST_KEYS.versions),
      { organizationId: rig.organizationId, forge: github?.id ?? '', host, instanceUrl: rig.fake.url },
      { userId: 'dave', name: undefined, token: rig.fake.tokenOf?.('dave') ?? '', facts },
    );
  }
});
