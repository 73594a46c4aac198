import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import type { Queryable } from '../../inbox/list.js';
import { pushAndCreatePr } from '../../jobs/agent/desired.js';
import { sessionStatuses } from '../../jobs/agent/machine.js';
import { readSession } from '../../jobs/agent/session-record.js';
import { wantPullRequestSync } from '../../jobs/sync/desired.js';
import { ForgewayError } from '../../lib/errors.js';
import { notFound } from '../authorize.js';
import { bigNumber, id, instant, listOf, page, pageOf, placeOf, scope, text } from './fields.js';
import { onForge } from './forge-write.js';
import { type ProcedureMeta, procedure, router } from './procedure.js';
import { createDraft } from './pull-request-create.js';
import { commit, listCommits, listPullRequests, pullRequestById } from './pull-request-list.js';
import type { Services } from './services.js';

const person = z.object({ id: z.string().nullable(), login: z.string().nullable() });
const pullRequest = z.object({
  id,
  repositoryId: id.nullable(),
  forge: z.string(),
  host: z.string(),
  owner: z.string(),
  name: z.string(),
  number: z.number(),
  title: z.string(),
  body: z.string().nullable(),
  state: z.enum(['open', 'closed', 'merged']),
  draft: z.boolean(),
  status: z.enum(['draft', 'open', 'closed', 'merged']),
  author: person,
  headBranch: z.string(),
  baseBranch: z.string(),
  headSha: z.string(),
  baseSha: z.string(),
  headRepositoryId: bigNumber.nullable().describe('The forge’s number of it; null: the fork was deleted.'),
  mergeCommitSha: z.string().nullable(),
  labels: z.array(z.looseObject({ name: z.string() })),
  assignees: z.array(z.looseObject({ login: z.string() })),
  reviewers: z.array(z.looseObject({})),
  additions: z.number().nullable(),
  deletions: z.number().nullable(),
  changedFiles: z.number().nullable(),
  url: z.string(),
  sessionId: id.nullable(),
  kanbangerTaskId: z.string().nullable().describe('Task of the external board that it is linked to.'),
  createdAt: instant.nullable(),
  updatedAt: instant,
  closedAt: instant.nullable(),
  mergedAt: instant.nullable(),
});

const filters = {
  state: pullRequest.shape.state.optional(),
  draft: z.enum(['true', 'false']).optional(),
  author: text(300).optional().describe('Login of who opened it.'),
  kanbangerTaskId: text(200).optional().describe('Task of the external board.'),
  ...page,
};
const one = z.strictObject({ ...scope, id });
const onForgeNow = z.object({ id, url: z.string().nullable() });

const read = (path: string, summary: string) =>
  procedure({ action: 'pull-request.read', method: 'GET', path, summary });
const write = (method: ProcedureMeta['method'], path: string, summary: string, more: { writesForge?: true } = {}) =>
  procedure({ action: 'pull-request.write', method, path: `/pull-requests/{id}${path}`, summary, ...more });
const ON_FORGE = { writesForge: true } as const;

async function repositoryExists(tx: Queryable, repositoryId: string): Promise<void> {
  const { rowCount } = await tx.query('SELECT FROM repository WHERE id = $1', [repositoryId]);
  if (rowCount !== 1) throw notFound();
}

const urlOf = (data: unknown): string | null => {
  const url = typeof data === 'object' && data !== null ? Reflect.get(data, 'html_url') : undefined;
  return typeof url === 'string' ? url : null;
};

interface WriteContext {
  services: Services;
  organizationId: string;
  by: string;
}

/** Written down, and read again soon: what was done shows here without waiting for the forge's webhook. */
async function done(ctx: WriteContext, action: string, pullRequestId: string): Promise<void> {
  const { organizationId } = ctx;
  const key = await ctx.services.store.tenant(organizationId, async (tx) => {
    await audit(tx, organizationId, `pull-request.${action}`, pullRequestId, {}, ctx.by);
    return wantPullRequestSync(tx, { organizationId, pullRequestId });
  });
  await ctx.services.syncSoon(key);
}

async function changeState(ctx: WriteContext, pullRequestId: string, state: 'open' | 'closed') {
  const target = await onForge(ctx.services, ctx.organizationId, 'pullRequest', pullRequestId);
  const data = await target.ask('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
    ...{ pull_number: target.number, state },
  });
  await done(ctx, state === 'open' ? 'reopened' : 'closed', pullRequestId);
  return { id: pullRequestId, url: urlOf(data) };
}

