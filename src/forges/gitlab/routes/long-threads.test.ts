/** Whoever reads all pages of a list ends at the first short one, so that none may be short before the last. */
import { expect, it } from '@jest/globals';
import { type Loose, startGitLab } from '../../../../test/support/gitlab-rig.js';

const COMMENTS = '/repos/{owner}/{repo}/issues/{issue_number}/comments';
const OLD = '2001-01-01T00:00:00.000Z';

it('comments are in full pages, which neither a comment on a line nor an old one makes shorter', async () => {
  const gitlab = await startGitLab();
  try {
    const { number } = (await gitlab.ask('POST /repos/{owner}/{repo}/issues', { title: 'Long' })).data;
    await gitlab.ask(`POST ${COMMENTS}`, { issue_number: number, body: 'New' });
    const threads = gitlab.fake.state.projects.flatMap(({ issues }) => issues);
    const thread = threads.find(({ notes }) => notes.some(({ body }) => body === 'New'));
    const newest = thread?.notes.at(-1);
    if (thread === undefined || newest === undefined) throw new Error('nothing was written');
    const old = Array.from({ length: 120 }, (_, at) => ({ ...newest, id: at + 1, createdAt: OLD, updatedAt: OLD }));
    thread.notes = [{ ...newest, id: 500, createdAt: OLD, type: 'DiffNote' }, ...old, newest];
    const list = async (page: number, query: object = {}): Promise<string[]> =>
      (await gitlab.ask(`GET ${COMMENTS}`, { issue_number: number, per_page: 100, page, ...query })).data.map(
        ({ id }: Loose) => String(id),
      );
    expect([(await list(1)).length, (await list(2)).length]).toEqual([100, 21]);
    expect(await list(1, { since: '2002-01-01T00:00:00.000Z' })).toEqual([String(newest.id)]);
  } finally {
    await gitlab.close();
  }
});
