/** `/state-versions` and their outputs: remote state, as the Terraform CLI reads and writes it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import { checkSuccession, contentOf, md5Of, receiveState, STATE_LIMIT } from '../../accounts/workspace-state.js';
import { ForgewayError } from '../../lib/errors.js';
import { outputValues } from '../../lib/terraform-state.js';
import { getRun } from '../../store/workspace/runs.js';
import {
  currentStateVersion,
  getStateVersion,
  insertStateVersion,
  listStateVersions,
  type StateOutput,
  type StateVersionRow,
  setStateJson,
} from '../../store/workspace/state-versions.js';
import { findWorkspace, getWorkspace, holdWorkspace } from '../../store/workspace/workspaces.js';
import { authorizedOrganization, notFound } from '../authorize.js';
import { API_PREFIX, collection } from '../json-api/document.js';
import { InvalidRequest, parseInput, parseQuery } from '../problem.js';
import { pageOf, type Routes, send, UPLOAD, type Visit } from './context.js';
import { runIds, stateIds, workspaceIds } from './ids.js';
import { to } from './workspace-document.js';
import { attributeIssue, relationshipIssue } from './workspace-input.js';

const LINK_SECONDS = 25 * 60;
/** A body of JSON with a state in base64. */
export const STATE_BODY_LIMIT = 100 * 1024 * 1024;

const base64 = z
  .string()
  .refine((text) => /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text), 'must be base64')
  .transform((text) => Buffer.from(text, 'base64'));

const createSchema = z.object({
  data: z.object({
    type: z.literal('state-versions', { error: 'must be state-versions' }),
    attributes: z.object({
      serial: z.number({ error: 'must be the serial of the state' }).int().min(0),
      md5: z.string().regex(/^[0-9a-f]{32}$/, 'must be the MD5 of the state, in hex'),
      lineage: z.string().max(200).nullish(),
      state: base64.nullish(),
      'json-state': base64.nullish(),
      force: z.boolean().nullish(),
    }),
    relationships: z
      .object({ run: z.object({ data: z.object({ id: z.string().max(100) }).nullish() }).optional() })
      .optional(),
  }),
});

const listQuery = z.object({
  'filter[workspace][name]': z.string().max(100),
  'filter[organization][name]': z.string().max(100),
});
const include = z.object({ include: z.string().max(200).optional() });

/** Such as `string` or `list`, of how Terraform writes types. */
const plainType = (type: unknown): string => {
  const [first] = Array.isArray(type) ? (type as unknown[]) : [type];
  return first === 'bool'
    ? 'boolean'
    : first === 'list' || first === 'set' || first === 'tuple'
      ? 'array'
      : String(first);
};

const OUTPUT = /^wsout-([0-9a-f-]{36})\.([A-Za-z0-9_-]{1,400})$/;
const outputId = (stateId: string, name: string): string =>
  `wsout-${stateId}.${Buffer.from(name, 'utf8').toString('base64url')}`;

