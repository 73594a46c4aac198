/** A server that no forge can reach: no PUBLIC_URL, no webhook, polling alone. */
import { afterEach, expect, it, jest } from '@jest/globals';
import { forges } from '../../src/forges/registry.js';
import { fakedForges } from '../support/connected-forge.js';
import { type PollRig, startPollRig } from './poll-rig.js';

jest.setTimeout(120_000);
let rig: PollRig;
afterEach(() => rig.close());

it('runs an app on a pull request, whose comment appears once', async () => {
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
});
