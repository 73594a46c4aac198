/** For every write that an app may send, a request that a forge accepts, on things made for it alone. Knows no forge. */
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';

// biome-ignore lint/suspicious/noExplicitAny: answers of many routes, of which each case reads its own field.
type Loose = any;
export type Parameters = Readonly<Record<string, unknown>>;
export const shop = { owner: 'acme', name: 'shop' };

export interface Writer {
  fake: ForgeFake;
  /** Not journaled. Answers the data. */
  rest(route: string, parameters?: Parameters): Promise<Loose>;
  /** A number that was not there before. */
  next(): number;
}

const REPO = '/repos/{owner}/{repo}';
const base64 = (text: string) => Buffer.from(text).toString('base64');

const alice = (w: Writer) => w.fake.as('alice', shop);
const issue = (w: Writer) => alice(w).openIssue({ title: `Issue ${w.next()}` });
const branch = async (w: Writer) => {
  const name = `branch-${w.next()}`;
  const sha = await alice(w).push({ branch: name, files: { [`${name}.txt`]: 'one\ntwo\n' }, message: name });
  return { name, sha };
};
const pull = async (w: Writer) => {
  const { name, sha } = await branch(w);
  const number = await alice(w).openPullRequest({ head: name, title: name });
  return { number, name, sha, path: `${name}.txt` };
};
const label = async (w: Writer) => {
  const name = `label-${w.next()}`;
  await w.rest(`POST ${REPO}/labels`, { name, color: '00ff00' });
  return name;
};
const comment = async (w: Writer) => {
  const issue_number = await issue(w);
  const { id } = await w.rest(`POST ${REPO}/issues/{issue_number}/comments`, { issue_number, body: 'Hello' });
  return { issue_number, comment_id: id };
};
const milestone = async (w: Writer) =>
  (await w.rest(`POST ${REPO}/milestones`, { title: `m ${w.next()}` })).number as number;
const lineComment = (at: { path: string; sha: string }, body: string) => ({
  body,
  path: at.path,
  line: 1,
  side: 'RIGHT',
  commit_id: at.sha,
});
const reviewComment = async (w: Writer) => {
  const at = await pull(w);
  const { id } = await w.rest(`POST ${REPO}/pulls/{pull_number}/comments`, {
    pull_number: at.number,
    ...lineComment(at, 'Why?'),
  });
  return { pull_number: at.number, comment_id: id };
};
const review = async (w: Writer, event?: string) => {
  const { number } = await pull(w);
  const { id } = await w.rest(`POST ${REPO}/pulls/{pull_number}/reviews`, {
    pull_number: number,
    body: 'Look',
    ...(event && { event }),
  });
  return { pull_number: number, review_id: id };
};
const release = async (w: Writer) => {
  const tag_name = `v${w.next()}`;
  return (await w.rest(`POST ${REPO}/releases`, { tag_name, name: tag_name, body: 'New' })).id as number;
};
const asset = async (w: Writer) => {
  const file = { name: `file-${w.next()}.txt`, data: 'text', headers: { 'content-type': 'text/plain' } };
  const route = `POST ${REPO}/releases/{release_id}/assets{?name}`;
  return (await w.rest(route, { release_id: await release(w), ...file })).id as number;
};
const team = async (w: Writer) =>
  (await w.rest('POST /orgs/{org}/teams', { org: 'acme', name: `team-${w.next()}` })).slug as string;
const inTeam = async (w: Writer, more: Parameters = {}) => ({ org: 'acme', team_slug: await team(w), ...more });
const onIssue = async (w: Writer, more: Parameters) => ({ issue_number: await issue(w), ...more });
const labelled = async (w: Writer) => {
  const at = { issue_number: await issue(w), name: await label(w) };
  await w.rest(`POST ${REPO}/issues/{issue_number}/labels`, { issue_number: at.issue_number, labels: [at.name] });
  return at;
};
const reacted = async (w: Writer, route: string, at: Parameters) => {
  const { id } = await w.rest(`POST ${route}`, { ...at, content: '+1' });
  return { ...at, reaction_id: id };
};
const file = async (w: Writer) => {
  const path = `file-${w.next()}.txt`;
  const made = await w.rest(`PUT ${REPO}/contents/{path}`, { path, message: `add ${path}`, content: base64('one') });
  return { path, sha: made.content.sha as string };
};
const checkRun = async (w: Writer) => {
  const { sha } = await branch(w);
  return (await w.rest(`POST ${REPO}/check-runs`, { name: 'lint', head_sha: sha, status: 'in_progress' })).id as number;
};
const toDeploy = (w: Writer) => ({ ref: 'main', environment: `env-${w.next()}`, required_contexts: [] });
const person = { username: 'bob' };
const protectedBranch = {
  required_status_checks: null,
  enforce_admins: null,
  required_pull_request_reviews: null,
  restrictions: null,
};

