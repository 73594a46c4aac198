/** `/configuration-versions`: announce one, upload its archive, see what became of it. */
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import {
  type ConfigurationVersionRow,
  getConfigurationVersion,
  insertConfigurationVersion,
  listConfigurationVersions,
  noteConfigurationError,
  noteUploaded,
} from '../../store/workspace/configuration-versions.js';
import { getRun, insertRun } from '../../store/workspace/runs.js';
import { getWorkspace } from '../../store/workspace/workspaces.js';
import { notFound } from '../authorize.js';
import { API_PREFIX, collection } from '../json-api/document.js';
import { InvalidRequest, parseInput } from '../problem.js';
import { pageOf, type Routes, send, UPLOAD } from './context.js';
import { configurationIds, workspaceIds } from './ids.js';
import { to } from './workspace-document.js';
import { attributeIssue } from './workspace-input.js';

const UPLOAD_SECONDS = 60 * 60;

const createSchema = z
  .object({
    data: z.object({
      attributes: z
        .object({
          'auto-queue-runs': z.boolean().nullish(),
          speculative: z.boolean().nullish(),
          provisional: z.boolean().nullish(),
        })
        .default({}),
    }),
  })
  .nullish();

function resource(row: ConfigurationVersionRow, uploadUrl: string | null) {
  const id = configurationIds.external(row.id);
  const self = `${API_PREFIX}/configuration-versions/${id}`;
  return {
    id,
    type: 'configuration-versions',
    attributes: {
      status: row.status,
      source: row.source === 'vcs' ? 'vcs' : 'tfe-api',
      speculative: row.speculative,
      provisional: false,
      'auto-queue-runs': row.autoQueueRuns,
      'upload-url': row.status === 'pending' ? uploadUrl : null,
      error: row.error,
      'error-message': row.errorMessage === null ? null : redactText(row.errorMessage),
      size: row.size === null ? null : Number(row.size),
      sha256: row.sha256,
      'vcs-commit-sha': row.vcsCommitSha,
      'vcs-branch': row.vcsBranch,
      'vcs-pull-request-number': row.vcsPullRequestNumber,
      'changed-files': [],
      'created-at': row.createdAt.toISOString(),
    },
    relationships: {
      workspace: to('workspaces', workspaceIds.external(row.workspaceId)),
      'ingress-attributes': to('ingress-attributes', null),
    },
    links: { self, ...(row.status === 'uploaded' && { download: `${self}/download` }) },
  };
}

