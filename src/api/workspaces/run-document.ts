/** Runs, plans and applies as documents of JSON:API. */

import { factsOf } from '../../jobs/run/move.js';
import { possible } from '../../jobs/run/state.js';
import { redactText } from '../../lib/redact.js';
import type { PhaseRow, RunRow } from '../../store/workspace/runs.js';
import { API_PREFIX } from '../json-api/document.js';
import type { Visit } from './context.js';
import { applyIds, configurationIds, planIds, runIds, workspaceIds } from './ids.js';
import { to } from './workspace-document.js';

const sourceOf = (run: RunRow): string => (run.source === 'vcs' || run.source === 'comment' ? 'vcs' : 'tfe-api');

/** A plan that waits for the file it was saved in has a word of its own for clients. */
const statusOf = (run: RunRow): string => (run.savePlan && run.status === 'planned' ? 'planned_and_saved' : run.status);

/** Where the same person asks who made it. */
export const isOwn = (run: Pick<RunRow, 'createdBy'>, by: string): boolean =>
  run.createdBy.split(' ')[0] === by.split(' ')[0];

export interface RunContext {
  phases: { plan: PhaseRow; apply: PhaseRow | undefined };
  /** Runs of the workspace that take their turn before it. */
  position?: number;
}

export function runResource({ may, by }: Pick<Visit, 'may' | 'by'>, run: RunRow, { phases, position }: RunContext) {
  const id = runIds.external(run.id);
  const can = possible(factsOf(run));
  const mayStop = may('run.apply') || (isOwn(run, by) && may('run.plan'));
  const stamps = Object.entries(run.statusTimestamps).map(([status, at]) => [`${status.replaceAll('_', '-')}-at`, at]);
  return {
    id,
    type: 'runs',
    attributes: {
      status: statusOf(run),
      'status-timestamps': Object.fromEntries(stamps),
      'status-reason': run.statusReason === null ? null : redactText(run.statusReason),
      source: sourceOf(run),
      message: run.message,
      'plan-only': run.planOnly,
      'auto-apply': run.autoApply,
      'is-destroy': run.isDestroy,
      refresh: run.refresh,
      'refresh-only': run.refreshOnly,
      'allow-empty-apply': run.allowEmptyApply,
      'save-plan': run.savePlan,
      'target-addrs': run.targetAddrs,
      'replace-addrs': run.replaceAddrs,
      'terraform-version': run.terraformVersion,
      'has-changes': phases.plan.hasChanges ?? false,
      'resource-additions': phases.plan.resourceAdditions,
      'resource-changes': phases.plan.resourceChanges,
      'resource-destructions': phases.plan.resourceDestructions,
      'resource-imports': phases.plan.resourceImports,
      'vcs-commit-sha': run.vcsCommitSha,
      'vcs-branch': run.vcsBranch,
      'vcs-pull-request-number': run.vcsPullRequestNumber,
      trusted: run.trusted,
      'trigger-reason': 'manual',
      'position-in-queue': position ?? 0,
      'created-by': run.createdBy,
      'confirmed-by': run.confirmedBy,
      'canceled-at': run.statusTimestamps.canceled ?? null,
      'force-cancel-available-at': run.cancelRequestedAt?.toISOString() ?? null,
      'created-at': run.createdAt.toISOString(),
      'updated-at': run.updatedAt.toISOString(),
      actions: {
        'is-confirmable': can.confirm,
        'is-discardable': can.discard,
        'is-cancelable': can.cancel,
        'is-force-cancelable': can['force-cancel'],
      },
      permissions: {
        'can-apply': may('run.apply') && !run.planOnly,
        'can-discard': mayStop,
        'can-cancel': mayStop,
        'can-force-cancel': may('run.apply'),
        'can-force-execute': false,
        'can-comment': false,
        'can-override-policy-check': false,
      },
    },
    relationships: {
      workspace: to('workspaces', workspaceIds.external(run.workspaceId)),
      'configuration-version': to('configuration-versions', configurationIds.external(run.configurationVersionId)),
      plan: to('plans', planIds.external(phases.plan.id)),
      apply: to('applies', phases.apply && applyIds.external(phases.apply.id)),
      'created-by': to('users', /^user:(\S+)/.exec(run.createdBy)?.[1] ?? run.createdBy),
      'policy-checks': { data: [] },
      'task-stages': { data: [] },
      'run-events': { data: [] },
      comments: { data: [] },
    },
    links: { self: `${API_PREFIX}/runs/${id}` },
  };
}

const stampsOf = (phase: PhaseRow) => {
  const ended = phase.status === 'errored' ? 'errored-at' : phase.status === 'canceled' ? 'canceled-at' : 'finished-at';
  return {
    ...(phase.startedAt && { 'queued-at': phase.startedAt.toISOString(), 'started-at': phase.startedAt.toISOString() }),
    ...(phase.finishedAt && { [ended]: phase.finishedAt.toISOString() }),
  };
};

/** @param log the address of its log @param mayRead its JSON form, which holds values */
export function planResource(phase: PhaseRow, log: string, mayRead: boolean) {
  const id = planIds.external(phase.id);
  const self = `${API_PREFIX}/plans/${id}`;
  return {
    id,
    type: 'plans',
    attributes: {
      status: phase.status,
      'status-timestamps': stampsOf(phase),
      'has-changes': phase.hasChanges ?? false,
      'resource-additions': phase.resourceAdditions,
      'resource-changes': phase.resourceChanges,
      'resource-destructions': phase.resourceDestructions,
      'resource-imports': phase.resourceImports,
      'resource-change-list': phase.changes ?? [],
      'generated-configuration': false,
      'execution-details': { mode: 'remote' },
      'log-read-url': log,
      'log-size': Number(phase.logSize),
      'log-truncated': phase.logTruncated,
    },
    relationships: {
      run: to('runs', runIds.external(phase.runId)),
      'state-versions': { data: [] },
      exports: { data: [] },
    },
    links: {
      self,
      ...(phase.jsonBlobId !== null && mayRead && { 'json-output': `${self}/json-output` }),
      ...(phase.shownBlobId !== null && { 'json-output-redacted': `${self}/json-output-redacted` }),
    },
  };
}

export function applyResource(phase: PhaseRow, log: string) {
  const id = applyIds.external(phase.id);
  return {
    id,
    type: 'applies',
    attributes: {
      status: phase.status,
      'status-timestamps': stampsOf(phase),
      'resource-additions': phase.resourceAdditions,
      'resource-changes': phase.resourceChanges,
      'resource-destructions': phase.resourceDestructions,
      'resource-imports': phase.resourceImports,
      'execution-details': { mode: 'remote' },
      'log-read-url': log,
      'log-size': Number(phase.logSize),
      'log-truncated': phase.logTruncated,
    },
    relationships: { run: to('runs', runIds.external(phase.runId)), 'state-versions': { data: [] } },
    links: { self: `${API_PREFIX}/applies/${id}` },
  };
}
