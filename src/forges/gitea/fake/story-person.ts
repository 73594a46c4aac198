/** What a person does on the fake: through the server's own API, as its pages do. */
import type { FakePerson, FakePlace, FakeVerdict } from '../../kit/fake/forge-fake.js';
import { type AskFake, numberIn } from '../../kit/fake/story-requests.js';
import type { GiteaFake } from '../fake.js';
import { isDraft } from './objects.js';
import { atLeast, type Issue, levelOf, type Repository } from './state.js';

export interface PersonOptions {
  fake: GiteaFake;
  login: string;
  place: FakePlace;
  /** Of the repository below the API. */
  path: string;
  repository: Repository;
  /** As this person. */
  ask: AskFake;
}

const VERDICTS: Readonly<Record<FakeVerdict, string>> = {
  approve: 'APPROVED',
  request_changes: 'REQUEST_CHANGES',
  comment: 'COMMENT',
};

const LABEL_COLOR = '#6699cc';
const DRAFT_PREFIX = /^\s*(?:wip:|\[wip\])\s*/i;

export const plainTitle = (title: string): string => title.replace(DRAFT_PREFIX, '');
const titled = (title: string, draft: boolean): string => (draft ? `WIP: ${plainTitle(title)}` : plainTitle(title));

export function personOf({ fake, login, place, path, repository, ask }: PersonOptions): FakePerson {
  const issueOf = (number: number): Issue => {
    const found = repository.issues.find((one) => one.number === number);
    if (found === undefined) throw new Error(`There is no issue or pull request ${number}.`);
    return found;
  };
  const change = (number: number, json: object) =>
    ask('PATCH', `${path}/${issueOf(number).pull === null ? 'issues' : 'pulls'}/${number}`, json);

  /** The server puts labels on issues by their ids. */
  async function labelIds(names: readonly string[]): Promise<number[]> {
    const ids: number[] = [];
    for (const name of names) {
      const known = repository.labels.find((label) => label.name === name);
      const made = known ?? (await ask('POST', `${path}/labels`, { name, color: LABEL_COLOR }));
      ids.push(numberIn(made, 'id'));
    }
    return ids;
  }

  return {
    async push({ branch, from, files, message }) {
      if (!atLeast(levelOf(fake.state, repository, login), 'write'))
        throw new Error(`${login} may not push to ${place.owner}/${place.name}.`);
      return fake.push(place.owner, place.name, { branch, by: login, message, files, startAt: from });
    },
    async deleteBranch(branch) {
      await ask('DELETE', `${path}/branches/${branch.split('/').map(encodeURIComponent).join('/')}`);
    },
    async openPullRequest({ head, base = repository.defaultBranch, title, body, draft = false }) {
      const json = { head, base, title: draft ? titled(title, true) : title, body };
      return numberIn(await ask('POST', `${path}/pulls`, json), 'number');
    },
    async editPullRequest(number, { title, body, draft }) {
      const before = issueOf(number).title;
      const wanted = draft ?? isDraft(before);
      const renamed = title === undefined && draft === undefined ? undefined : titled(title ?? before, wanted);
      await ask('PATCH', `${path}/pulls/${number}`, { title: renamed, body });
    },
    async mergePullRequest(number) {
      await ask('POST', `${path}/pulls/${number}/merge`, { Do: 'merge' });
    },
    async requestReview(number, logins) {
      await ask('POST', `${path}/pulls/${number}/requested_reviewers`, { reviewers: logins });
    },
    async review(number, { verdict, body = '', lines = [] }) {
      const comments = lines.map((one) => ({ path: one.path, body: one.body, new_position: one.line }));
      await ask('POST', `${path}/pulls/${number}/reviews`, { event: VERDICTS[verdict], body, comments });
    },
    async openIssue({ title, body, labels = [] }) {
      return numberIn(await ask('POST', `${path}/issues`, { title, body, labels: await labelIds(labels) }), 'number');
    },
    async editIssue(number, edit) {
      await ask('PATCH', `${path}/issues/${number}`, edit);
    },
    async close(number) {
      await change(number, { state: 'closed' });
    },
    async reopen(number) {
      await change(number, { state: 'open' });
    },
    async label(number, names) {
      await ask('POST', `${path}/issues/${number}/labels`, { labels: await labelIds(names) });
    },
    async unlabel(number, names) {
      for (const id of await labelIds(names)) await ask('DELETE', `${path}/issues/${number}/labels/${id}`);
    },
    async assign(number, logins) {
      const assignees = [...new Set([...issueOf(number).assignees, ...logins])];
      await change(number, { assignees });
    },
    async comment(number, body) {
      return String(numberIn(await ask('POST', `${path}/issues/${number}/comments`, { body }), 'id'));
    },
    async setStatus(sha, status) {
      await ask('POST', `${path}/statuses/${sha}`, status);
    },
    async release({ tag, title, body }) {
      await ask('POST', `${path}/releases`, { tag_name: tag, name: title, body });
    },
  };
}
