/**
 * `/workspaces/:id/actions/lock`, `unlock` and `force-unlock`. Two locks lie beside each other: that of a person, and that of an
 * apply that ended badly. Whoever may apply can lock over the latter, to mend the state; only force takes it away.
 */
import type { FastifyInstance } from 'fastify';
import type { PoolClient } from 'pg';
import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import { type WantedRun, wakeRuns } from '../../jobs/run/move.js';
import { ForgewayError } from '../../lib/errors.js';
import {
  holdWorkspace,
  updateWorkspace,
  type WorkspaceChange,
  type WorkspaceRow,
} from '../../store/workspace/workspaces.js';
import { notFound } from '../authorize.js';
import { parseInput } from '../problem.js';
import { type Routes, send, type Visit } from './context.js';
import { workspaceIds } from './ids.js';
import { heldInWords, holderOf, WORKSPACES } from './workspace-document.js';

const reasonSchema = z.object({ reason: z.string().max(500).nullish() });
const documentSchema = z.object({ data: z.object({ attributes: reasonSchema }) });

/** As the documentation has it, and as a document, which is how the Terraform CLI says it. */
function reasonOf(body: unknown): string | null {
  if (body === null || body === undefined) return null;
  const isDocument = typeof body === 'object' && 'data' in body;
  return (
    (isDocument ? parseInput(documentSchema, body).data.attributes : parseInput(reasonSchema, body)).reason ?? null
  );
}

const conflict = (message: string) => new ForgewayError('FORGEWAY_CONFLICT', message);
const isHolder = (visit: Visit, row: WorkspaceRow): boolean => row.lockedBy?.split(' ')[0] === visit.by.split(' ')[0];

/** Nobody has it. */
const FREE = { lockedBy: null, lockedAt: null, lockReason: null } satisfies WorkspaceChange;

function lock(visit: Visit, row: WorkspaceRow, reason: string | null): WorkspaceChange {
  const isLeft = row.lockedBy === null && row.lockedByRunId !== null && row.activeRunId === null;
  if (holderOf(row) !== undefined && !(isLeft && visit.may('run.apply'))) throw conflict(heldInWords(row));
  return { lockedBy: visit.by, lockedAt: new Date(), lockReason: reason };
}

function unlock(visit: Visit, row: WorkspaceRow): WorkspaceChange {
  if (row.lockedBy === null && row.lockedByRunId !== null)
    throw conflict(`${heldInWords(row)} Whoever may apply looks at its state, then unlocks it by force.`);
  if (row.lockedBy === null)
    throw conflict(row.activeRunId === null ? heldInWords(row) : `${heldInWords(row)} Cancel or discard it instead.`);
  if (!isHolder(visit, row)) throw conflict(`${heldInWords(row)} Whoever may force it can unlock it.`);
  return FREE;
}

function forceUnlock(row: WorkspaceRow): WorkspaceChange {
  if (row.lockedBy === null && row.lockedByRunId === null)
    throw conflict(row.activeRunId === null ? heldInWords(row) : `${heldInWords(row)} Cancel or discard it instead.`);
  return { ...FREE, lockedByRunId: null };
}

export function addLockRoutes(app: FastifyInstance, routes: Routes): void {
  const { store, workspaces } = routes.o.services;

  /** Whatever waited for the workspace is looked at again at once. */
  async function change(
    visit: Visit,
    action: string,
    decideOn: (row: WorkspaceRow) => WorkspaceChange,
    reason: string | null = null,
  ): Promise<Visit> {
    const { organizationId, by } = visit;
    const wanted = await store.tenant(organizationId, async (tx: PoolClient): Promise<WantedRun[]> => {
      const row = await holdWorkspace(tx, visit.workspace.id);
      if (row === undefined) throw notFound();
      const next = decideOn(row);
      await updateWorkspace(tx, row.id, next);
      const left = row.lockedByRunId !== null && next.lockedByRunId === null ? { run: `run-${row.lockedByRunId}` } : {};
      await audit(
        tx,
        organizationId,
        action,
        workspaceIds.external(row.id),
        { ...(reason && { reason }), ...left },
        by,
      );
      return next.lockedBy === null ? wakeRuns(tx, organizationId, row.id) : [];
    });
    for (const one of wanted) await workspaces.runSoon(one);
    return routes.again(visit);
  }

  const at = `/${WORKSPACES}/:id/actions`;
  app.post(`${at}/lock`, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('run.plan');
    const reason = reasonOf(request.body);
    const locked = await change(visit, 'workspace.locked', (row) => lock(visit, row, reason), reason);
    return send(reply, { data: await routes.workspaceDocument(locked) });
  });

  app.post(`${at}/unlock`, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('run.plan');
    const unlocked = await change(visit, 'workspace.unlocked', (row) => unlock(visit, row));
    return send(reply, { data: await routes.workspaceDocument(unlocked) });
  });

  app.post(`${at}/force-unlock`, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('run.apply');
    const unlocked = await change(visit, 'workspace.force-unlocked', forceUnlock);
    return send(reply, { data: await routes.workspaceDocument(unlocked) });
  });
}
