import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GiteaRig, type Loose, startGitea } from '../../../../test/support/gitea-rig.js';
import { reviewComments } from './review-comments.js';
import { reviews } from './reviews.js';

const REVIEWS = '/repos/{owner}/{repo}/pulls/{pull_number}/reviews';
const REVIEW = `${REVIEWS}/{review_id}`;
const COMMENTS = '/repos/{owner}/{repo}/pulls/{pull_number}/comments';
const COMMENT = '/repos/{owner}/{repo}/pulls/comments/{comment_id}';

describe('reviews on Gitea', () => {
  let gitea: GiteaRig;
  beforeAll(async () => {
    gitea = await startGitea();
    await gitea.fake.push('acme', 'web', {
      branch: 'topic',
      by: 'bob',
      files: { 'a.txt': 'one\ntwo\nthree\n', 'README.md': '# changed\n' },
    });
    await gitea.as('bob').request('POST /repos/{owner}/{repo}/pulls', {
      owner: 'acme',
      repo: 'web',
      title: 'A topic',
      head: 'topic',
      base: 'main',
    });
  });
  afterAll(() => gitea.close());

  const ask = (route: string, more: object = {}) => gitea.ask(route, { pull_number: 1, ...more });

  it('approve, ask for changes and comment', async () => {
    const approved = await ask(`POST ${REVIEWS}`, { event: 'APPROVE' });
    expect(gitea.rig.calls.at(-1)?.json).toMatchObject({ event: 'APPROVED', body: '' });
    expect(approved.data).toMatchObject({ state: 'APPROVED', user: { login: 'forgeway-bot' }, body: '' });
    const changes = await ask(`POST ${REVIEWS}`, { event: 'REQUEST_CHANGES', body: 'Please do' });
    expect(changes.data.state).toBe('CHANGES_REQUESTED');
    expect((await ask(`GET ${REVIEW}`, { review_id: changes.data.id })).data).toEqual(changes.data);
    expect(gitea.told().slice(-2)).toEqual([
      ['pull_request_review_approved', 'reviewed'],
      ['pull_request_review_rejected', 'reviewed'],
    ]);
    expect((await ask(`POST ${REVIEWS}`, { event: 'REQUEST_CHANGES' })).status).toBe(422);
    expect((await ask(`POST ${REVIEWS}`, { event: 'COMMENT' })).status).toBe(422);
    expect((await ask(`POST ${REVIEWS}`, { event: 'CHEER' })).status).toBe(422);
    const own = await gitea
      .as('bob')
      .request(`POST ${REVIEWS}`, { owner: 'acme', repo: 'web', pull_number: 1, event: 'APPROVE' });
    expect(own.status).toBe(422);
  });

  it('are listed without the requests among them', async () => {
    await ask('POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers', { reviewers: ['alice'] });
    const listed = await ask(`GET ${REVIEWS}`);
    expect(listed.data.map((one: Loose) => one.state)).toEqual(['APPROVED', 'CHANGES_REQUESTED']);
    expect((await ask(`GET ${REVIEWS}`, { per_page: 1, page: 2 })).pages).toEqual({ next: false, last: 2 });
  });

  it('are dismissed, with a reason', async () => {
    const [, changes] = (await ask(`GET ${REVIEWS}`)).data;
    const route = `PUT ${REVIEW}/dismissals`;
    expect((await ask(route, { review_id: changes.id })).status).toBe(422);
    const dismissed = await ask(route, { review_id: changes.id, message: 'Done' });
    expect(dismissed.data.state).toBe('DISMISSED');
    expect((await ask(`GET ${REVIEW}`, { review_id: changes.id })).data.state).toBe('DISMISSED');
  });

  it('wait until they are submitted or deleted', async () => {
    const pending = await ask(`POST ${REVIEWS}`, {
      body: 'Not yet',
      comments: [{ path: 'a.txt', line: 2, body: 'Why two?' }],
    });
    expect(pending.data.state).toBe('PENDING');
    const submitted = await ask(`POST ${REVIEW}/events`, { review_id: pending.data.id, event: 'COMMENT', body: 'Now' });
    expect(submitted.data).toMatchObject({ id: pending.data.id, state: 'COMMENTED', body: 'Now' });
    expect((await ask(`POST ${REVIEW}/events`, { review_id: pending.data.id })).status).toBe(422);
    const other = await ask(`POST ${REVIEWS}`);
    expect([other.data.state, other.data.body]).toEqual(['PENDING', '']);
    expect((await ask(`DELETE ${REVIEW}`, { review_id: other.data.id })).data.id).toBe(other.data.id);
    expect((await ask(`GET ${REVIEW}`, { review_id: other.data.id })).status).toBe(404);
    expect((await ask(`DELETE ${REVIEW}`, { review_id: submitted.data.id })).status).toBe(422);
    expect((await ask(`PUT ${REVIEW}/dismissals`, { review_id: submitted.data.id, message: 'm' })).status).toBe(422);
    const comments = await ask(`GET ${REVIEW}/comments`, { review_id: pending.data.id });
    expect(comments.data).toMatchObject([
      { path: 'a.txt', line: 2, side: 'RIGHT', body: 'Why two?', pull_request_review_id: pending.data.id },
    ]);
  });

  it('take lines and positions in the diff', async () => {
    const made = await ask(`POST ${REVIEWS}`, {
      event: 'COMMENT',
      body: 'Some',
      comments: [
        { path: 'a.txt', position: 3, body: 'third' },
        { path: 'README.md', position: 1, body: 'the old line' },
        { path: 'README.md', line: 1, side: 'LEFT', body: 'again' },
      ],
    });
    expect(sentComments(gitea)).toEqual([
      { path: 'a.txt', new_position: 3, old_position: 0, body: 'third' },
      { path: 'README.md', new_position: 0, old_position: 1, body: 'the old line' },
      { path: 'README.md', new_position: 0, old_position: 1, body: 'again' },
    ]);
    expect(made.status).toBe(200);
    const nowhere = await ask(`POST ${REVIEWS}`, {
      event: 'COMMENT',
      comments: [{ path: 'a.txt', position: 99, body: 'x' }],
    });
    expect([nowhere.status, nowhere.data.errors[0].field]).toEqual([422, 'pull_request_review_thread.line']);
  });

  it('have comments that are made, answered, found by id, changed and deleted', async () => {
    const made = await ask(`POST ${COMMENTS}`, {
      path: 'a.txt',
      line: 1,
      side: 'RIGHT',
      body: 'First',
      commit_id: (await ask('GET /repos/{owner}/{repo}/pulls/{pull_number}')).data.head.sha,
    });
    expect([made.status, made.data.line, made.data.in_reply_to_id]).toEqual([201, 1, undefined]);
    const reply = await ask(`POST ${COMMENTS}/{comment_id}/replies`, { comment_id: made.data.id, body: 'Second' });
    expect([reply.status, reply.data.in_reply_to_id, reply.data.line]).toEqual([201, made.data.id, 1]);
    const old = await ask(`POST ${COMMENTS}`, { in_reply_to: made.data.id, body: 'Third' });
    expect(old.data.in_reply_to_id).toBe(made.data.id);
    const listed = await ask(`GET ${COMMENTS}`);
    const mine = listed.data.filter((one: Loose) => one.path === 'a.txt' && one.line === 1);
    expect(mine.map((one: Loose) => [one.body, one.in_reply_to_id])).toEqual([
      ['First', undefined],
      ['Second', made.data.id],
      ['Third', made.data.id],
    ]);
    const newest = await ask(`GET ${COMMENTS}`, { sort: 'created', direction: 'desc', per_page: 1 });
    expect(newest.data[0].body).toBe('Third');

    const one = await gitea.ask(`GET ${COMMENT}`, { comment_id: reply.data.id });
    expect(one.data).toMatchObject({ body: 'Second', in_reply_to_id: made.data.id });
    const edited = await gitea.ask(`PATCH ${COMMENT}`, { comment_id: reply.data.id, body: 'Edited' });
    expect(edited.data.body).toBe('Edited');
    expect((await gitea.ask(`GET ${COMMENT}`, { comment_id: reply.data.id })).data.body).toBe('Edited');
    expect((await gitea.ask(`DELETE ${COMMENT}`, { comment_id: reply.data.id })).status).toBe(204);
    expect((await gitea.ask(`GET ${COMMENT}`, { comment_id: reply.data.id })).status).toBe(404);
  });

  it('are found by a comment that was never seen, and say when it cannot be deleted', async () => {
    const third = (await ask(`GET ${COMMENTS}`)).data.find((one: Loose) => one.body === 'third');
    await gitea.rig.records.delete('review_comment', String(third.id));
    expect((await gitea.ask(`GET ${COMMENT}`, { comment_id: third.id })).data.body).toBe('third');
    expect((await gitea.ask(`DELETE ${COMMENT}`, { comment_id: third.id })).status).toBe(501);
    expect((await ask(`POST ${COMMENTS}/{comment_id}/replies`, { comment_id: 4711, body: 'x' })).status).toBe(404);
    expect((await ask(`POST ${COMMENTS}`, { path: 'a.txt', line: 1 })).status).toBe(422);
    const outside = [{ line: 4 }, { line: 1, side: 'LEFT' }, { path: 'src/app.ts', line: 1 }];
    for (const place of outside) {
      const comment = { path: 'a.txt', body: 'x', ...place };
      const answers = [
        await ask(`POST ${COMMENTS}`, comment),
        await ask(`POST ${REVIEWS}`, { event: 'COMMENT', comments: [comment] }),
      ];
      for (const { status, data } of answers)
        expect([place, status, data.errors?.[0].field]).toEqual([place, 422, 'pull_request_review_thread.line']);
    }
  });

  it('are not there in a repository that is not there', async () => {
    const more = {
      pull_number: 1,
      review_id: 1,
      comment_id: 1,
      event: 'APPROVE',
      message: 'm',
      body: 'b',
      path: 'a.txt',
      line: 1,
    };
    for (const table of [reviews, reviewComments]) await gitea.expectMissing(table, more);
  });

  it('are all proven', () => {
    gitea.expectEveryRow({ reviews, reviewComments });
  });
});

