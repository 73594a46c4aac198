/** Effects of rows about commits, files, refs, releases, repositories and people. */

import { base64, branch, type Effect, gone, NO_RULE, names, R, type Stage } from './effect.js';
import { effectsOfProtection } from './effects-of-protection.js';

const release = async (stage: Stage) => {
  const { data } = await stage.ask(`POST ${R}/releases`, { tag_name: stage.word(), name: 'One' });
  return { release_id: data.id };
};
const asset = async (stage: Stage) => {
  const { data } = await stage.ask(`POST ${R}/releases/{release_id}/assets`, {
    ...(await release(stage)),
    name: `${stage.word()}.txt`,
    data: 'packed',
  });
  return { asset_id: data.id };
};
const file = async (stage: Stage) => {
  const path = `${stage.word()}.txt`;
  const { data } = await stage.ask(`PUT ${R}/contents/{path}`, { path, message: 'Make', content: base64('one\n') });
  return { path, sha: data.content.sha };
};
const check = async (stage: Stage) => {
  const { data } = await stage.ask(`POST ${R}/check-runs`, { name: stage.word(), head_sha: await stage.head('main') });
  return { check_run_id: data.id };
};
const deployment = async (stage: Stage) => {
  const { data } = await stage.ask(`POST ${R}/deployments`, {
    ...{ ref: 'main', environment: stage.word(), required_contexts: [] },
  });
  return { deployment_id: data.id };
};
const team = async (stage: Stage) => {
  const { data } = await stage.ask('POST /orgs/{org}/teams', { name: stage.word() });
  return { team_slug: data.slug };
};

/** Whether the team is among those of the repository. */
const reaches = (wanted: boolean): Pick<Effect, 'by' | 'seen' | 'want'> => ({
  by: `GET ${R}/teams`,
  seen: ({ data }, { team_slug }) => names(data, 'slug').includes(String(team_slug)),
  want: () => wanted,
});

