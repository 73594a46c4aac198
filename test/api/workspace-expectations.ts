/** As `expectations.ts`, for the routes of workspaces. Each caller is given a workspace, and what belongs to it, of their own. */

/** anonymous stranger viewer member maintainer admin owner suspended read-token run-token machine other-owner */
const expected = (row: string): string[] => row.trim().split(/\s+/);
const everybody = expected('       ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok');
const read = expected('            401 404 ok  ok  ok  ok  ok  403 ok  403 ok  404');
/** The caller's own organizations: who has none there is told of none. */
const known = expected('           401 404 ok  ok  ok  ok  ok  403 ok  403 ok  ok');
const runAsMember = expected('     401 404 403 ok  ok  ok  ok  403 403 403 ok  404');
const runAsMaintainer = expected(' 401 404 403 403 ok  ok  ok  403 403 403 403 404');
const runAsAdmin = expected('      401 404 403 403 403 ok  ok  403 403 403 403 404');
const manageAsMaintainer = expected('401 404 403 403 ok  ok  ok  403 403 403 403 404');
const manageAsAdmin = expected('   401 404 403 403 403 ok  ok  403 403 403 403 404');

/** What one caller's workspace has; made anew for each, since most of these change it. */
/** External ids, by the names that addresses have for them here. */
export interface WorkspaceIds {
  workspace: string;
  name: string;
  variable: string;
  configuration: string;
  run: string;
  plan: string;
  apply: string;
  state: string;
  output: string;
  team: string;
  access: string;
}

export interface WorkspaceExpectation {
  expected: string[];
  body?(ids: WorkspaceIds): unknown;
  query?(ids: WorkspaceIds): string;
  /** What the workspace must be like before. */
  locked?: boolean;
}

const on = (row: string[], more: Omit<WorkspaceExpectation, 'expected'> = {}): WorkspaceExpectation => ({
  expected: row,
  ...more,
});
const to = (type: string, id: string) => ({ data: { id, type } });
const attributes = (type: string, values: Record<string, unknown>) => () => ({ data: { type, attributes: values } });
const tags = () => ({ data: [{ type: 'tags', attributes: { name: 'blue' } }] });
const named = attributes('workspaces', { description: 'other' });

/** Of each with a place in the address: the workspace by its id, and by its name in the organization. */
const ofWorkspace = (prefix: string): Record<string, WorkspaceExpectation> => ({
  [`GET ${prefix}`]: on(read),
  [`PATCH ${prefix}`]: on(manageAsMaintainer, { body: named }),
  [`DELETE ${prefix}`]: on(manageAsMaintainer),
  [`POST ${prefix}/actions/safe-delete`]: on(manageAsMaintainer),
});

