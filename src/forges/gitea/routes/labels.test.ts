import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { labels } from './labels.js';

describe('labels on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
    const org = gitea.fake.state.accounts.find((one) => one.login === 'acme') as Loose;
    org.labels.push({ id: 900, name: 'shared', color: '112233', description: 'of all', exclusive: false });
    await gitea.ask('POST /repos/{owner}/{repo}/issues', { title: 'Something is wrong' });
  });
  afterAll(() => gitea.close());

  const names = (data: Loose): string[] => data.map((label: Loose) => label.name);

  it('are created, read, renamed and deleted by name', async () => {
    const made = await gitea.ask('POST /repos/{owner}/{repo}/labels', { name: 'good first issue', color: 'FF00aa' });
    expect([made.status, made.data.color, made.data.default]).toEqual([201, 'ff00aa', false]);
    expect(gitea.rig.calls.at(-1)).toMatchObject({
      method: 'POST',
      path: '/repos/acme/web/labels',
      json: { name: 'good first issue', color: '#ff00aa' },
    });
    const read = await gitea.ask('GET /repos/{owner}/{repo}/labels/{name}', { name: 'Good First Issue' });
    expect(read.data).toEqual(made.data);
    const renamed = await gitea.ask('PATCH /repos/{owner}/{repo}/labels/{name}', {
      name: 'good first issue',
      new_name: 'easy',
      description: 'for beginners',
    });
    expect(renamed.data).toMatchObject({
      id: made.data.id,
      name: 'easy',
      description: 'for beginners',
      color: 'ff00aa',
    });
    expect((await gitea.ask('DELETE /repos/{owner}/{repo}/labels/{name}', { name: 'easy' })).status).toBe(204);
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect((await gitea.ask(`${method} /repos/{owner}/{repo}/labels/{name}`, { name: 'easy' })).status).toBe(404);
  });

  it('are refused when the name is taken, whatever its case, or the colour is none', async () => {
    await gitea.ask('POST /repos/{owner}/{repo}/labels', { name: 'bug', color: 'd73a4a' });
    const twice = await gitea.ask('POST /repos/{owner}/{repo}/labels', { name: 'BUG', color: 'd73a4a' });
    expect(twice.status).toBe(422);
    expect(twice.data.errors).toEqual([{ resource: 'Label', field: 'name', code: 'already_exists' }]);
    expect((await gitea.ask('POST /repos/{owner}/{repo}/labels', { name: 'x', color: 'red' })).status).toBe(422);
  });

  it('of the organization stand beside those of the repository, and in pages', async () => {
    const all = await gitea.ask('GET /repos/{owner}/{repo}/labels');
    expect(names(all.data)).toEqual(['bug', 'shared']);
    const second = await gitea.ask('GET /repos/{owner}/{repo}/labels', { per_page: 1, page: 2 });
    expect([names(second.data), second.pages]).toEqual([['shared'], { next: false, last: 2 }]);
    expect((await gitea.rig.request('GET /repos/{owner}/{repo}/labels', { owner: 'acme', repo: 'no' })).status).toBe(
      404,
    );
  });

  it('are put on an issue by name, and made when there is none of that name', async () => {
    const added = await gitea.ask('POST /repos/{owner}/{repo}/issues/{issue_number}/labels', {
      issue_number: 1,
      labels: ['Bug', 'shared', 'brand new'],
    });
    expect(added.status).toBe(200);
    expect(names(added.data)).toEqual(['brand new', 'bug', 'shared']);
    const read = await gitea.ask('GET /repos/{owner}/{repo}/issues/{issue_number}/labels', { issue_number: 1 });
    expect(read.data).toEqual(added.data);
    const made = await gitea.ask('GET /repos/{owner}/{repo}/labels/{name}', { name: 'brand new' });
    expect(made.data.color).toBe('ededed');
    expect(gitea.told().at(-1)).toEqual(['issue_label', 'label_updated']);
  });

  it('are set as a whole, and taken away one by one or all at once', async () => {
    const set = await gitea.ask('PUT /repos/{owner}/{repo}/issues/{issue_number}/labels', {
      issue_number: 1,
      labels: [{ name: 'bug' }, { name: 'shared' }],
    });
    expect(names(set.data)).toEqual(['bug', 'shared']);
    const route = 'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}';
    const removed = await gitea.ask(route, { issue_number: 1, name: 'bug' });
    expect([removed.status, names(removed.data)]).toEqual([200, ['shared']]);
    const again = await gitea.ask(route, { issue_number: 1, name: 'bug' });
    expect([again.status, again.data.message]).toEqual([404, 'Label does not exist']);
    const clear = 'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels';
    expect((await gitea.ask(clear, { issue_number: 1 })).status).toBe(204);
    expect(
      (await gitea.ask('GET /repos/{owner}/{repo}/issues/{issue_number}/labels', { issue_number: 1 })).data,
    ).toEqual([]);
    expect(gitea.told().at(-1)).toEqual(['issue_label', 'label_cleared']);
  });

  it('are refused on an issue that is not there', async () => {
    const base = '/repos/{owner}/{repo}/issues/{issue_number}/labels';
    for (const method of ['GET', 'POST', 'PUT', 'DELETE'])
      expect((await gitea.ask(`${method} ${base}`, { issue_number: 99, labels: ['bug'] })).status).toBe(404);
  });

  it('are all proven', () => gitea.expectEveryRow({ labels }));
});
