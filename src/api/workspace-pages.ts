/** Workspaces and their runs in a browser, for whoever is signed in and may see them. What is done with them is done elsewhere. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import type { Person } from '../accounts/access/actor.js';
import type { PageLinks } from '../accounts/page-links.js';
import { countsOf } from '../jobs/run/tell.js';
import { ForgewayError } from '../lib/errors.js';
import { personOf } from '../store/workspace/people.js';
import { getRun, phasesOf, type RunRow } from '../store/workspace/runs.js';
import { findWorkspace, listWorkspaces, type WorkspaceRow } from '../store/workspace/workspaces.js';
import { authorizedOrganization } from './authorize.js';
import { escapeHtml, page, sendPage } from './page.js';
import { STANDS, timeOf } from './run-page.js';
import { type RunRedirectOptions, toSignIn } from './run-redirect.js';
import { messagePage } from './sign-in-page.js';
import { whyNotTriggered } from './workspaces/workspace-document.js';

const SHOWN_WORKSPACES = 200;
const SHOWN_RUNS = 50;

type LastRun = Pick<RunRow, 'workspaceId' | 'status' | 'createdAt'>;

interface ShownRun {
  run: RunRow;
  counts: string | undefined;
  by: string;
}

async function runsOf(tx: pg.PoolClient, sql: string, values: unknown[]): Promise<ShownRun[]> {
  const { rows } = await tx.query<{ id: string }>(sql, values);
  const shown: ShownRun[] = [];
  for (const { id } of rows) {
    const run = await getRun(tx, id);
    if (run === undefined) continue;
    const { plan } = await phasesOf(tx, id);
    shown.push({ run, counts: countsOf(plan, run.status === 'applied'), by: await personOf(tx, run.createdBy) });
  }
  return shown;
}

const addressOf = (organization: string, workspace?: string): string =>
  `/app/${encodeURIComponent(organization)}/workspaces${workspace === undefined ? '' : `/${encodeURIComponent(workspace)}`}`;

/** Only an address of the web is made a link. */
const repositoryOf = ({ vcsRepoUrl: url, vcsBranch, workingDirectory }: WorkspaceRow): string => {
  if (url === null) return 'not linked';
  const link = /^https?:\/\//.test(url) ? `<a href="${escapeHtml(url)}">${escapeHtml(url)}</a>` : escapeHtml(url);
  const branch = vcsBranch === null ? '' : `, branch <code>${escapeHtml(vcsBranch)}</code>`;
  return `${link}${branch}${workingDirectory === '' ? '' : `, in <code>${escapeHtml(workingDirectory)}</code>`}`;
};

const EMPTY = `<p>There is no workspace yet.</p>
<ul><li>From a configuration: a <code>cloud</code> block with this host and organization, and <code>terraform init</code></li>
<li>From a repository: <code>POST /api/v2/organizations/NAME/workspaces</code> with <code>vcs-repo-url</code> and a connection</li></ul>`;

function listPage(organization: string, workspaces: readonly WorkspaceRow[], total: number, last: readonly LastRun[]) {
  const lastOf = new Map(last.map((run) => [run.workspaceId, run]));
  const rows = workspaces.map((row) => {
    const run = lastOf.get(row.id);
    const stands = run === undefined ? 'nothing was run yet' : `${STANDS[run.status]}, ${timeOf(run.createdAt)}`;
    const locked = row.lockedAt === null && row.lockedByRunId === null ? '' : ' (locked)';
    const problem = whyNotTriggered(row);
    return `<tr><td><a href="${addressOf(organization, row.name)}">${escapeHtml(row.name)}</a>${locked}</td>
<td>${stands}</td><td>${repositoryOf(row)}${problem === null ? '' : `<br>${escapeHtml(problem)}`}</td></tr>`;
  });
  const table = `<table class="stacked"><thead><tr><th scope="col">Name</th><th scope="col">Last run</th><th scope="col">Repository</th></tr></thead>
<tbody>${rows.join('')}</tbody></table>`;
  const rest = total > workspaces.length ? `<p>And ${total - workspaces.length} more: the API lists all.</p>` : '';
  return page(
    `Workspaces of ${organization}`,
    `<h1>Workspaces of ${escapeHtml(organization)}</h1>${rows.length === 0 ? EMPTY : table}${rest}<p><a href="/">Start page</a></p>`,
    { isWide: true },
  );
}

interface OneWorkspace {
  organization: string;
  row: WorkspaceRow;
  runs: readonly ShownRun[];
  lockedBy: string | undefined;
  linkOf(run: RunRow): string;
}

