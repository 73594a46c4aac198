/** The page of a run: where it stands, what it would change or has changed, and its log; for whoever was given the link. */
import type { FastifyInstance } from 'fastify';
import type { RunLinks } from '../accounts/run-links.js';
import type { Store } from '../store/database.js';
import { readLog } from '../store/workspace/run-log.js';
import { getRun, type PhaseRow, phasesOf, type RunRow } from '../store/workspace/runs.js';
import { getWorkspace } from '../store/workspace/workspaces.js';
import { escapeHtml, page, sendPage } from './page.js';

/** Of each log the end is shown: it is what a person looks for. */
const SHOWN_BYTES = 256 * 1024;

interface RunView {
  workspace: string;
  run: RunRow;
  plan: PhaseRow;
  rendered: string | null;
  logs: { title: string; text: string; isCut: boolean }[];
}

async function readRun(store: Store, organizationId: string, runId: string): Promise<RunView | undefined> {
  return store.tenant(organizationId, async (tx) => {
    const run = await getRun(tx, runId);
    const workspace = run && (await getWorkspace(tx, run.workspaceId));
    if (run === undefined || workspace === undefined) return undefined;
    const { plan, apply } = await phasesOf(tx, runId);
    const { rows } = await tx.query<{ rendered: string | null }>('SELECT rendered FROM run_phase WHERE id = $1', [
      plan.id,
    ]);
    const logs: RunView['logs'] = [];
    for (const [title, phase] of [
      ['Log of the plan', plan],
      ['Log of the apply', apply],
    ] as const) {
      if (phase === undefined || phase.logSize === 0n) continue;
      const offset = Math.max(0, Number(phase.logSize) - SHOWN_BYTES);
      const part = await readLog(tx, phase.id, { offset, limit: SHOWN_BYTES });
      logs.push({ title, text: part?.bytes.toString('utf8') ?? '', isCut: offset > 0 });
    }
    return { workspace: workspace.name, run, plan, rendered: rows[0]?.rendered ?? null, logs };
  });
}

function changesTable(plan: PhaseRow): string {
  const rows = (plan.changes ?? []).map(
    ({ address, actions }) =>
      `<tr><td><code>${escapeHtml(address)}</code></td><td>${escapeHtml(actions.join(', then '))}</td></tr>`,
  );
  if (rows.length === 0) return '';
  return `<h2>Changes</h2><table><thead><tr><th scope="col">Resource</th><th scope="col">Action</th></tr></thead>
<tbody>${rows.join('')}</tbody></table>`;
}

function countsOf({ hasChanges, resourceAdditions, resourceChanges, resourceDestructions }: PhaseRow): string {
  if (hasChanges === null) return '';
  if (!hasChanges) return ': no changes';
  return `: ${resourceAdditions ?? 0} to add, ${resourceChanges ?? 0} to change, ${resourceDestructions ?? 0} to destroy`;
}

export function runPage({ workspace, run, plan, rendered, logs }: RunView): string {
  const commit = run.vcsCommitSha === null ? '' : ` of <code>${escapeHtml(run.vcsCommitSha.slice(0, 12))}</code>`;
  const reason = run.statusReason === null ? '' : `<p>${escapeHtml(run.statusReason)}</p>`;
  const shown = logs.map(
    ({ title, text, isCut }) =>
      `<h2>${title}</h2>${isCut ? '<p>The beginning is not shown.</p>' : ''}<pre>${escapeHtml(text)}</pre>`,
  );
  const unfinished = run.finishedAt === null ? '<p>It is not over: load the page again to see how it goes on.</p>' : '';
  return page(
    `Run of ${workspace}`,
    `<h1>${escapeHtml(workspace)}</h1>
<p>Run ${escapeHtml(`run-${run.id}`)}${commit}: ${escapeHtml(run.message)}</p>
<p class="state" role="status">${escapeHtml(run.status.replaceAll('_', ' '))}${countsOf(plan)}</p>
${reason}${unfinished}${changesTable(plan)}${rendered === null ? '' : `<h2>Plan</h2><pre>${escapeHtml(rendered)}</pre>`}${shown.join('')}`,
  );
}

const GONE = page('No such run', '<h1>No such run</h1><p>The link is not complete, or the run was removed.</p>');

export function addRunPage(app: FastifyInstance, o: { store: Store; links: RunLinks }): void {
  app.get<{ Params: { name: string } }>('/runs/:name', async (request, reply) => {
    const named = o.links.read(request.params.name);
    const found = named && (await readRun(o.store, named.organizationId, named.runId));
    if (found === undefined) return sendPage(reply.code(404), GONE);
    return sendPage(reply, runPage(found));
  });
}
