/** A check and a status of one name, and two checks of one name, written at the same moment, on every forge that shows a check as a status. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGitea } from '../../../test/support/gitea-rig.js';
import { type Loose, startGitLab } from '../../../test/support/gitlab-rig.js';

interface Rig {
  ask(route: string, parameters?: object): Promise<{ status: number; data: Loose }>;
  close(): Promise<void>;
}

const R = '/repos/{owner}/{repo}';
const content = { 'a.txt': 'a\n' };

const rigs: Readonly<Record<string, () => Promise<{ rig: Rig; sha: string }>>> = {
  async Gitea() {
    const rig = await startGitea();
    return { rig, sha: await rig.fake.push('acme', 'web', { branch: 'x', by: 'bob', files: content }) };
  },
  async GitLab() {
    const rig = await startGitLab();
    const files = Object.entries(content).map(([path, text]) => ({ path, content: text }));
    const change = { branch: 'x', from: 'main', message: 'x', files };
    return { rig, sha: await rig.fake.push(rig.web, rig.people.alice, change) };
  },
};

describe.each(Object.entries(rigs))('on %s', (_label, start) => {
  let rig: Rig;
  let sha = '';
  beforeAll(async () => {
    ({ rig, sha } = await start());
  });
  afterAll(() => rig.close());

  const check = (external_id: string) => rig.ask(`POST ${R}/check-runs`, { name: 'ci', head_sha: sha, external_id });

  it('neither takes the place of another', async () => {
    const [status, ...made] = await Promise.all([
      rig.ask(`POST ${R}/statuses/{sha}`, { sha, state: 'success', context: 'ci' }),
      check('1'),
      check('2'),
    ]);
    expect([status, ...made].map((answer) => answer.status)).toEqual([201, 201, 201]);
    const listed = await rig.ask(`GET ${R}/commits/{ref}/check-runs`, { ref: sha, filter: 'all' });
    expect(listed.data.check_runs.map((one: Loose) => one.external_id).sort()).toEqual(['1', '2']);
    expect(new Set(made.map(({ data }) => data.id)).size).toBe(2);
    const { data } = await rig.ask(`GET ${R}/commits/{ref}/statuses`, { ref: sha });
    expect(data.map((one: Loose) => [one.context, one.state, one.id])).toEqual([['ci', 'success', status.data.id]]);
  });
});
