/** The page of a run: where it stands, what it would change or has changed, and its log; for whoever was given the link. */
import type { FastifyInstance } from 'fastify';
import type { PageLinks } from '../accounts/page-links.js';
import { countsOf } from '../jobs/run/tell.js';
import type { Store } from '../store/database.js';
import { personOf } from '../store/workspace/people.js';
import { readLog } from '../store/workspace/run-log.js';
import { getRun, type PhaseRow, phasesOf, type RunRow, type RunStatus } from '../store/workspace/runs.js';
import { getWorkspace } from '../store/workspace/workspaces.js';
import { escapeHtml, page, sendPage } from './page.js';

/** Of each log the end is shown: it is what a person looks for. */
const SHOWN_BYTES = 256 * 1024;
/** How soon a page is shown anew while something happens, and while a person is waited for. */
const REFRESH_SECONDS = { busy: 3, waiting: 15 };

/** Who begins what nobody has asked for. */
const US = 'Forgeway';

interface RunView {
  /** By which addresses name it; undefined where it has no name. */
  organization: string | undefined;
  workspace: string;
  run: RunRow;
  plan: PhaseRow;
  apply: PhaseRow | undefined;
  rendered: string | null;
  logs: { phase: 'plan' | 'apply'; text: string; isCut: boolean }[];
  /** Whoever asked for it, and whoever confirmed it. */
  people: { asked: string; confirmed: string | undefined };
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
    for (const phase of [plan, apply]) {
      if (phase === undefined || phase.logSize === 0n) continue;
      const offset = Math.max(0, Number(phase.logSize) - SHOWN_BYTES);
      const part = await readLog(tx, phase.id, { offset, limit: SHOWN_BYTES });
      logs.push({ phase: phase.phase, text: part?.bytes.toString('utf8') ?? '', isCut: offset > 0 });
    }
    const { rows: organizations } = await tx.query<{ slug: string }>('SELECT slug FROM organization WHERE id = $1', [
      organizationId,
    ]);
    const people = {
      asked: await personOf(tx, run.createdBy),
      confirmed: run.confirmedBy === null ? undefined : await personOf(tx, run.confirmedBy),
    };
    const organization = organizations[0]?.slug;
    return {
      organization,
      workspace: workspace.name,
      run,
      plan,
      apply,
      rendered: rows[0]?.rendered ?? null,
      logs,
      people,
    };
  });
}

export const STANDS: Readonly<Record<RunStatus, string>> = {
  pending: 'Queued',
  fetching: 'Fetching the configuration',
  planning: 'Planning',
  planned: 'Waits to be confirmed',
  planned_and_finished: 'Planned',
  confirmed: 'Confirmed, about to be applied',
  applying: 'Applying',
  applied: 'Applied',
  errored: 'Failed',
  discarded: 'Discarded',
  canceled: 'Canceled',
};

const TONES: Readonly<Partial<Record<RunStatus, 'good' | 'bad' | 'waits'>>> = {
  planned: 'waits',
  planned_and_finished: 'good',
  applied: 'good',
  errored: 'bad',
};

/** By what Terraform calls it: as it is drawn in a plan, and in words. */
const ACTIONS: Readonly<Record<string, readonly [string, string]>> = {
  create: ['+', 'create'],
  update: ['~', 'change'],
  delete: ['-', 'destroy'],
  read: ['<=', 'read'],
  forget: ['.', 'forget'],
  'delete, create': ['-/+', 'replace'],
  'create, delete': ['+/-', 'replace, the new one first'],
};

export const timeOf = (at: Date): string =>
  `<time datetime="${at.toISOString()}">${at.toISOString().slice(0, 19).replace('T', ' ')} UTC</time>`;