export const pullRequests = router({
  listByRepository: read(
    '/repositories/{repositoryId}/pull-requests',
    'Pull requests of a repository, last changed first.',
  )
    .input(z.strictObject({ ...scope, repositoryId: id, ...filters }))
    .output(listOf(pullRequest))
    .query(async ({ ctx, input }) => {
      const place = placeOf(input.cursor);
      const rows = await ctx.services.store.tenant(ctx.organizationId, async (tx) => {
        await repositoryExists(tx, input.repositoryId);
        return listPullRequests(tx, input, place);
      });
      return pageOf(rows, input.limit, (row) => [row.place, row.id]);
    }),

  listBySession: read('/sessions/{sessionId}/pull-requests', 'Pull requests of an agent’s session, last changed first.')
    .input(z.strictObject({ ...scope, sessionId: id, ...filters }))
    .output(listOf(pullRequest))
    .query(async ({ ctx, input }) => {
      const place = placeOf(input.cursor);
      const rows = await ctx.services.store.tenant(ctx.organizationId, (tx) => listPullRequests(tx, input, place));
      return pageOf(rows, input.limit, (row) => [row.place, row.id]);
    }),

  get: read('/pull-requests/{id}', 'One pull request.')
    .input(one)
    .output(pullRequest)
    .query(async ({ ctx, input }) => {
      const found = await ctx.services.store.tenant(ctx.organizationId, (tx) => pullRequestById(tx, input.id));
      if (found === undefined) throw notFound();
      return found;
    }),

  listCommits: read('/pull-requests/{id}/commits', 'Its commits, newest first.')
    .input(one.extend(page))
    .output(listOf(commit))
    .query(async ({ ctx, input }) => {
      const place = placeOf(input.cursor);
      const rows = await ctx.services.store.tenant(ctx.organizationId, async (tx) => {
        if ((await pullRequestById(tx, input.id)) === undefined) throw notFound();
        return listCommits(tx, input, place);
      });
      return pageOf(rows, input.limit, (row) => [row.place, row.id]);
    }),

  syncCommits: write('POST', '/sync', 'Has the pull request and its commits read from the forge again.')
    .input(one)
    .output(z.object({ id, queued: z.literal(true) }))
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId } = ctx;
      const key = await services.store.tenant(organizationId, async (tx) => {
        if ((await pullRequestById(tx, input.id)) === undefined) throw notFound();
        return wantPullRequestSync(tx, { organizationId, pullRequestId: input.id });
      });
      await services.syncSoon(key);
      return { id: input.id, queued: true as const };
    }),

  linkToKanbangerTask: write('PUT', '/task', 'Links it to a task of the external board, or with null to none.')
    .input(one.extend({ kanbangerTaskId: text(200).nullable() }))
    .output(pullRequest)
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId, by } = ctx;
      const { id: pullRequestId, kanbangerTaskId } = input;
      return services.store.tenant(organizationId, async (tx) => {
        const linked = await tx.query(
          `UPDATE pull_request SET kanbanger_task_id = $2 WHERE id = $1 AND kanbanger_task_id IS DISTINCT FROM $2`,
          [pullRequestId, kanbangerTaskId],
        );
        const found = await pullRequestById(tx, pullRequestId);
        if (found === undefined) throw notFound();
        const action = kanbangerTaskId === null ? 'pull-request.unlinked' : 'pull-request.linked';
        if (linked.rowCount === 1)
          await audit(
            tx,
            organizationId,
            action,
            pullRequestId,
            kanbangerTaskId === null ? {} : { kanbangerTaskId },
            by,
          );
        return found;
      });
    }),

  comment: write('POST', '/comments', 'Comments on it, on the forge.', ON_FORGE)
    .input(one.extend({ body: z.string().trim().min(1).max(65_536) }))
    .output(onForgeNow)
    .mutation(async ({ ctx, input }) => {
      const target = await onForge(ctx.services, ctx.organizationId, 'pullRequest', input.id);
      const data = await target.ask('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        issue_number: target.number,
        body: input.body,
      });
      await done(ctx, 'commented', input.id);
      return { id: input.id, url: urlOf(data) };
    }),

  update: write(
    'PATCH',
    '',
    'Changes title, text or target branch, closes it or opens it again, on the forge.',
    ON_FORGE,
  )
    .input(
      one.extend({
        title: text(500).optional(),
        body: z.string().max(65_536).optional(),
        base: text(250).optional(),
        state: z.enum(['open', 'closed']).optional(),
      }),
    )
    .output(onForgeNow)
    .mutation(async ({ ctx, input }) => {
      const { title, body, base, state } = input;
      const wanted = Object.entries({ title, body, base, state }).filter(([, value]) => value !== undefined);
      const target = await onForge(ctx.services, ctx.organizationId, 'pullRequest', input.id);
      const data = await target.ask('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
        pull_number: target.number,
        ...Object.fromEntries(wanted),
      });
      await done(ctx, 'updated', input.id);
      return { id: input.id, url: urlOf(data) };
    }),

  createDraftPr: procedure({
    action: 'pull-request.write',
    method: 'POST',
    path: '/repositories/{repositoryId}/pull-requests',
    summary: 'Opens a draft for a branch, on the forge; one that is open already is answered.',
    status: 201,
    ...ON_FORGE,
  })
    .input(
      z.strictObject({
        ...scope,
        repositoryId: id,
        sessionId: id.optional().describe('Of the agent that made the branch.'),
        headBranch: text(250),
        baseBranch: text(250).optional().describe('Without it the default branch.'),
        title: text(500),
        body: z.string().max(65_536).default(''),
      }),
    )
    .output(z.object({ id: id.nullable(), number: z.number().nullable(), url: z.string().nullable() }))
    .mutation(({ ctx, input }) => createDraft(ctx, input)),

  pushAndCreatePr: procedure({
    action: 'agent.assign',
    method: 'POST',
    path: '/sessions/{sessionId}/pull-requests',
    summary: 'Has what a failed session left checked, pushed and opened as a draft; its record says `pr.created` then.',
  })
    .input(
      z.strictObject({
        ...scope,
        sessionId: id,
        title: text(200).optional().describe('Without it what the agent said, or the title of its issue.'),
        body: z.string().max(20_000).optional(),
      }),
    )
    .output(
      z.object({
        sessionId: id,
        status: z.enum(sessionStatuses),
        id: id.nullable().describe('Of the pull request, once it is there.'),
        number: z.number().nullable(),
        url: z.string().nullable(),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const { services, organizationId, by } = ctx;
      const { sessionId, title = '', body = '' } = input;
      const asked = await services.store.tenant(organizationId, async (tx) => {
        if ((await readSession(tx, sessionId)) === undefined) throw notFound();
        const pushed = await pushAndCreatePr(tx, sessionId, { by, title, summary: body });
        if (pushed.ok) await audit(tx, organizationId, 'session.pushed', sessionId, {}, by);
        return pushed;
      });
      if (!asked.ok) throw new ForgewayError('FORGEWAY_CONFLICT', asked.why);
      await services.sessionSoon(asked.wish);
      const { status, pullRequestId, pullRequestNumber: number, pullRequestUrl: url } = asked.wish.session;
      return { sessionId, status, id: pullRequestId, number, url };
    }),

  close: write('POST', '/close', 'Closes it, on the forge.', ON_FORGE)
    .input(one)
    .output(onForgeNow)
    .mutation(({ ctx, input }) => changeState(ctx, input.id, 'closed')),

  reopen: write('POST', '/reopen', 'Opens it again, on the forge.', ON_FORGE)
    .input(one)
    .output(onForgeNow)
    .mutation(({ ctx, input }) => changeState(ctx, input.id, 'open')),

  requestChanges: write('POST', '/change-requests', 'Asks for changes in a review, on the forge.', ON_FORGE)
    .input(one.extend({ body: text(65_536) }))
    .output(onForgeNow)
    .mutation(async ({ ctx, input }) => {
      const target = await onForge(ctx.services, ctx.organizationId, 'pullRequest', input.id);
      const data = await target.ask('POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews', {
        ...{ pull_number: target.number, event: 'REQUEST_CHANGES', body: input.body },
      });
      await done(ctx, 'changes-requested', input.id);
      return { id: input.id, url: urlOf(data) };
    }),

  approve: write('POST', '/approvals', 'Approves the commit that is named, on the forge.', ON_FORGE)
    .input(
      one.extend({ sha: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/), body: z.string().max(65_536).optional() }),
    )
    .output(onForgeNow)
    .mutation(async ({ ctx, input }) => {
      const target = await onForge(ctx.services, ctx.organizationId, 'pullRequest', input.id);
      const data = await target.ask('POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews', {
        pull_number: target.number,
        event: 'APPROVE',
        commit_id: input.sha,
        ...(input.body !== undefined && { body: input.body }),
      });
      await done(ctx, 'approved', input.id);
      return { id: input.id, url: urlOf(data) };
    }),

  merge: write('PUT', '/merge', 'Merges it, if its head is still the commit that is named, on the forge.', ON_FORGE)
    .input(
      one.extend({
        sha: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/),
        method: z.enum(['merge', 'squash', 'rebase']).default('merge'),
      }),
    )
    .output(onForgeNow)
    .mutation(async ({ ctx, input }) => {
      const target = await onForge(ctx.services, ctx.organizationId, 'pullRequest', input.id);
      await target.ask('PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge', {
        pull_number: target.number,
        sha: input.sha,
        merge_method: input.method,
      });
      await done(ctx, 'merged', input.id);
      return { id: input.id, url: null };
    }),
});