const guardedBranch = {
  required_status_checks: { strict: false, contexts: ['build', 'lint'] },
  enforce_admins: null,
  required_pull_request_reviews: { required_approving_review_count: 1 },
  restrictions: { users: ['alice'], teams: [], apps: [] },
};

/** What is written of one, by its address below the protection. */
const partsOfProtection: Readonly<Record<string, Parameters>> = {
  'PATCH required_status_checks': { strict: true },
  'DELETE required_status_checks': {},
  'POST required_status_checks/contexts': { contexts: ['test'] },
  'PUT required_status_checks/contexts': { contexts: ['test'] },
  'DELETE required_status_checks/contexts': { contexts: ['lint'] },
  'PATCH required_pull_request_reviews': { required_approving_review_count: 2 },
  'DELETE required_pull_request_reviews': {},
  'DELETE restrictions': {},
  'POST restrictions/users': { users: ['alice'] },
  'PUT restrictions/users': { users: ['alice'] },
  'DELETE restrictions/users': { users: ['alice'] },
};

/** A pull request that cannot be merged yet. */
const waiting = async (w: Writer) => {
  const { number, sha } = await pull(w);
  await w.rest(`POST ${REPO}/statuses/{sha}`, { sha, state: 'pending', context: 'ci' });
  return { pull_number: number, merge_method: 'merge' };
};

