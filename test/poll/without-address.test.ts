/** A server that no forge can reach: no PUBLIC_URL, no webhook, polling alone. */
import { afterEach, expect, it } from '@jest/globals';
import { forges } from '../../src/forges/registry.js';
import { fakedForges } from '../support/connected-forge.js';
import { type PollRig, startPollRig } from './poll-rig.js';

let rig: PollRig;
afterEach(() => rig.close());

it('runs an app on a pull request, whose comment appears once, and is asked nothing while its mode is webhook', async () => {
  const [forge = [...forges.values()][0]] = fakedForges.filter(({ id }) => id === 'gitea');
  if (forge === undefined) throw new Error('no double');
  rig = await startPollRig(forge, {
    mode: 'poll',
    app: (app) => {
      app.on('pull_request.opened', async (context) => {
        await context.octokit.rest.issues.createComment(context.issue({ body: 'Welcome' }));
      });
    },
  });
  await rig.poll();
  const alice = rig.as('alice');
  await alice.push({ branch: 'change', files: { 'a.txt': 'a\n' }, message: 'Change' });
  const pull = await alice.openPullRequest({ head: 'change', title: 'A change' });
  const heard = await rig.pollUntilCalm();
  const state = await rig.fake.state({ owner: 'acme', name: 'web' });
  expect(state.pullRequests[0]?.comments).toEqual([{ author: rig.fake.bot.login, body: 'Welcome' }]);
  expect(heard.filter((one) => one.startsWith('pull_request.'))).toEqual([`pull_request.opened ${pull}`]);
  expect(heard.filter((one) => one.startsWith('issue_comment.'))).toEqual([`issue_comment.created ${pull}`]);
  expect(rig.fake.violations()).toEqual([]);

  expect(await rig.setMode('webhook')).toBe(true);
  await alice.comment(pull, 'Who hears this?');
  expect(await rig.poll()).toMatchObject({ summary: { repositories: 0 }, heard: [] });
  expect(await rig.setMode('both')).toBe(true);
  expect(await rig.pollUntilCalm()).toEqual([`issue_comment.created ${pull}`]);
});