export function addStateRoutes(app: FastifyInstance, routes: Routes): void {
  const { services, callerOf } = routes.o;
  const { store, workspaces } = services;
  const { blobs } = workspaces;
  const states = { store, blobs };

  const linksOf = (row: StateVersionRow, mayWrite: boolean) => {
    const link = (kind: 'state' | 'json-state', use: 'read' | 'write') =>
      routes.link(kind, use, row.organizationId, row.id, LINK_SECONDS);
    const isPending = row.status === 'pending';
    return {
      'hosted-state-download-url': row.stateBlobId === null ? null : link('state', 'read'),
      'hosted-json-state-download-url': row.jsonBlobId === null ? null : link('json-state', 'read'),
      ...(mayWrite && {
        'hosted-state-upload-url': isPending ? link('state', 'write') : null,
        'hosted-json-state-upload-url': row.jsonBlobId === null ? link('json-state', 'write') : null,
      }),
    };
  };

  const resource = (row: StateVersionRow, visit: Pick<Visit, 'may' | 'workspace'>) => {
    const id = stateIds.external(row.id);
    return {
      id,
      type: 'state-versions',
      attributes: {
        serial: Number(row.serial),
        lineage: row.lineage,
        md5: row.md5,
        size: row.size === null ? null : Number(row.size),
        status: row.status,
        'terraform-version': row.terraformVersion,
        'state-version': 4,
        'resources-processed': true,
        resources: row.resources,
        'created-at': row.createdAt.toISOString(),
        ...(visit.may('state.read') && linksOf(row, visit.may('state.write'))),
      },
      relationships: {
        workspace: to('workspaces', workspaceIds.external(row.workspaceId)),
        run: to('runs', row.runId && runIds.external(row.runId)),
        outputs: {
          data: row.outputs.map(({ name }) => ({ id: outputId(row.id, name), type: 'state-version-outputs' })),
        },
      },
      links: { self: `${API_PREFIX}/state-versions/${id}` },
    };
  };

  const outputResource = (row: StateVersionRow, output: StateOutput, value: unknown) => ({
    id: outputId(row.id, output.name),
    type: 'state-version-outputs',
    attributes: {
      name: output.name,
      sensitive: output.sensitive,
      type: plainType(output.type),
      'detailed-type': output.type,
      value: value ?? null,
    },
    links: { self: `${API_PREFIX}/state-version-outputs/${outputId(row.id, output.name)}` },
  });

  /** @param withSensitive only where one is asked for by its id */
  async function outputsOf(row: StateVersionRow, withSensitive = false) {
    if (row.stateBlobId === null || row.outputs.length === 0) return [];
    const values = outputValues(await blobs.readAll(row.organizationId, row.stateBlobId));
    return row.outputs.map((output) =>
      outputResource(row, output, output.sensitive && !withSensitive ? null : values.get(output.name)),
    );
  }

  const load = async (tx: pg.PoolClient, id: string) => {
    const row = await getStateVersion(tx, id);
    return row && { thing: row, workspaceId: row.workspaceId };
  };
  const documentOf = async (row: StateVersionRow, visit: Visit, request: FastifyRequest) => {
    const wanted = parseQuery(include, request.query).include?.split(',') ?? [];
    const included = wanted.includes('outputs') && visit.may('state.read') ? await outputsOf(row) : undefined;
    return { data: resource(row, visit), ...(included && { included }) };
  };
  /**
   * `init` of the command line asks for the state of whoever only plans, who must not have it and does not need it where plans are
   * made here: to them there is none. Told that they may not, `init` fails.
   */
  const isForPlanner = ({ may, workspace }: Visit) =>
    !may('state.read') && may('run.plan') && workspace.executionMode !== 'local';
  const currentOf = async (
    request: FastifyRequest,
    isHidden?: (visit: Visit) => boolean,
  ): Promise<Visit & { row: StateVersionRow }> => {
    const visit = await routes.workspace(request, workspaceIds);
    if (isHidden?.(visit) === true) throw notFound();
    await visit.permit('state.read');
    const row = await store.tenant(visit.organizationId, (tx) => currentStateVersion(tx, visit.workspace.id));
    if (row === undefined) throw notFound();
    return { ...visit, row };
  };

  app.get('/workspaces/:id/current-state-version', async (request, reply) => {
    const { row, ...visit } = await currentOf(request, isForPlanner);
    return send(reply, await documentOf(row, visit, request));
  });
  app.get('/workspaces/:id/current-state-version-outputs', async (request, reply) => {
    const { row } = await currentOf(request);
    return send(reply, { data: await outputsOf(row) });
  });
  app.get('/state-versions/:id', async (request, reply) => {
    const { thing, ...visit } = await routes.find(request, stateIds, load);
    await visit.permit('state.read');
    return send(reply, await documentOf(thing, visit, request));
  });
  app.get('/state-versions/:id/outputs', async (request, reply) => {
    const { thing, ...visit } = await routes.find(request, stateIds, load);
    await visit.permit('state.read');
    return send(reply, { data: await outputsOf(thing) });
  });
  app.get('/state-version-outputs/:id', async (request, reply) => {
    const external = OUTPUT.exec((request.params as { id: string }).id);
    const form = { external: (id: string) => id, internal: () => external?.[1] };
    const { thing, ...visit } = await routes.find(request, form, load);
    await visit.permit('state.read');
    const name = Buffer.from(external?.[2] ?? '', 'base64url').toString('utf8');
    const found = (await outputsOf(thing, true)).find((output) => output.attributes.name === name);
    if (found === undefined) throw notFound();
    return send(reply, { data: found });
  });

  async function listOf(
    visit: Visit,
    path: string,
    query: URLSearchParams,
    request: FastifyRequest,
    reply: FastifyReply,
  ) {
    await visit.permit('state.read');
    const page = pageOf(request.query);
    const { rows, total } = await store.tenant(visit.organizationId, (tx) =>
      listStateVersions(tx, visit.workspace.id, page),
    );
    const data = rows.map((row) => resource(row, visit));
    return send(reply, collection(data, path, query, { number: page.number, size: page.size, total }));
  }
  app.get('/workspaces/:id/state-versions', async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    const path = `${API_PREFIX}/workspaces/${workspaceIds.external(visit.workspace.id)}/state-versions`;
    return listOf(visit, path, new URLSearchParams(), request, reply);
  });
  app.get('/state-versions', async (request, reply) => {
    const asked = parseQuery(listQuery, request.query);
    const actor = await callerOf(request);
    const organization = asked['filter[organization][name]'];
    const organizationId = await authorizedOrganization(services, actor, 'workspace.read', organization);
    const row = await store.tenant(organizationId, (tx) =>
      findWorkspace(tx, organizationId, asked['filter[workspace][name]']),
    );
    if (row === undefined) throw notFound();
    const visit = await routes.visit(actor, organizationId, row);
    return listOf(visit, `${API_PREFIX}/state-versions`, new URLSearchParams(asked), request, reply);
  });

  // ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  app.post('/workspaces/:id/state-versions', { bodyLimit: STATE_BODY_LIMIT }, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('state.write');
    const { attributes: a, relationships } = parseInput(createSchema, request.body).data;
    if (a.state != null && md5Of(a.state) !== a.md5)
      throw new InvalidRequest([attributeIssue('md5', 'is not the one of the state')]);
    if (a.state != null && contentOf(a.state).serial !== BigInt(a.serial))
      throw new InvalidRequest([attributeIssue('serial', 'is not the one of the state')]);
    const runId = relationships?.run?.data?.id;
    const row = await announce(visit, { ...a, runId });
    if (a.state != null) await receiveState(states, visit.organizationId, row, a.state);
    if (a['json-state'] != null) await storeJson(visit.organizationId, row.id, [a['json-state']]);
    const made = await store.tenant(visit.organizationId, (tx) => getStateVersion(tx, row.id));
    if (made === undefined) throw notFound();
    return send(reply, { data: resource(made, visit) }, 201);
  });

  interface Announced {
    serial: number;
    md5: string;
    lineage?: string | null | undefined;
    force?: boolean | null | undefined;
    runId: string | undefined;
  }
  async function announce(visit: Visit, o: Announced): Promise<StateVersionRow> {
    const { organizationId, by } = visit;
    const run = o.runId === undefined ? undefined : runIds.internal(o.runId);
    return store.tenant(organizationId, async (tx) => {
      const workspace = await holdWorkspace(tx, visit.workspace.id);
      if (workspace === undefined) throw notFound();
      if (o.runId !== undefined && (run === undefined || (await getRun(tx, run))?.workspaceId !== workspace.id))
        throw new InvalidRequest([relationshipIssue('run', 'is not one of this workspace')]);
      if (workspace.lockedBy?.split(' ')[0] !== by.split(' ')[0])
        throw new ForgewayError(
          'FORGEWAY_CONFLICT',
          workspace.lockedBy === null
            ? 'Lock the workspace before its state is written, so that nobody else does at the same time.'
            : `The workspace is locked by ${workspace.lockedBy}, and only they write its state.`,
        );
      if (o.force !== true)
        await checkSuccession(tx, workspace.id, { md5: o.md5, lineage: o.lineage, serial: BigInt(o.serial) });
      const id = await insertStateVersion(tx, organizationId, {
        workspaceId: workspace.id,
        serial: BigInt(o.serial),
        md5: o.md5,
        lineage: o.lineage ?? null,
        runId: run ?? null,
        forced: o.force ?? false,
        createdBy: by,
      });
      await audit(
        tx,
        organizationId,
        'state.written',
        stateIds.external(id),
        { serial: o.serial, forced: o.force ?? false },
        by,
      );
      const row = await getStateVersion(tx, id);
      if (row === undefined) throw notFound();
      return row;
    });
  }

  async function storeJson(
    organizationId: string,
    id: string,
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ) {
    const blob = await blobs.write(organizationId, 'state-json', bytes, { limit: STATE_LIMIT });
    await store.tenant(organizationId, (tx) => setStateJson(tx, id, blob.id));
  }

  // ── By signed addresses ──────────────────────────────────────────────────────────────────────────────────────────────────

  const announced = async (
    kind: 'state' | 'json-state',
    use: 'read' | 'write',
    name: string,
  ): Promise<StateVersionRow> => {
    const target = workspaces.links.read(kind, use, name);
    if (target === undefined) throw notFound();
    const row = await store.tenant(target.organizationId, async (tx) => {
      const found = await getStateVersion(tx, target.id);
      return found && (await getWorkspace(tx, found.workspaceId)) && found;
    });
    if (row === undefined) throw notFound();
    return row;
  };

  app.put<{ Params: { name: string } }>('/objects/state/:name', UPLOAD, async (request, reply) => {
    const row = await announced('state', 'write', request.params.name);
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of request.raw as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > STATE_LIMIT)
        throw new ForgewayError('FORGEWAY_TOO_LARGE', `A state may have ${STATE_LIMIT} bytes at most.`);
      parts.push(part);
    }
    await receiveState(states, row.organizationId, row, Buffer.concat(parts));
    return reply.code(200).send();
  });
  app.put<{ Params: { name: string } }>('/objects/json-state/:name', UPLOAD, async (request, reply) => {
    const row = await announced('json-state', 'write', request.params.name);
    await storeJson(row.organizationId, row.id, request.raw);
    return reply.code(200).send();
  });
  for (const kind of ['state', 'json-state'] as const)
    app.get<{ Params: { name: string } }>(`/objects/${kind}/:name`, async (request, reply) => {
      const row = await announced(kind, 'read', request.params.name);
      const blobId = kind === 'state' ? row.stateBlobId : row.jsonBlobId;
      if (blobId === null) throw notFound();
      return reply.type('application/json').send(await blobs.readAll(row.organizationId, blobId));
    });
}
