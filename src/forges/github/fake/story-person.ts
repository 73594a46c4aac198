/** What a person does on the fake: through GitHub's own API, as its pages do. */
import type { FakePerson, FakePlace, FakeVerdict } from '../../kit/fake/forge-fake.js';
import { type AskFake, numberIn } from '../../kit/fake/story-requests.js';
import type { GitHubFake } from '../fake.js';
import { atLeast, levelOf, type Repository } from './state.js';

export interface PersonOptions {
  fake: GitHubFake;
  login: string;
  place: FakePlace;
  /** Of the repository below the API. */
  path: string;
  repository: Repository;
  /** As this person. */
  ask: AskFake;
}

const VERDICTS: Readonly<Record<FakeVerdict, string>> = {
  approve: 'APPROVE',
  request_changes: 'REQUEST_CHANGES',
  comment: 'COMMENT',
};

export function personOf({ fake, login, place, path, repository, ask }: PersonOptions): FakePerson {
  const issue = (number: number) => `${path}/issues/${number}`;
  const pull = (number: number) => `${path}/pulls/${number}`;
  return {
    async push({ branch, from, files, message }) {
      if (!atLeast(levelOf(fake.state, repository, login), 'write'))
        throw new Error(`${login} may not push to ${place.owner}/${place.name}.`);
      return fake.push(place.owner, place.name, { branch, by: login, message, files, startAt: from });
    },
    async deleteBranch(branch) {
      await ask('DELETE', `${path}/git/refs/heads/${branch.split('/').map(encodeURIComponent).join('/')}`);
    },
    async openPullRequest({ head, base = repository.defaultBranch, title, body, draft = false }) {
      return numberIn(await ask('POST', `${path}/pulls`, { head, base, title, body, draft }), 'number');
    },
    async editPullRequest(number, { title, body, draft }) {
      if (title !== undefined || body !== undefined) await ask('PATCH', pull(number), { title, body });
      if (draft !== undefined) await ask('PUT', `${pull(number)}/draft`, { draft });
    },
    async mergePullRequest(number) {
      await ask('PUT', `${pull(number)}/merge`, {});
    },
    async requestReview(number, logins) {
      await ask('POST', `${pull(number)}/requested_reviewers`, { reviewers: logins });
    },
    async review(number, { verdict, body = '', lines = [] }) {
      await ask('POST', `${pull(number)}/reviews`, { event: VERDICTS[verdict], body, comments: lines });
    },
    async openIssue({ title, body, labels = [] }) {
      return numberIn(await ask('POST', `${path}/issues`, { title, body, labels }), 'number');
    },
    async editIssue(number, edit) {
      await ask('PATCH', issue(number), edit);
    },
    async close(number) {
      await ask('PATCH', issue(number), { state: 'closed' });
    },
    async reopen(number) {
      await ask('PATCH', issue(number), { state: 'open' });
    },
    async label(number, names) {
      await ask('POST', `${issue(number)}/labels`, { labels: names });
    },
    async unlabel(number, names) {
      for (const name of names) await ask('DELETE', `${issue(number)}/labels/${encodeURIComponent(name)}`);
    },
    async assign(number, logins) {
      await ask('POST', `${issue(number)}/assignees`, { assignees: logins });
    },
    async comment(number, body) {
      return String(numberIn(await ask('POST', `${issue(number)}/comments`, { body }), 'id'));
    },
    async setStatus(sha, status) {
      await ask('POST', `${path}/statuses/${sha}`, status);
    },
    async release({ tag, title, body }) {
      await ask('POST', `${path}/releases`, { tag_name: tag, name: title, body });
    },
  };
}