function workspacePage({ organization, row, runs, lockedBy, linkOf }: OneWorkspace): string {
  const problem = whyNotTriggered(row);
  const why = row.lockReason ?? row.lockedByRunReason;
  const notes = [
    ...(lockedBy === undefined ? [] : [`Locked by ${lockedBy}${why === null ? '.' : `: ${why}`}`]),
    ...(problem === null ? [] : [problem]),
  ];
  const facts = [
    ['Repository', repositoryOf(row)],
    ['Looked at', row.vcsLastPolledAt === null ? undefined : timeOf(row.vcsLastPolledAt)],
    ['Applied', row.executionMode === 'local' ? 'elsewhere: state only' : row.autoApply ? 'at once' : 'when confirmed'],
  ] as const;
  const rows = runs.map(
    ({ run, counts, by }) => `<tr><td><a href="${linkOf(run)}">${STANDS[run.status]}</a></td>
<td>${escapeHtml(run.message)}${run.planOnly ? ' (plan only)' : ''}${counts === undefined ? '' : `<br><small>${counts}</small>`}</td>
<td>${escapeHtml(by)}<br><small>${timeOf(run.createdAt)}</small></td></tr>`,
  );
  const table = `<table class="stacked"><thead><tr><th scope="col">Stands</th><th scope="col">Run</th><th scope="col">Begun by</th></tr></thead>
<tbody>${rows.join('')}</tbody></table>${runs.length < SHOWN_RUNS ? '' : '<p>Older ones: <code>forgeway runs list</code>, or the API.</p>'}`;
  const nothing = `<p>Nothing was run yet. ${row.vcsRepoUrl === null ? '<code>terraform plan</code> begins a run.' : 'A push to its branch, or a pull request against it, begins one.'}</p>`;
  return page(
    `Workspace ${row.name}`,
    `<h1>${escapeHtml(row.name)}</h1><p><a href="${addressOf(organization)}">Workspaces of ${escapeHtml(organization)}</a></p>
${notes.map((note) => `<p class="state waits" role="status">${escapeHtml(note)}</p>`).join('')}
<table><tbody>${facts.map(([name, text]) => (text === undefined ? '' : `<tr><th scope="row">${name}</th><td>${text}</td></tr>`)).join('')}</tbody></table>
<h2>Runs</h2>${runs.length === 0 ? nothing : table}`,
    { isWide: true },
  );
}

interface Visited {
  organizationId: string;
  /** Its name in addresses; it may have been asked for by its id. */
  organization: string;
}

export function addWorkspacePages(app: FastifyInstance, o: RunRedirectOptions & { links: PageLinks }): void {
  const { store, access, links } = o;
  const notHere = (reply: FastifyReply) =>
    sendPage(reply.code(404), messagePage('No such workspace', 'It is not there, or not of an organization of yours.'));

  /** Whoever may see the organization's workspaces; others are told of none. */
  async function visit(request: FastifyRequest, reply: FastifyReply): Promise<Visited | undefined> {
    const person: Person | undefined = await o.sessionActor(request.headers);
    if (person === undefined || person.suspended) {
      await toSignIn(request, reply);
      return undefined;
    }
    const { organization: asked } = request.params as { organization: string };
    try {
      const organizationId = await authorizedOrganization({ store, access }, person, 'workspace.read', asked);
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<{ slug: string }>('SELECT slug FROM organization WHERE id = $1', [organizationId]),
      );
      return { organizationId, organization: rows[0]?.slug ?? asked };
    } catch (error) {
      if (!(error instanceof ForgewayError) || error.status >= 500) throw error;
      await notHere(reply);
      return undefined;
    }
  }

  app.get<{ Params: { organization: string } }>('/app/:organization/workspaces', async (request, reply) => {
    const visited = await visit(request, reply);
    if (visited === undefined) return reply;
    const html = await store.tenant(visited.organizationId, async (tx) => {
      const { rows, total } = await listWorkspaces(tx, {}, { offset: 0, limit: SHOWN_WORKSPACES });
      const { rows: last } = await tx.query<LastRun>(
        `SELECT DISTINCT ON (workspace_id) workspace_id AS "workspaceId", status, created_at AS "createdAt" FROM run
         WHERE workspace_id = ANY ($1) ORDER BY workspace_id, number DESC`,
        [rows.map(({ id }) => id)],
      );
      return listPage(visited.organization, rows, total, last);
    });
    return sendPage(reply.header('cache-control', 'no-store'), html);
  });

  app.get<{ Params: { organization: string; workspace: string } }>(
    '/app/:organization/workspaces/:workspace',
    async (request, reply) => {
      const visited = await visit(request, reply);
      if (visited === undefined) return reply;
      const { organizationId, organization } = visited;
      const { workspace } = request.params;
      const html = await store.tenant(organizationId, async (tx) => {
        const row = await findWorkspace(tx, organizationId, workspace);
        if (row === undefined) return undefined;
        const runs = await runsOf(tx, 'SELECT id FROM run WHERE workspace_id = $1 ORDER BY number DESC LIMIT $2', [
          row.id,
          SHOWN_RUNS,
        ]);
        const lockedBy =
          row.lockedAt !== null
            ? await personOf(tx, row.lockedBy)
            : row.lockedByRunId === null
              ? undefined
              : `run-${row.lockedByRunId}`;
        const linkOf = (run: RunRow) => links.pathOf(organizationId, run.id);
        return workspacePage({ organization, row, runs, lockedBy, linkOf });
      });
      return html === undefined ? notHere(reply) : sendPage(reply.header('cache-control', 'no-store'), html);
    },
  );
}