/** By route string. */
export const writes: Readonly<Record<string, (w: Writer) => Promise<Parameters>>> = {
  'DELETE /orgs/{org}/teams/{team_slug}': (w) => inTeam(w),
  'DELETE /orgs/{org}/teams/{team_slug}/memberships/{username}': (w) => inTeam(w, { username: 'bob' }),
  'PUT /orgs/{org}/teams/{team_slug}/memberships/{username}': (w) => inTeam(w, { username: 'bob' }),
  'PUT /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}': (w) => inTeam(w),
  'DELETE /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}': async (w) => {
    const at = await inTeam(w);
    await w.rest('PUT /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}', at);
    return at;
  },
  [`DELETE ${REPO}`]: async (w) => {
    const repo = `gone-${w.next()}`;
    await w.fake.addRepository({ owner: 'acme', name: repo });
    return { repo };
  },
  [`DELETE ${REPO}/branches/{branch}/protection`]: async (w) => {
    const { name } = await branch(w);
    await w.rest(`PUT ${REPO}/branches/{branch}/protection`, { branch: name, ...protectedBranch });
    return { branch: name };
  },
  [`PUT ${REPO}/branches/{branch}/protection`]: async (w) => ({ branch: (await branch(w)).name, ...protectedBranch }),
  ...Object.fromEntries(
    Object.entries(partsOfProtection).map(([route, part]) => [
      route.replace(' ', ` ${REPO}/branches/{branch}/protection/`),
      async (w: Writer) => {
        const { name } = await branch(w);
        await w.rest(`PUT ${REPO}/branches/{branch}/protection`, { branch: name, ...guardedBranch });
        return { branch: name, ...part };
      },
    ]),
  ),
  [`DELETE ${REPO}/collaborators/{username}`]: async (w) => {
    await w.rest(`PUT ${REPO}/collaborators/{username}`, { ...person, permission: 'push' });
    return person;
  },
  [`PUT ${REPO}/collaborators/{username}`]: async () => ({ ...person, permission: 'push' }),
  [`DELETE ${REPO}/contents/{path}`]: async (w) => {
    const at = await file(w);
    return { ...at, message: `remove ${at.path}` };
  },
  [`PUT ${REPO}/contents/{path}`]: async (w) => {
    const path = `file-${w.next()}.txt`;
    return { path, message: `add ${path}`, content: base64('one') };
  },
  [`DELETE ${REPO}/git/refs/{ref}`]: async (w) => ({ ref: `heads/${(await branch(w)).name}` }),
  [`POST ${REPO}/git/refs`]: async (w) => ({ ref: `refs/heads/ref-${w.next()}`, sha: (await branch(w)).sha }),
  [`PATCH ${REPO}/git/refs/{ref}`]: async (w) => {
    const { name } = await branch(w);
    const other = `ahead-${w.next()}`;
    const sha = await alice(w).push({ branch: other, from: name, files: { 'ahead.txt': other }, message: other });
    return { ref: `heads/${name}`, sha };
  },
  [`POST ${REPO}/git/blobs`]: async (w) => ({ content: `blob ${w.next()}`, encoding: 'utf-8' }),
  [`POST ${REPO}/git/trees`]: async (w) => ({
    tree: [{ path: 'a.txt', mode: '100644', type: 'blob', content: `tree ${w.next()}` }],
  }),
  [`POST ${REPO}/git/commits`]: async (w) => {
    const { sha } = await branch(w);
    const commit = await w.rest(`GET ${REPO}/git/commits/{commit_sha}`, { commit_sha: sha });
    return { message: `commit ${w.next()}`, tree: commit.tree.sha, parents: [sha] };
  },
  [`DELETE ${REPO}/issues/comments/{comment_id}`]: async (w) => ({ comment_id: (await comment(w)).comment_id }),
  [`PATCH ${REPO}/issues/comments/{comment_id}`]: async (w) => ({
    comment_id: (await comment(w)).comment_id,
    body: 'B',
  }),
  [`POST ${REPO}/issues/comments/{comment_id}/reactions`]: async (w) => ({
    comment_id: (await comment(w)).comment_id,
    content: 'heart',
  }),
  [`DELETE ${REPO}/issues/comments/{comment_id}/reactions/{reaction_id}`]: async (w) =>
    reacted(w, `${REPO}/issues/comments/{comment_id}/reactions`, { comment_id: (await comment(w)).comment_id }),
  [`POST ${REPO}/issues/{issue_number}/reactions`]: (w) => onIssue(w, { content: 'heart' }),
  [`DELETE ${REPO}/issues/{issue_number}/reactions/{reaction_id}`]: async (w) =>
    reacted(w, `${REPO}/issues/{issue_number}/reactions`, { issue_number: await issue(w) }),
  [`POST ${REPO}/issues/{issue_number}/assignees`]: (w) => onIssue(w, { assignees: ['alice'] }),
  [`DELETE ${REPO}/issues/{issue_number}/assignees`]: async (w) => {
    const at = await onIssue(w, { assignees: ['alice'] });
    await w.rest(`POST ${REPO}/issues/{issue_number}/assignees`, at);
    return at;
  },
  [`POST ${REPO}/issues/{issue_number}/labels`]: async (w) => onIssue(w, { labels: [await label(w)] }),
  [`PUT ${REPO}/issues/{issue_number}/labels`]: async (w) => onIssue(w, { labels: [await label(w)] }),
  [`DELETE ${REPO}/issues/{issue_number}/labels`]: async (w) => ({ issue_number: (await labelled(w)).issue_number }),
  [`DELETE ${REPO}/issues/{issue_number}/labels/{name}`]: (w) => labelled(w),
  [`PUT ${REPO}/issues/{issue_number}/lock`]: (w) => onIssue(w, {}),
  [`DELETE ${REPO}/issues/{issue_number}/lock`]: async (w) => {
    const at = await onIssue(w, {});
    await w.rest(`PUT ${REPO}/issues/{issue_number}/lock`, at);
    return at;
  },
  [`DELETE ${REPO}/labels/{name}`]: async (w) => ({ name: await label(w) }),
  [`PATCH ${REPO}/labels/{name}`]: async (w) => ({ name: await label(w), color: 'ff0000' }),
  [`POST ${REPO}/labels`]: async (w) => ({ name: `label-${w.next()}`, color: '00ff00' }),
  [`DELETE ${REPO}/milestones/{milestone_number}`]: async (w) => ({ milestone_number: await milestone(w) }),
  [`PATCH ${REPO}/milestones/{milestone_number}`]: async (w) => ({
    milestone_number: await milestone(w),
    description: 'soon',
  }),
  [`POST ${REPO}/milestones`]: async (w) => ({ title: `m ${w.next()}` }),
  [`DELETE ${REPO}/pulls/comments/{comment_id}`]: async (w) => ({ comment_id: (await reviewComment(w)).comment_id }),
  [`PATCH ${REPO}/pulls/comments/{comment_id}`]: async (w) => ({
    comment_id: (await reviewComment(w)).comment_id,
    body: 'Because',
  }),
  [`POST ${REPO}/pulls/comments/{comment_id}/reactions`]: async (w) => ({
    comment_id: (await reviewComment(w)).comment_id,
    content: 'heart',
  }),
  [`DELETE ${REPO}/pulls/comments/{comment_id}/reactions/{reaction_id}`]: async (w) =>
    reacted(w, `${REPO}/pulls/comments/{comment_id}/reactions`, { comment_id: (await reviewComment(w)).comment_id }),
  [`POST ${REPO}/pulls/{pull_number}/requested_reviewers`]: async (w) => ({
    pull_number: (await pull(w)).number,
    reviewers: ['bob'],
  }),
  [`DELETE ${REPO}/pulls/{pull_number}/requested_reviewers`]: async (w) => {
    const at = { pull_number: (await pull(w)).number, reviewers: ['bob'] };
    await w.rest(`POST ${REPO}/pulls/{pull_number}/requested_reviewers`, at);
    return at;
  },
  [`POST ${REPO}/pulls/{pull_number}/comments`]: async (w) => {
    const at = await pull(w);
    return { pull_number: at.number, ...lineComment(at, `Line ${w.next()}`) };
  },
  [`POST ${REPO}/pulls/{pull_number}/comments/{comment_id}/replies`]: async (w) => ({
    ...(await reviewComment(w)),
    body: `Reply ${w.next()}`,
  }),
  [`POST ${REPO}/pulls/{pull_number}/reviews`]: async (w) => ({
    pull_number: (await pull(w)).number,
    body: `Review ${w.next()}`,
    event: 'COMMENT',
  }),
  [`POST ${REPO}/pulls/{pull_number}/reviews/{review_id}/events`]: async (w) => ({
    ...(await review(w)),
    body: 'Done',
    event: 'COMMENT',
  }),
  [`DELETE ${REPO}/pulls/{pull_number}/reviews/{review_id}`]: (w) => review(w),
  [`PUT ${REPO}/pulls/{pull_number}/reviews/{review_id}/dismissals`]: async (w) => ({
    ...(await review(w, 'APPROVE')),
    message: 'Stale',
  }),
  [`PUT ${REPO}/pulls/{pull_number}/merge`]: async (w) => ({ pull_number: (await pull(w)).number }),
  [`PUT ${REPO}/pulls/{pull_number}/update-branch`]: async (w) => {
    const { number } = await pull(w);
    await alice(w).push({ branch: 'main', files: { [`m-${w.next()}.txt`]: 'x' }, message: 'ahead' });
    return { pull_number: number };
  },
  [`PUT ${REPO}/pulls/{pull_number}/draft`]: async (w) => ({ pull_number: (await pull(w)).number, draft: true }),
  [`PUT ${REPO}/pulls/{pull_number}/threads/{comment_id}/resolution`]: async (w) => ({
    ...(await reviewComment(w)),
    resolved: true,
  }),
  [`PUT ${REPO}/pulls/{pull_number}/auto-merge`]: (w) => waiting(w),
  [`DELETE ${REPO}/pulls/{pull_number}/auto-merge`]: async (w) => {
    const at = await waiting(w);
    const { merged } = await w.rest(`PUT ${REPO}/pulls/{pull_number}/auto-merge`, at);
    // Where no check is asked for nothing waits.
    if (merged === true) throw Object.assign(new Error('it was merged at once'), { status: 501 });
    return { pull_number: at.pull_number };
  },
  [`POST ${REPO}/pulls`]: async (w) => ({ head: (await branch(w)).name, base: 'main', title: 'Opened by the app' }),
  [`PATCH ${REPO}/pulls/{pull_number}`]: async (w) => ({ pull_number: (await pull(w)).number, title: 'Other' }),
  [`POST ${REPO}/merges`]: async (w) => ({ base: (await branch(w)).name, head: (await branch(w)).name }),
  [`DELETE ${REPO}/releases/{release_id}`]: async (w) => ({ release_id: await release(w) }),
  [`PATCH ${REPO}/releases/{release_id}`]: async (w) => ({ release_id: await release(w), body: 'Newer' }),
  [`POST ${REPO}/releases`]: async (w) => ({ tag_name: `v${w.next()}`, name: 'New', body: 'Notes' }),
  [`PATCH ${REPO}/releases/assets/{asset_id}`]: async (w) => ({ asset_id: await asset(w), name: `n-${w.next()}.txt` }),
  [`DELETE ${REPO}/releases/assets/{asset_id}`]: async (w) => ({ asset_id: await asset(w) }),
  [`POST ${REPO}/git/tags`]: async (w) => ({
    ...{ tag: `t${w.next()}`, message: 'A tag', type: 'commit' },
    object: (await branch(w)).sha,
  }),
  [`PATCH ${REPO}`]: async (w) => ({ description: `d ${w.next()}` }),
  [`PUT ${REPO}/topics`]: async (w) => ({ names: [`topic-${w.next()}`] }),
  [`PATCH ${REPO}/check-runs/{check_run_id}`]: async (w) => ({
    check_run_id: await checkRun(w),
    status: 'completed',
    conclusion: 'success',
  }),
  [`POST ${REPO}/check-runs`]: async (w) => ({
    name: 'lint',
    head_sha: (await branch(w)).sha,
    status: 'completed',
    conclusion: 'success',
    completed_at: new Date().toISOString(),
  }),
  [`POST ${REPO}/deployments`]: async (w) => ({ ...toDeploy(w), payload: { build: 7 } }),
  [`DELETE ${REPO}/deployments/{deployment_id}`]: async (w) => {
    const { id } = await w.rest(`POST ${REPO}/deployments`, toDeploy(w));
    await w.rest(`POST ${REPO}/deployments/{deployment_id}/statuses`, { deployment_id: id, state: 'failure' });
    return { deployment_id: id };
  },
  [`POST ${REPO}/deployments/{deployment_id}/statuses`]: async (w) => ({
    deployment_id: (await w.rest(`POST ${REPO}/deployments`, toDeploy(w))).id,
    ...{ state: 'success', description: 'Up', log_url: 'https://ci.example.org/7' },
  }),
  [`POST ${REPO}/commits/{commit_sha}/comments`]: async (w) => ({
    commit_sha: (await branch(w)).sha,
    body: `Why ${w.next()}?`,
  }),
  [`POST ${REPO}/check-suites`]: async (w) => ({ head_sha: (await branch(w)).sha }),
  [`POST ${REPO}/statuses/{sha}`]: async (w) => ({
    sha: (await branch(w)).sha,
    state: 'success',
    context: `ci ${w.next()}`,
    description: 'fine',
  }),
  [`PATCH ${REPO}/issues/{issue_number}`]: (w) => onIssue(w, { state: 'closed' }),
  [`POST ${REPO}/issues`]: async (w) => ({ title: `By the app ${w.next()}`, body: 'Text' }),
  [`POST ${REPO}/issues/{issue_number}/comments`]: (w) => onIssue(w, { body: 'Thanks!' }),
  'POST /markdown': async () => ({ text: 'Hello' }),
  'POST /markdown/raw': async () => ({ data: 'Hello', headers: { 'content-type': 'text/plain' } }),
  [`POST ${REPO}/releases/generate-notes`]: async (w) => ({ tag_name: `v${w.next()}` }),
  'POST /orgs/{org}/repos': async (w) => ({ org: 'acme', name: `repo-${w.next()}` }),
  'POST /user/repos': async (w) => ({ name: `mine-${w.next()}` }),
  'POST /orgs/{org}/teams': async (w) => ({ org: 'acme', name: `team-${w.next()}` }),
  [`POST ${REPO}/forks`]: async (w) => ({ name: `fork-${w.next()}` }),
};