export function addConfigurationRoutes(app: FastifyInstance, routes: Routes): void {
  const { services } = routes.o;
  const { store, log } = services;
  const { workspaces } = services;
  const load = async (tx: pg.PoolClient, id: string) => {
    const row = await getConfigurationVersion(tx, id);
    return row && { thing: row, workspaceId: row.workspaceId };
  };
  const uploadUrl = (row: ConfigurationVersionRow) =>
    row.source === 'vcs' ? null : routes.link('configuration', 'write', row.organizationId, row.id, UPLOAD_SECONDS);

  const all = '/workspaces/:id/configuration-versions';
  app.post(all, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('run.plan');
    const { organizationId, workspace, by } = visit;
    const attributes = parseInput(createSchema, request.body)?.data.attributes ?? {};
    const speculative = attributes.speculative ?? false;
    // What is applied of a linked workspace comes from its repository, where it was reviewed.
    if (workspace.vcsRepoUrl !== null && !speculative)
      throw new InvalidRequest([
        attributeIssue('speculative', 'must be true: the workspace is linked to a repository'),
      ]);
    const document = await routes.changing(request, visit, async () => {
      const row = await store.tenant(organizationId, async (tx) => {
        const id = await insertConfigurationVersion(tx, organizationId, {
          workspaceId: workspace.id,
          source: 'api',
          createdBy: by,
          speculative,
          autoQueueRuns: attributes['auto-queue-runs'] ?? true,
        });
        return getConfigurationVersion(tx, id);
      });
      if (row === undefined) throw notFound();
      return { data: resource(row, uploadUrl(row)) };
    });
    return send(reply, document, 201);
  });

  app.get(all, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    const page = pageOf(request.query);
    const { rows, total } = await store.tenant(visit.organizationId, (tx) =>
      listConfigurationVersions(tx, visit.workspace.id, page),
    );
    const path = `${API_PREFIX}/workspaces/${workspaceIds.external(visit.workspace.id)}/configuration-versions`;
    const data = rows.map((row) => resource(row, null));
    return send(reply, collection(data, path, new URLSearchParams(), { number: page.number, size: page.size, total }));
  });

  app.get('/configuration-versions/:id', async (request, reply) => {
    const { thing } = await routes.find(request, configurationIds, load);
    return send(reply, { data: resource(thing, null) });
  });

  app.get('/configuration-versions/:id/download', async (request, reply) => {
    const visit = await routes.find(request, configurationIds, load);
    await visit.permit('run.plan');
    if (visit.thing.blobId === null) throw notFound();
    const { Readable } = await import('node:stream');
    return reply
      .type('application/gzip')
      .send(Readable.from(workspaces.blobs.read(visit.organizationId, visit.thing.blobId)));
  });

  /** A run without being asked for, when the archive was announced so. */
  async function queue(
    tx: pg.PoolClient,
    row: ConfigurationVersionRow,
  ): Promise<{ id: string; version: bigint } | undefined> {
    const workspace = await getWorkspace(tx, row.workspaceId);
    if (!row.autoQueueRuns || workspace === undefined || workspace.executionMode === 'local') return undefined;
    // It may have been linked since the archive was announced.
    const planOnly = row.speculative || workspace.vcsRepoUrl !== null;
    const id = await insertRun(tx, row.organizationId, {
      workspaceId: row.workspaceId,
      configurationVersionId: row.id,
      source: 'api',
      message: 'Queued by an upload',
      createdBy: row.createdBy,
      planOnly,
      terraformVersion: workspace.terraformVersion,
    });
    if (id === undefined) return undefined;
    await audit(tx, row.organizationId, 'run.queued', `run-${id}`, { planOnly }, row.createdBy);
    return { id, version: (await getRun(tx, id))?.desiredVersion ?? 1n };
  }

  app.put<{ Params: { name: string } }>('/objects/configuration/:name', UPLOAD, async (request, reply) => {
    const target = workspaces.links.read('configuration', 'write', request.params.name);
    if (target === undefined) throw notFound();
    const { organizationId, id } = target;
    const row = await store.tenant(organizationId, (tx) => getConfigurationVersion(tx, id));
    if (row === undefined) throw notFound();
    if (row.status !== 'pending')
      throw new ForgewayError('FORGEWAY_CONFLICT', 'The configuration version has its archive already; make another.');
    try {
      const blob = await workspaces.storeArchive(organizationId, request.raw);
      const queued = await store.tenant(organizationId, async (tx) => {
        if (!(await noteUploaded(tx, id, blob)))
          throw new ForgewayError('FORGEWAY_CONFLICT', 'Another upload was faster.');
        return queue(tx, row);
      });
      if (queued !== undefined) await workspaces.runSoon({ organizationId, ...queued });
    } catch (error) {
      const isOurs = error instanceof ForgewayError;
      // A connection that breaks is no verdict on the archive: it may be sent again.
      if (isOurs && error.retry === 'never' && error.code !== 'FORGEWAY_CONFLICT')
        await store.tenant(organizationId, (tx) =>
          noteConfigurationError(tx, id, { error: error.code, message: messageOf(error) }),
        );
      else log.warn({ err: messageOf(error) }, 'an archive of a configuration did not arrive');
      throw error;
    }
    return reply.code(200).send();
  });
}