const sentComments = ({ rig }: GiteaRig): Loose => (rig.calls.at(-1) as Loose).json.comments;

it('on Forgejo a comment on a line is deleted, and the rest of its review stays', async () => {
  const forgejo = await startGitea({ flavour: 'forgejo', version: '7.0.0+gitea-1.22.0' });
  try {
    await forgejo.fake.push('acme', 'web', { branch: 'topic', by: 'bob', files: { 'a.txt': 'one\ntwo\n' } });
    const pull = { owner: 'acme', repo: 'web', title: 'A topic', head: 'topic', base: 'main' };
    await forgejo.as('bob').request('POST /repos/{owner}/{repo}/pulls', pull);
    const comments = [1, 2].map((line) => ({ path: 'a.txt', line, body: `At ${line}` }));
    await forgejo.ask(`POST ${REVIEWS}`, { pull_number: 1, event: 'COMMENT', body: 'All of it', comments });
    const listed = async () => (await forgejo.ask(`GET ${COMMENTS}`, { pull_number: 1 })).data;
    const [first] = await listed();
    expect((await forgejo.ask(`DELETE ${COMMENT}`, { comment_id: first.id })).status).toBe(204);
    expect((await listed()).map((one: Loose) => one.body)).toEqual(['At 2']);
    expect((await forgejo.ask(`GET ${REVIEWS}`, { pull_number: 1 })).data.map((one: Loose) => one.body)).toEqual([
      'All of it',
    ]);
  } finally {
    await forgejo.close();
  }
});