export const effectsOfRepositories: Readonly<Record<string, Effect>> = {
  // Commits, files and refs.
  [`POST ${R}/statuses/{sha}`]: {
    given: async (stage) => ({ sha: (await stage.anyPull()).sha, state: 'failure', context: stage.word() }),
    by: `GET ${R}/commits/{ref}/status`,
    at: (_made, { sha }) => ({ ref: sha }),
    seen: ({ data }, { context }) => [data.state, names(data.statuses, 'context').includes(String(context))],
    want: () => ['failure', true],
  },
  [`POST ${R}/check-runs`]: {
    given: async (stage) => ({ name: stage.word(), head_sha: await stage.head('main'), conclusion: 'neutral' }),
    by: `GET ${R}/commits/{ref}/check-runs`,
    at: (_made, { head_sha, name }) => ({ ref: head_sha, check_name: name }),
    seen: ({ data }) => names(data.check_runs, 'conclusion'),
    want: () => ['neutral'],
  },
  [`PATCH ${R}/check-runs/{check_run_id}`]: {
    given: async (stage) => ({ ...(await check(stage)), conclusion: 'timed_out' }),
    by: `GET ${R}/check-runs/{check_run_id}`,
    seen: ({ data }) => [data.status, data.conclusion],
    want: () => ['completed', 'timed_out'],
  },
  [`POST ${R}/deployments`]: {
    given: (stage) => ({ ref: 'main', environment: stage.word(), payload: { build: 7 }, required_contexts: [] }),
    by: `GET ${R}/deployments/{deployment_id}`,
    at: ({ id }) => ({ deployment_id: id }),
    seen: ({ data }) => [data.environment, data.payload],
    want: ({ environment, payload }) => [environment, payload],
  },
  [`POST ${R}/deployments/{deployment_id}/statuses`]: {
    given: async (stage) => ({ ...(await deployment(stage)), state: 'failure', description: 'Out of memory' }),
    by: `GET ${R}/deployments/{deployment_id}/statuses`,
    seen: ({ data }) => [data[0]?.state, data[0]?.description],
    want: ({ state, description }) => [state, description],
  },
  [`DELETE ${R}/deployments/{deployment_id}`]: {
    given: async (stage) => {
      const which = await deployment(stage);
      await stage.ask(`POST ${R}/deployments/{deployment_id}/statuses`, { ...which, state: 'failure' });
      return which;
    },
    by: `GET ${R}/deployments/{deployment_id}`,
    ...gone,
  },
  [`POST ${R}/check-suites`]: {
    given: async (stage) => ({ head_sha: await stage.head('main') }),
    by: `GET ${R}/check-suites/{check_suite_id}`,
    at: ({ id }) => ({ check_suite_id: id }),
    seen: ({ data }) => data.head_sha,
    want: ({ head_sha }) => head_sha,
  },
  [`PUT ${R}/contents/{path}`]: {
    given: (stage) => ({ path: `${stage.word()}.txt`, message: 'Make', content: base64('made\n') }),
    by: `GET ${R}/contents/{path}`,
    seen: ({ data }) => data.content?.trim(),
    want: ({ content }) => content,
  },
  [`DELETE ${R}/contents/{path}`]: {
    given: async (stage) => ({ ...(await file(stage)), message: 'Remove' }),
    by: `GET ${R}/contents/{path}`,
    ...gone,
  },
  [`POST ${R}/git/refs`]: {
    given: async (stage) => ({ ref: `refs/heads/${stage.word()}`, sha: await stage.head('main') }),
    by: `GET ${R}/git/ref/{ref}`,
    at: (_made, { ref }) => ({ ref: String(ref).replace(/^refs\//, '') }),
    seen: ({ data }) => data.object?.sha,
    want: ({ sha }) => sha,
  },
  [`PATCH ${R}/git/refs/{ref}`]: {
    given: async (stage) => {
      const { ref } = await branch(stage);
      const word = stage.word();
      return { ref, sha: await stage.push('main', { [`${word}.txt`]: 'further\n' }) };
    },
    by: `GET ${R}/git/ref/{ref}`,
    seen: ({ data }) => data.object.sha,
    want: ({ sha }) => sha,
  },
  [`DELETE ${R}/git/refs/{ref}`]: { given: branch, by: `GET ${R}/git/ref/{ref}`, ...gone },
  [`POST ${R}/git/blobs`]: {
    given: () => ({ content: 'written by hand\n' }),
    by: `GET ${R}/git/blobs/{file_sha}`,
    at: ({ sha }) => ({ file_sha: sha }),
    seen: ({ data }) => Buffer.from(data.content, 'base64').toString(),
    want: ({ content }) => content,
  },
  [`POST ${R}/git/trees`]: {
    given: (stage) => ({ tree: [{ path: stage.word(), mode: '100644', type: 'blob', content: 'x' }] }),
    by: `GET ${R}/git/trees/{tree_sha}`,
    at: ({ sha }) => ({ tree_sha: sha }),
    seen: ({ data }) => names(data.tree, 'path'),
    want: ({ tree }) => names(tree, 'path'),
  },
  [`POST ${R}/git/commits`]: {
    given: async (stage) => {
      const { data } = await stage.ask(`POST ${R}/git/trees`, {
        tree: [{ path: 'x', mode: '100644', type: 'blob', content: 'x' }],
      });
      return { message: 'By hand', tree: data.sha, parents: [await stage.head('main')] };
    },
    by: `GET ${R}/git/commits/{commit_sha}`,
    at: ({ sha }) => ({ commit_sha: sha }),
    seen: ({ data }) => [data.message.trim(), data.tree.sha],
    want: ({ message, tree }) => [message, tree],
  },
  [`POST ${R}/git/tags`]: {
    given: async (stage) => ({
      tag: stage.word(),
      message: 'By hand',
      object: await stage.head('main'),
      type: 'commit',
      tagger: { name: 'Ann', email: 'ann@example.org', date: '2026-01-02T03:04:05Z' },
    }),
    by: `GET ${R}/git/tags/{tag_sha}`,
    at: ({ sha }) => ({ tag_sha: sha }),
    seen: ({ data }) => [data.tag, data.message.trim(), data.object.sha, data.tagger],
    want: ({ tag, message, object, tagger }) => [tag, message, object, tagger],
  },
  [`POST ${R}/merges`]: {
    given: async (stage) => {
      const head = stage.word();
      await stage.push(head, { [`${head}.txt`]: 'x\n' });
      return { base: 'main', head, path: `${head}.txt` };
    },
    by: `GET ${R}/contents/{path}`,
    seen: ({ status }) => status,
    want: () => 200,
  },
  [`PUT ${R}/branches/{branch}/protection`]: {
    given: async (stage) => ({
      branch: (await branch(stage)).ref.slice('heads/'.length),
      ...NO_RULE,
    }),
    by: `GET ${R}/branches/{branch}`,
    seen: ({ data }) => data.protected,
    want: () => true,
  },
  [`DELETE ${R}/branches/{branch}/protection`]: {
    given: async (stage) => {
      const which = { branch: (await branch(stage)).ref.slice('heads/'.length) };
      await stage.ask(`PUT ${R}/branches/{branch}/protection`, { ...which, ...NO_RULE });
      return which;
    },
    by: `GET ${R}/branches/{branch}`,
    seen: ({ data }) => data.protected,
    want: () => false,
  },
  ...effectsOfProtection,
  [`POST ${R}/releases`]: {
    given: (stage) => ({ tag_name: stage.word(), name: 'One' }),
    by: `GET ${R}/releases/tags/{tag}`,
    at: (_made, { tag_name }) => ({ tag: tag_name }),
    seen: ({ data }) => data.name,
    want: () => 'One',
  },
  [`PATCH ${R}/releases/{release_id}`]: {
    given: async (stage) => ({ ...(await release(stage)), name: 'Two' }),
    by: `GET ${R}/releases/{release_id}`,
    seen: ({ data }) => data.name,
    want: () => 'Two',
  },
  [`DELETE ${R}/releases/{release_id}`]: { given: release, by: `GET ${R}/releases/{release_id}`, ...gone },
  [`POST ${R}/releases/{release_id}/assets`]: {
    given: async (stage) => ({ ...(await release(stage)), name: 'a.txt', data: 'packed' }),
    by: `GET ${R}/releases/{release_id}/assets`,
    seen: ({ data }) => names(data),
    want: () => ['a.txt'],
  },
  [`PATCH ${R}/releases/assets/{asset_id}`]: {
    given: async (stage) => ({ ...(await asset(stage)), name: `${stage.word()}.txt` }),
    by: `GET ${R}/releases/assets/{asset_id}`,
    seen: ({ data }) => data.name,
    want: ({ name }) => name,
  },
  [`DELETE ${R}/releases/assets/{asset_id}`]: { given: asset, by: `GET ${R}/releases/assets/{asset_id}`, ...gone },

  // Repositories, people and teams.
  [`PATCH ${R}`]: {
    given: (stage) => ({ description: stage.word() }),
    by: `GET ${R}`,
    seen: ({ data }) => data.description,
    want: ({ description }) => description,
  },
  [`PUT ${R}/topics`]: {
    given: (stage) => ({ names: [stage.word()] }),
    by: `GET ${R}/topics`,
    seen: ({ data }) => data.names,
    want: ({ names: topics }) => topics,
  },
  [`PUT ${R}/collaborators/{username}`]: {
    given: () => ({ username: 'dave', permission: 'push' }),
    by: `GET ${R}/collaborators/{username}`,
    seen: ({ status }) => status,
    want: () => 204,
  },
  [`DELETE ${R}/collaborators/{username}`]: {
    given: async (stage) => {
      await stage.ask(`PUT ${R}/collaborators/{username}`, { username: 'dave' });
      return { username: 'dave' };
    },
    by: `GET ${R}/collaborators/{username}`,
    ...gone,
  },
  [`POST ${R}/forks`]: {
    given: (stage) => ({ name: stage.word() }),
    by: `GET ${R}`,
    at: ({ owner, name }) => ({ owner: owner.login, repo: name }),
    seen: ({ data }) => data.fork,
    want: () => true,
  },
  'POST /user/repos': {
    given: (stage) => ({ name: stage.word() }),
    by: `GET ${R}`,
    at: ({ owner, name }) => ({ owner: owner.login, repo: name }),
    seen: ({ data }) => data.name,
    want: ({ name }) => name,
  },
  'POST /orgs/{org}/repos': {
    given: (stage) => ({ name: stage.word() }),
    by: `GET ${R}`,
    at: ({ name }) => ({ repo: name }),
    seen: ({ data }) => data.name,
    want: ({ name }) => name,
  },
  [`DELETE ${R}`]: {
    given: async (stage) => {
      const repo = stage.word();
      await stage.ask('POST /orgs/{org}/repos', { name: repo });
      return { repo };
    },
    by: `GET ${R}`,
    ...gone,
  },
  'POST /orgs/{org}/teams': {
    given: (stage) => ({ name: stage.word() }),
    by: 'GET /orgs/{org}/teams/{team_slug}',
    at: ({ slug }) => ({ team_slug: slug }),
    seen: ({ data }) => data.name,
    want: ({ name }) => name,
  },
  [`PUT /orgs/{org}/teams/{team_slug}${R}`]: {
    given: async (stage) => ({ team_slug: await stage.team() }),
    ...reaches(true),
  },
  [`DELETE /orgs/{org}/teams/{team_slug}${R}`]: {
    given: async (stage) => {
      const which = { team_slug: await stage.team() };
      await stage.ask(`PUT /orgs/{org}/teams/{team_slug}${R}`, which);
      return which;
    },
    ...reaches(false),
  },
  [`POST ${R}/actions/runs/{run_id}/cancel`]: {
    given: async (stage) => ({ run_id: await stage.run('running') }),
    by: `GET ${R}/actions/runs/{run_id}`,
    seen: ({ data }) => [data.status, data.conclusion],
    want: () => ['completed', 'cancelled'],
  },
  ...Object.fromEntries(
    ['rerun', 'rerun-failed-jobs'].map((verb): [string, Effect] => [
      `POST ${R}/actions/runs/{run_id}/${verb}`,
      {
        given: async (stage) => ({ run_id: await stage.run('failed') }),
        by: `GET ${R}/actions/runs/{run_id}`,
        // It waits for its turn, or has begun.
        seen: ({ data }) => [data.status === 'completed', data.conclusion],
        want: () => [false, null],
      },
    ]),
  ),
  [`POST ${R}/actions/jobs/{job_id}/rerun`]: {
    given: async (stage) => {
      const { data } = await stage.ask(`GET ${R}/actions/runs/{run_id}/jobs`, { run_id: await stage.run('failed') });
      return { job_id: data.jobs[0].id };
    },
    by: `GET ${R}/actions/jobs/{job_id}`,
    seen: ({ data }) => [data.status === 'completed', data.conclusion],
    want: () => [false, null],
  },
  [`POST ${R}/hooks/{hook_id}/pings`]: {
    given: async (stage) => ({ hook_id: await stage.hook() }),
    by: `GET ${R}/hooks/{hook_id}`,
    // What a webhook was sent is seen where it was sent to.
    seen: ({ status }, _params, stage) => [status, stage.arrived()],
    want: () => [200, 1],
  },
  [`POST ${R}/commits/{commit_sha}/comments`]: {
    given: async (stage) => ({ commit_sha: await stage.head('main'), body: `Why ${stage.word()}?` }),
    by: `GET ${R}/commits/{commit_sha}/comments`,
    seen: ({ data }, { body }) => names(data, 'body').includes(String(body)),
    want: () => true,
  },
  [`POST ${R}/actions/workflows/{workflow_id}/dispatches`]: {
    given: async (stage) => {
      await stage.push('main', {
        '.gitlab-ci.yml': 'test:\n  script: [ls]\n',
        '.github/workflows/ci.yml': 'jobs: {}\n',
      });
      const { data } = await stage.ask(`GET ${R}/actions/workflows`);
      return { workflow_id: data.workflows[0].id, ref: 'main', inputs: { level: 'high' } };
    },
    by: `GET ${R}/actions/runs`,
    seen: ({ data }) => names(data.workflow_runs, 'event').filter((event) => event === 'workflow_dispatch').length,
    want: () => 1,
  },
  [`POST ${R}/dispatches`]: {
    given: (stage) => ({ event_type: stage.word(), client_payload: { build: 7 } }),
    by: `GET ${R}`,
    // An event is seen by those who listen.
    seen: ({ status }, { event_type: type }, stage) => [
      status,
      stage.told().flatMap(({ name, payload }) => (payload.action === type ? [[name, payload.client_payload]] : [])),
    ],
    want: () => [200, [['repository_dispatch', { build: 7 }]]],
  },
  'DELETE /orgs/{org}/teams/{team_slug}': { given: team, by: 'GET /orgs/{org}/teams/{team_slug}', ...gone },
  'PUT /orgs/{org}/teams/{team_slug}/memberships/{username}': {
    given: async (stage) => ({ ...(await team(stage)), username: 'dave' }),
    by: 'GET /orgs/{org}/teams/{team_slug}/members',
    seen: ({ data }) => names(data, 'login'),
    want: () => ['dave'],
  },
  'DELETE /orgs/{org}/teams/{team_slug}/memberships/{username}': {
    given: async (stage) => {
      const which = { ...(await team(stage)), username: 'dave' };
      await stage.ask('PUT /orgs/{org}/teams/{team_slug}/memberships/{username}', which);
      return which;
    },
    by: 'GET /orgs/{org}/teams/{team_slug}/members',
    seen: ({ data }) => names(data, 'login'),
    want: () => [],
  },
};