export const workspaceRoutes: Readonly<Record<string, WorkspaceExpectation>> = {
  'GET /api/v2/ping': on(everybody),
  'GET /api/v2/account/details': on(known),
  'GET /api/v2/organizations': on(known),
  'GET /api/v2/organizations/:organization': on(read),
  'GET /api/v2/organizations/:organization/entitlement-set': on(read),
  'GET /api/v2/organizations/:organization/projects': on(read),
  'GET /api/v2/organizations/:organization/capacity': on(read),
  'GET /api/v2/organizations/:organization/runs/queue': on(read),
  'GET /api/v2/organizations/:organization/teams': on(read),
  'GET /api/v2/organizations/:organization/workspaces': on(read),
  'POST /api/v2/organizations/:organization/workspaces': on(manageAsMaintainer, {
    body: ({ workspace }) => ({
      data: { type: 'workspaces', attributes: { name: `made-beside-${workspace.slice(3)}` } },
    }),
  }),
  ...ofWorkspace('/api/v2/workspaces/:workspace'),
  ...ofWorkspace('/api/v2/organizations/:organization/workspaces/:name'),
  'POST /api/v2/workspaces/:workspace/actions/lock': on(runAsMember),
  // Only its holder's, who is none of these; the row is about who gets as far as that.
  'POST /api/v2/workspaces/:workspace/actions/unlock': on(expected('401 404 403 409 409 409 409 403 403 403 409 404'), {
    locked: true,
  }),
  'POST /api/v2/workspaces/:workspace/actions/force-unlock': on(runAsAdmin, { locked: true }),
  'GET /api/v2/workspaces/:workspace/relationships/tags': on(read),
  'POST /api/v2/workspaces/:workspace/relationships/tags': on(manageAsMaintainer, { body: tags }),
  'DELETE /api/v2/workspaces/:workspace/relationships/tags': on(manageAsMaintainer, { body: tags }),
  'GET /api/v2/workspaces/:workspace/tag-bindings': on(read),
  'GET /api/v2/workspaces/:workspace/effective-tag-bindings': on(read),
  'PATCH /api/v2/workspaces/:workspace/tag-bindings': on(manageAsMaintainer, {
    body: () => ({ data: [{ type: 'tag-bindings', attributes: { key: 'env', value: 'eu' } }] }),
  }),
  'GET /api/v2/workspaces/:workspace/vars': on(read),
  'GET /api/v2/workspaces/:workspace/all-vars': on(read),
  'GET /api/v2/workspaces/:workspace/varsets': on(read),
  'POST /api/v2/workspaces/:workspace/vars': on(manageAsMaintainer, {
    body: attributes('vars', { key: 'new', value: 'x', category: 'terraform' }),
  }),
  'GET /api/v2/workspaces/:workspace/vars/:variable': on(read),
  'PATCH /api/v2/workspaces/:workspace/vars/:variable': on(manageAsMaintainer, {
    body: attributes('vars', { value: 'y' }),
  }),
  'DELETE /api/v2/workspaces/:workspace/vars/:variable': on(manageAsMaintainer),
  'GET /api/v2/team-workspaces': on(read, { query: ({ workspace }) => `filter[workspace][id]=${workspace}` }),
  'POST /api/v2/team-workspaces': on(manageAsAdmin, {
    body: ({ workspace, team }) => ({
      data: {
        type: 'team-workspaces',
        attributes: { access: 'plan' },
        relationships: { workspace: to('workspaces', workspace), team: to('teams', team) },
      },
    }),
  }),
  'GET /api/v2/team-workspaces/:access': on(read),
  'PATCH /api/v2/team-workspaces/:access': on(manageAsAdmin, {
    body: attributes('team-workspaces', { access: 'read' }),
  }),
  'DELETE /api/v2/team-workspaces/:access': on(manageAsAdmin),
  'GET /api/v2/workspaces/:workspace/configuration-versions': on(read),
  'POST /api/v2/workspaces/:workspace/configuration-versions': on(runAsMember, {
    body: attributes('configuration-versions', {}),
  }),
  'GET /api/v2/configuration-versions/:configuration': on(read),
  'GET /api/v2/configuration-versions/:configuration/download': on(runAsMember),
  'GET /api/v2/workspaces/:workspace/runs': on(read),
  'POST /api/v2/runs': on(runAsMember, {
    body: ({ workspace }) => ({ data: { type: 'runs', relationships: { workspace: to('workspaces', workspace) } } }),
  }),
  'GET /api/v2/runs/:run': on(read),
  'GET /api/v2/runs/:run/plan': on(read),
  'GET /api/v2/runs/:run/policy-checks': on(read),
  'GET /api/v2/runs/:run/task-stages': on(read),
  'GET /api/v2/runs/:run/run-events': on(read),
  'GET /api/v2/runs/:run/comments': on(read),
  'POST /api/v2/runs/:run/actions/apply': on(runAsAdmin),
  'POST /api/v2/runs/:run/actions/discard': on(runAsAdmin),
  'POST /api/v2/runs/:run/actions/cancel': on(runAsAdmin),
  // The run has not been asked to stop, so that nobody gets further.
  'POST /api/v2/runs/:run/actions/force-cancel': on(expected('401 404 403 403 403 409 409 403 403 403 403 404')),
  'GET /api/v2/plans/:plan': on(read),
  'GET /api/v2/plans/:plan/json-output': on(runAsMaintainer),
  'GET /api/v2/plans/:plan/json-output-redacted': on(read),
  'GET /api/v2/applies/:apply': on(read),
  // Who may only plan is told of none, see the route.
  'GET /api/v2/workspaces/:workspace/current-state-version': on(
    expected('401 404 403 404 ok  ok  ok  403 403 403 404 404'),
  ),
  'GET /api/v2/workspaces/:workspace/current-state-version-outputs': on(runAsMaintainer),
  'GET /api/v2/workspaces/:workspace/state-versions': on(runAsMaintainer),
  'GET /api/v2/state-versions': on(runAsMaintainer, {
    query: ({ name }) => `filter[organization][name]=mine&filter[workspace][name]=${name}`,
  }),
  'POST /api/v2/workspaces/:workspace/state-versions': on(
    // As far as the lock, which somebody else holds.
    expected('401 404 403 403 403 409 409 403 403 403 403 404'),
    { locked: true, body: attributes('state-versions', { serial: 9, md5: 'a'.repeat(32) }) },
  ),
  'GET /api/v2/state-versions/:state': on(runAsMaintainer),
  'GET /api/v2/state-versions/:state/outputs': on(runAsMaintainer),
  'GET /api/v2/state-version-outputs/:output': on(runAsMaintainer),
};

/** The address is what lets in, whoever asks; without one that we signed there is nothing. */
export const signedRoutes: readonly string[] = [
  'PUT /api/v2/objects/configuration/:name',
  'GET /api/v2/objects/log/:name',
  'GET /api/v2/objects/state/:name',
  'PUT /api/v2/objects/state/:name',
  'GET /api/v2/objects/json-state/:name',
  'PUT /api/v2/objects/json-state/:name',
  'GET /api/v2/objects/job-input/:name',
  'GET /api/v2/objects/job-words/:name',
  'PUT /api/v2/objects/job-output/:name',
];
