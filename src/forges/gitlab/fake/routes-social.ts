/** Who follows and likes what, deploy keys and deployments. */

import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { actorOf, DEVELOPER, MAINTAINER, paged, pagingOnly, projectFor, refuse } from './declare.js';
import { project as shownProject, user as shownUser } from './present.js';
import { type GitLabState, projectById, type User, userById, type World } from './state.js';

const deploymentState = z.enum(['running', 'success', 'failed', 'canceled']);
const newDeployment = z.strictObject({
  environment: z.string().min(1),
  sha: z.string().length(40),
  ref: z.string().min(1),
  tag: z.boolean(),
  status: deploymentState,
});
const changedDeployment = z.strictObject({ status: deploymentState });

export function socialRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const userFor = (request: FakeRequest): User =>
    state.users.find(({ id }) => id === Number(request.params.user)) ?? refuse(404, '404 User Not Found');
  const list = (path: string, source: string, items: (request: FakeRequest) => readonly unknown[]): FakeRoute => ({
    method: 'GET',
    path,
    source,
    query: pagingOnly,
    run: (request) => paged(request, items(request)),
  });
  const people = (ids: readonly number[]) => ids.map((id) => shownUser(world, userById(world, id)));
  const keysFor = (request: FakeRequest) => {
    const { id } = projectFor(world, request, MAINTAINER);
    return state.deployKeys.filter(({ projectId }) => projectId === id);
  };
  const shownKey = (of: GitLabState['deployKeys'][number]) => ({
    id: of.id,
    title: of.title,
    key: of.key,
    fingerprint: `SHA256:${of.id}`,
    created_at: of.createdAt,
    expires_at: null,
    can_push: of.canPush,
  });
  const deploymentsFor = (request: FakeRequest) => {
    const { id } = projectFor(world, request);
    return state.deployments.filter(({ projectId }) => projectId === id).toSorted((a, b) => b.id - a.id);
  };
  const shownDeployment = (of: GitLabState['deployments'][number]) => ({
    id: of.id,
    iid: of.id,
    ref: of.ref,
    sha: of.sha,
    status: of.status,
    created_at: of.createdAt,
    updated_at: of.createdAt,
    user: shownUser(world, userById(world, of.userId)),
    environment: {
      id: 1,
      name: of.environment,
      external_url: 'https://shop.example.org',
      tier: of.environment === 'production' ? 'production' : 'other',
    },
    deployable: null,
  });
  const snippetFor = (request: FakeRequest) => {
    const found = state.snippets.find(({ id }) => id === Number(request.params.snippet));
    if (found === undefined) return refuse(404, '404 Snippet Not Found');
    if (found.visibility === 'private' && found.userId !== actorOf(request).id)
      return refuse(404, '404 Snippet Not Found');
    return found;
  };
  const contentFor = (request: FakeRequest) => ({
    body: `# ${snippetFor(request).title}\n`,
    contentType: 'text/plain; charset=utf-8',
  });

  return [
    {
      method: 'GET',
      path: '/snippets/:snippet',
      source: 'snippets: GET /snippets/:id',
      run(request) {
        const { id, title, fileName, visibility, userId, at } = snippetFor(request);
        const web = `${world.web}/-/snippets/${id}`;
        return {
          json: {
            id,
            title,
            description: null,
            visibility,
            author: shownUser(world, userById(world, userId)),
            created_at: at,
            updated_at: at,
            project_id: null,
            web_url: web,
            raw_url: `${web}/raw`,
            file_name: fileName,
            files: [{ path: fileName, raw_url: `${web}/raw/main/${fileName}` }],
          },
        };
      },
    },
    {
      method: 'GET',
      path: '/snippets/:snippet/files/:ref/:file/raw',
      source: 'snippets: GET /snippets/:id/files/:ref/:file_path/raw',
      run(request) {
        const { fileName } = snippetFor(request);
        if (request.params.ref !== 'main' || request.params.file !== fileName) return refuse(404, '404 File Not Found');
        return contentFor(request);
      },
    },
    {
      method: 'GET',
      path: '/snippets/:snippet/raw',
      source: 'snippets: GET /snippets/:id/raw',
      run: contentFor,
    },
    {
      method: 'GET',
      path: '/projects/:id/deployments',
      source: 'deployments: GET /projects/:id/deployments',
      query: pagingOnly.extend({
        order_by: z.enum(['id', 'iid', 'created_at', 'updated_at', 'ref']).optional(),
        sort: z.enum(['asc', 'desc']).optional(),
        environment: z.string().optional(),
        status: z.enum(['created', 'running', 'success', 'failed', 'canceled', 'blocked']).optional(),
      }),
      run(request) {
        const [environment, status] = [request.query.get('environment'), request.query.get('status')];
        const all = deploymentsFor(request).filter(
          (one) => (environment ?? one.environment) === one.environment && (status ?? one.status) === one.status,
        );
        return paged(request, all.map(shownDeployment));
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/deployments/:deployment',
      source: 'deployments: GET /projects/:id/deployments/:deployment_id',
      run(request) {
        const found = deploymentsFor(request).find(({ id }) => String(id) === request.params.deployment);
        return { json: shownDeployment(found ?? refuse(404, '404 Not found')) };
      },
    },
    {
      method: 'POST',
      path: '/projects/:id/deployments',
      source: 'deployments: POST /projects/:id/deployments',
      body: newDeployment,
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const body = request.body as z.output<typeof newDeployment>;
        if ((await project.git.resolve(body.sha)) !== body.sha) refuse(400, { sha: ['The commit does not exist'] });
        const made = {
          ...{ id: world.nextId(), projectId: project.id, userId: actorOf(request).id, createdAt: world.now() },
          ...{ ref: body.ref, sha: body.sha, status: body.status, environment: body.environment },
        };
        state.deployments.push(made);
        return { status: 201, json: shownDeployment(made) };
      },
    },
    {
      method: 'PUT',
      path: '/projects/:id/deployments/:deployment',
      source: 'deployments: PUT /projects/:id/deployments/:deployment_id',
      body: changedDeployment,
      run(request) {
        projectFor(world, request, DEVELOPER);
        const found = deploymentsFor(request).find(({ id }) => String(id) === request.params.deployment);
        if (found === undefined) return refuse(404, '404 Not found');
        const { status } = request.body as z.output<typeof changedDeployment>;
        // A state machine: what is in a state does not enter it.
        if (found.status === status) refuse(400, `Cannot transition status from :${status}`);
        found.status = status;
        return { json: shownDeployment(found) };
      },
    },
    {
      method: 'DELETE',
      path: '/projects/:id/deployments/:deployment',
      source: 'deployments: DELETE /projects/:id/deployments/:deployment_id',
      run(request) {
        projectFor(world, request, DEVELOPER);
        const all = deploymentsFor(request);
        const found = all.find(({ id }) => String(id) === request.params.deployment);
        if (found === undefined) return refuse(404, '404 Not found');
        if (found.status === 'running') refuse(400, 'Cannot destroy running deployment');
        const last = all.find((one) => one.environment === found.environment && one.status === 'success');
        if (found === last) refuse(400, 'Deployment currently deployed to environment');
        state.deployments.splice(state.deployments.indexOf(found), 1);
        return { status: 204 };
      },
    },
    list('/projects/:id/starrers', 'projects: GET /projects/:id/starrers', (request) => {
      const project = projectFor(world, request);
      return state.stars
        .filter(({ projectId }) => projectId === project.id)
        .map(({ userId }) => ({ starred_since: project.createdAt, user: shownUser(world, userById(world, userId)) }));
    }),
    list('/users/:user/followers', 'users: GET /users/:id/followers', (request) => {
      const { id } = userFor(request);
      return people(state.follows.filter(({ ofId }) => ofId === id).map(({ userId }) => userId));
    }),
    list('/users/:user/following', 'users: GET /users/:id/following', (request) => {
      const { id } = userFor(request);
      return people(state.follows.filter(({ userId }) => userId === id).map(({ ofId }) => ofId));
    }),
    list('/users/:user/starred_projects', 'projects: GET /users/:user_id/starred_projects', (request) => {
      const { id } = userFor(request);
      return state.stars
        .filter(({ userId }) => userId === id)
        .map(({ projectId }) => shownProject(world, projectById(world, projectId)));
    }),
    list('/projects/:id/deploy_keys', 'deploy_keys: GET /projects/:id/deploy_keys', (request) =>
      keysFor(request).map(shownKey),
    ),
    {
      method: 'GET',
      path: '/projects/:id/deploy_keys/:key',
      source: 'deploy_keys: GET /projects/:id/deploy_keys/:key_id',
      run(request) {
        const found = keysFor(request).find(({ id }) => String(id) === request.params.key);
        return { json: shownKey(found ?? refuse(404, '404 Deploy Key Not Found')) };
      },
    },
  ];
}
