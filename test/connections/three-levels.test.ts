/** Webhooks at a project, at its group and of the whole GitLab at once: an app hears of each happening once. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { type ConnectionRig, startConnectionRig } from './connection-rig.js';

describe('hooks at three levels of GitLab', () => {
  const state = {} as { rig: ConnectionRig };
  beforeAll(async () => {
    state.rig = await startConnectionRig();
  });
  afterAll(() => state.rig.close());

  it('tell of each happening once, whichever comes first', async () => {
    const { rig } = state;
    const { fake, url } = await rig.startGitLab();
    const root = fake.addUser({ username: 'root-bot', bot: true, admin: true, token: 'glpat-root-token' });
    const [bot] = fake.state.users;
    const group = fake.state.groups.find(({ fullPath }) => fullPath === 'acme');
    const project = fake.state.projects.find(({ fullPath }) => fullPath === 'acme/web');
    if (bot === undefined || group === undefined || project === undefined) throw new Error('nothing is there');
    for (const user of [bot, root]) group.members.set(user.id, 50);
    const token = 'glpat-first-token';
    await rig.connect({ forge: gitlab, url, token, repositories: ['acme/web'] });
    await rig.connect({ forge: gitlab, url, token, level: 'organization', organization: 'acme' });
    const above = await rig.connect({ forge: gitlab, url, token: 'glpat-root-token', level: 'system' });
    expect(above.hooks.map(({ hook }) => hook.scope)).toEqual(['system']);
    await rig.quiet();

    const ask = async (method: string, path: string, body: object) => {
      const answer = await fetch(`${url}/api/v4/projects/${project.id}${path}`, {
        method,
        headers: { 'private-token': token, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      await fake.webhooks.settled();
      await rig.quiet();
    };
    const before = rig.noted.length;
    const files = [{ path: 'a.txt', content: 'a\n' }];
    await fake.push(project, bot, { branch: 'change', from: 'main', message: 'Change', files });
    await fake.webhooks.settled();
    await rig.quiet();
    await ask('POST', '/merge_requests', { source_branch: 'change', target_branch: 'main', title: 'A change' });
    await ask('PUT', '/merge_requests/1', { title: 'Another title', add_labels: 'bug' });
    await ask('POST', '/merge_requests/1/notes', { body: 'Hello' });
    await ask('PUT', '/merge_requests/1', { state_event: 'close' });
    const heard = rig.noted.slice(before).map(({ event }) => event);
    expect(heard.sort()).toEqual([
      ...['create', 'issue_comment.created', 'pull_request.closed', 'pull_request.edited', 'pull_request.labeled'],
      ...['pull_request.opened', 'push'],
    ]);
    const arrived = await rig.rows<{ scope: string; count: string }>(
      `SELECT h.scope, count(*)::text FROM webhook_delivery w JOIN hook h ON h.id = w.hook_id
       WHERE w.event_type IN ('Merge Request Hook', 'System Hook') GROUP BY 1 ORDER BY 1`,
    );
    // Three of the merge request each, and the push of the system's beside them.
    expect(arrived).toEqual([
      { scope: 'organization', count: '3' },
      { scope: 'repository', count: '3' },
      { scope: 'system', count: '4' },
    ]);
  });
});