function lasted(from: Date, to: Date): string {
  const seconds = Math.max(0, Math.round((to.getTime() - from.getTime()) / 1_000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function factsOf({ run, plan, apply, people }: RunView): string {
  const commit = run.vcsCommitSha === null ? [] : [`<code>${escapeHtml(run.vcsCommitSha.slice(0, 12))}</code>`];
  const branch = run.vcsBranch === null ? [] : [`on <code>${escapeHtml(run.vcsBranch)}</code>`];
  const pull = run.vcsPullRequestNumber === null ? [] : [`of pull request #${run.vcsPullRequestNumber}`];
  const from = [...commit, ...branch, ...pull].join(' ');
  const kind = run.isDestroy ? 'Destroys everything' : run.refreshOnly ? 'Only refreshes the state' : undefined;
  const what = [kind, run.planOnly ? 'plan only: it is never applied' : undefined].filter((one) => one !== undefined);
  const phase = (row: PhaseRow | undefined) =>
    row?.startedAt == null
      ? undefined
      : `${timeOf(row.startedAt)}${row.finishedAt === null ? '' : `, took ${lasted(row.startedAt, row.finishedAt)}`}`;
  const event = run.vcsPullRequestNumber === null ? 'the push' : 'the pull request';
  const begunBy = people.asked === US ? event : people.asked;
  const facts: [string, string | undefined][] = [
    ['Commit', from === '' ? undefined : from],
    ['Kind', what.length === 0 ? undefined : what.join('; ')],
    ['Begun by', `${escapeHtml(begunBy)}, ${timeOf(run.createdAt)}`],
    ['Planned', phase(plan)],
    ['Confirmed by', people.confirmed && escapeHtml(people.confirmed)],
    ['Applied', phase(apply)],
    ['Terraform', run.terraformVersion === null ? undefined : escapeHtml(run.terraformVersion)],
  ];
  const rows = facts.flatMap(([name, text]) =>
    text === undefined ? [] : [`<tr><th scope="row">${name}</th><td>${text}</td></tr>`],
  );
  return `<table><tbody>${rows.join('')}</tbody></table>`;
}

function changesTable({ changes, hasChanges }: PhaseRow): string {
  // What is only read is no change, and is in the plan below.
  const shown = (changes ?? []).filter(({ actions }) => !['no-op', 'read'].includes(actions.join(', ')));
  if (shown.length === 0) return hasChanges === true ? '<p>Only outputs change, or what the state says.</p>' : '';
  const rows = shown.map(({ address, actions }) => {
    const [sign, word] = ACTIONS[actions.join(', ')] ?? ['', actions.join(', then ')];
    return `<tr><td><code>${escapeHtml(sign)}</code></td><td>${escapeHtml(word)}</td><td><code>${escapeHtml(address)}</code></td></tr>`;
  });
  return `<h2>Changes</h2><table><thead><tr><td></td><th scope="col">Action</th><th scope="col">Resource</th></tr></thead>
<tbody>${rows.join('')}</tbody></table>`;
}

/** What a person can do now. */
function nextOf({ run, workspace }: RunView): string {
  const id = `run-${run.id}`;
  const command = (verb: string) => `<code>forgeway runs ${verb} ${id}</code>`;
  if (run.status === 'planned' && run.savePlan)
    return '<p>The plan was saved: whoever has its file applies it with <code>terraform apply FILE</code>.</p>';
  if (run.status === 'planned') {
    const comment =
      run.vcsCommitSha === null
        ? ''
        : `, or comment <code>/apply ${escapeHtml(workspace)}</code> on the pull request that was merged`;
    return `<p>Nothing is applied before somebody confirms it, and nothing else in this workspace until then.</p>
<ul><li>To apply it: ${command('confirm')}${comment}</li><li>To give it up: ${command('discard')}</li></ul>`;
  }
  if (run.finishedAt !== null) return '';
  if (run.cancelRequestedAt !== null)
    return `<p>It is stopping: what was begun is finished first. ${command('force-cancel')} does not wait for that.</p>`;
  return `<p>This page follows it. ${command('cancel')} stops it.</p>`;
}

function logsOf({ run, rendered, logs }: RunView): string {
  const running = run.status === 'planning' ? 'plan' : run.status === 'applying' ? 'apply' : undefined;
  const last = logs.at(-1)?.phase;
  const shown = logs.map(({ phase, text, isCut }) => {
    // Where the plan is shown as such, its log says nothing more.
    const isOpen = phase === running || (phase === last && (phase === 'apply' || rendered === null));
    const cut = isCut ? '<p>The beginning is not shown.</p>' : '';
    return `<details${isOpen ? ' open' : ''}><summary>Log of the ${phase}</summary>${cut}<pre>${escapeHtml(text)}</pre></details>`;
  });
  if (shown.length > 0) return shown.join('\n');
  return run.finishedAt === null
    ? '<p>Nothing was printed yet.</p>'
    : '<p>There is no log: nothing was executed, or it is older than is kept.</p>';
}

export function runPage(view: RunView): string {
  const { organization, workspace, run, plan, rendered } = view;
  const name = escapeHtml(workspace);
  const up = organization && `/app/${encodeURIComponent(organization)}/workspaces/${encodeURIComponent(workspace)}`;
  const reason = run.statusReason === null ? '' : `<p>${escapeHtml(run.statusReason)}</p>`;
  const isStopping = run.cancelRequestedAt !== null && run.finishedAt === null;
  const counts = countsOf(plan, run.status === 'applied');
  const tone = TONES[run.status];
  const isWaiting = run.status === 'planned' || run.status === 'pending';
  const refreshSeconds = run.finishedAt !== null ? undefined : REFRESH_SECONDS[isWaiting ? 'waiting' : 'busy'];
  const isFolded = run.status !== 'planned' && run.status !== 'planned_and_finished';
  const text =
    rendered === null || rendered.trim() === ''
      ? ''
      : `<details${isFolded ? '' : ' open'}><summary>Plan</summary><pre>${escapeHtml(rendered.trim())}</pre></details>`;
  return page(
    `${STANDS[run.status]}: run of ${workspace}`,
    `<h1>${up === undefined ? name : `<a href="${up}">${name}</a>`}</h1>
<p>${escapeHtml(run.message)} <small><code>run-${run.id}</code></small></p>
<div class="state${tone === undefined ? '' : ` ${tone}`}" role="status"><strong>${isStopping ? 'Stopping' : STANDS[run.status]}</strong>${counts === undefined ? '' : `: ${counts}`}${reason}</div>
${nextOf(view)}${factsOf(view)}${changesTable(plan)}
${text}${logsOf(view)}`,
    { refreshSeconds, isWide: true },
  );
}

const GONE = page('No such run', '<h1>No such run</h1><p>The link is not complete, or the run was removed.</p>');

export function addRunPage(app: FastifyInstance, o: { store: Store; links: PageLinks }): void {
  app.get<{ Params: { name: string } }>('/runs/:name', async (request, reply) => {
    const named = o.links.read(request.params.name);
    const found = named && (await readRun(o.store, named.organizationId, named.id));
    if (found === undefined) return sendPage(reply.code(404), GONE);
    return sendPage(reply.header('cache-control', 'no-store'), runPage(found));
  });
}
