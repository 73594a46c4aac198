/** What a person does on the fake: through GitLab's own API where that has a way, as its pages do. */
import type { FakePerson, FakePlace } from '../../kit/fake/forge-fake.js';
import { type AskFake, numberIn } from '../../kit/fake/story-requests.js';
import type { GitLabFake } from '../fake.js';
import { issueNumber, nativeNumber } from '../references.js';
import { DEVELOPER } from './declare.js';
import { DRAFT } from './present-git.js';
import type { MergeRequest, Project, Thread, User } from './state.js';

export interface PersonOptions {
  fake: GitLabFake;
  place: FakePlace;
  user: User;
  project: Project;
  /** As this person. */
  ask: AskFake;
  /** @throws Error when nobody has this login */
  userNamed(login: string): User;
}

const STATES = { pending: 'pending', success: 'success', failure: 'failed', error: 'canceled' } as const;

export const plainTitle = (title: string): string => title.replace(DRAFT, '').trimStart();
const titled = (title: string, draft: boolean): string => (draft ? `Draft: ${plainTitle(title)}` : plainTitle(title));

export function personOf({ fake, place, user, project, ask, userNamed }: PersonOptions): FakePerson {
  const api = `/projects/${project.id}`;
  function threadOf(number: number): { thread: Thread; path: string } {
    const { kind, iid } = nativeNumber(number);
    const list: readonly Thread[] = kind === 'issue' ? project.issues : project.mergeRequests;
    const thread = list.find((one) => one.iid === iid);
    if (thread === undefined) throw new Error(`There is no issue or pull request ${number}.`);
    return { thread, path: `${api}/${kind === 'issue' ? 'issues' : 'merge_requests'}/${iid}` };
  }
  const mergeRequestOf = (number: number) => threadOf(number) as { thread: MergeRequest; path: string };
  const change = (number: number, json: object) => ask('PUT', threadOf(number).path, json);
  const withThese = (ids: readonly number[], logins: readonly string[]) => [
    ...new Set([...ids, ...logins.map((login) => userNamed(login).id)]),
  ];

  async function commentOnLine(number: number, comment: { path: string; line: number; body: string }): Promise<void> {
    const { thread, path } = mergeRequestOf(number);
    const base = (await project.git.mergeBase(thread.startSha, thread.sha)) ?? thread.startSha;
    await ask('POST', `${path}/discussions`, {
      body: comment.body,
      position: {
        position_type: 'text',
        base_sha: base,
        start_sha: thread.startSha,
        head_sha: thread.sha,
        old_path: comment.path,
        new_path: comment.path,
        new_line: comment.line,
      },
    });
  }

  return {
    async push({ branch, from = project.defaultBranch, files, message }) {
      if ((project.members.get(user.id) ?? 0) < DEVELOPER)
        throw new Error(`${user.username} may not push to ${place.owner}/${place.name}.`);
      const changes = Object.entries(files).map(([path, content]) => ({ path, content }));
      return fake.push(project, user, { branch, from, message, files: changes });
    },
    async deleteBranch(branch) {
      await ask('DELETE', `${api}/repository/branches/${encodeURIComponent(branch)}`);
    },
    async openPullRequest({ head, base = project.defaultBranch, title, body, draft = false }) {
      const shown = draft ? titled(title, true) : title;
      const json = { source_branch: head, target_branch: base, title: shown, description: body };
      return numberIn(await ask('POST', `${api}/merge_requests`, json), 'iid');
    },
    async editPullRequest(number, { title, body, draft }) {
      const before = threadOf(number).thread.title;
      const wanted = draft ?? DRAFT.test(before);
      const renamed = title === undefined && draft === undefined ? undefined : titled(title ?? before, wanted);
      await change(number, { title: renamed, description: body });
    },
    async mergePullRequest(number) {
      await ask('PUT', `${threadOf(number).path}/merge`, {});
    },
    async requestReview(number, logins) {
      const { thread } = mergeRequestOf(number);
      await change(number, { reviewer_ids: withThese(thread.reviewerIds, logins) });
    },
    async review(number, { verdict, body, lines = [] }) {
      const { thread, path } = mergeRequestOf(number);
      for (const line of lines) await commentOnLine(number, line);
      if (body) await ask('POST', `${path}/notes`, { body });
      if (verdict === 'approve') await ask('POST', `${path}/approve`, {});
      if (verdict === 'request_changes') await fake.requestChanges(project, thread, user);
    },
    async openIssue({ title, body, labels }) {
      return issueNumber(numberIn(await ask('POST', `${api}/issues`, { title, description: body, labels }), 'iid'));
    },
    async editIssue(number, { title, body }) {
      await change(number, { title, description: body });
    },
    async close(number) {
      await change(number, { state_event: 'close' });
    },
    async reopen(number) {
      await change(number, { state_event: 'reopen' });
    },
    async label(number, names) {
      await change(number, { add_labels: names });
    },
    async unlabel(number, names) {
      await change(number, { remove_labels: names });
    },
    async assign(number, logins) {
      await change(number, { assignee_ids: withThese(threadOf(number).thread.assigneeIds, logins) });
    },
    async comment(number, body) {
      return String(numberIn(await ask('POST', `${threadOf(number).path}/notes`, { body }), 'id'));
    },
    async setStatus(sha, { context, state, description }) {
      await ask('POST', `${api}/statuses/${sha}`, { name: context, state: STATES[state], description });
    },
    async release({ tag, title, body }) {
      await ask('POST', `${api}/releases`, {
        tag_name: tag,
        name: title,
        description: body,
        ref: project.defaultBranch,
      });
    },
  };
}
