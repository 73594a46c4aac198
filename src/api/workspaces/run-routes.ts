/** `/runs`, `/plans` and `/applies`: queue, show, list, and what is asked of a run. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import { setRunVariables } from '../../accounts/workspace-secrets.js';
import { askRun } from '../../jobs/run/move.js';
import type { Wish } from '../../jobs/run/state.js';
import { ForgewayError } from '../../lib/errors.js';
import { parseVersionConstraint } from '../../lib/version-constraint.js';
import {
  type ConfigurationVersionRow,
  getConfigurationVersion,
  latestConfigurationVersion,
} from '../../store/workspace/configuration-versions.js';
import { readLog } from '../../store/workspace/run-log.js';
import {
  getPhase,
  getRun,
  insertRun,
  isTrusted,
  listRuns,
  type PhaseName,
  type PhaseRow,
  phasesOf,
  type RunRow,
  runStatuses,
  runsBefore,
} from '../../store/workspace/runs.js';
import { notFound } from '../authorize.js';
import { API_PREFIX, collection } from '../json-api/document.js';
import { InvalidRequest, parseInput, parseQuery } from '../problem.js';
import { pageOf, type Routes, send, type Visit } from './context.js';
import { applyIds, configurationIds, planIds, runIds, workspaceIds } from './ids.js';
import { applyResource, isOwn, planResource, runResource } from './run-document.js';
import { attributeIssue, relationshipIssue } from './workspace-input.js';

/** A CLI that reads a log for longer asks for the plan again. */
const LOG_LINK_SECONDS = 24 * 60 * 60;
const MOST_LOG = 256 * 1024;
const [STX, ETX] = [Buffer.from([2]), Buffer.from([3])];

const to = (type: string) => z.object({ data: z.object({ id: z.string().max(100), type: z.literal(type) }) });
const address = z
  .string()
  .max(1_000)
  .regex(/^[^\s-]\S*$/u, 'must be the address of a resource');

const createSchema = z.object({
  data: z.object({
    type: z.literal('runs', { error: 'must be runs' }).default('runs'),
    attributes: z
      .object({
        message: z.string().max(4_000).nullish(),
        'is-destroy': z.boolean().nullish(),
        'auto-apply': z.boolean().nullish(),
        'plan-only': z.boolean().nullish(),
        'save-plan': z.boolean().nullish(),
        refresh: z.boolean().nullish(),
        'refresh-only': z.boolean().nullish(),
        'allow-empty-apply': z.boolean().nullish(),
        'allow-config-generation': z.boolean().nullish(),
        'target-addrs': z.array(address).max(200).nullish(),
        'replace-addrs': z.array(address).max(200).nullish(),
        'terraform-version': z
          .string()
          .max(50)
          .refine((text) => parseVersionConstraint(text) !== undefined, 'must be a version such as 1.11.4')
          .nullish(),
        variables: z
          .array(
            z.object({
              key: z.string().regex(/^[A-Za-z_][\w-]{0,254}$/, 'must be a name'),
              value: z.string().max(65_536),
            }),
          )
          .max(500)
          .nullish(),
      })
      .default({}),
    relationships: z.object({
      workspace: to('workspaces'),
      'configuration-version': to('configuration-versions').optional(),
    }),
  }),
});
type Wanted = z.output<typeof createSchema>['data'];

const commentBody = z.object({ comment: z.string().max(4_000).nullish() }).nullish();
const statusQuery = z.object({ 'filter[status]': z.string().max(300).optional() });
const includeQuery = z.object({ include: z.string().max(300).optional() });
const logQuery = z.object({
  offset: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(0).max(10_000_000).default(MOST_LOG),
});

async function configurationFor(tx: pg.PoolClient, visit: Visit, wanted: Wanted): Promise<ConfigurationVersionRow> {
  const external = wanted.relationships['configuration-version']?.data.id;
  const id = external === undefined ? undefined : configurationIds.internal(external);
  const row =
    external === undefined
      ? await latestConfigurationVersion(tx, visit.workspace.id)
      : id && (await getConfigurationVersion(tx, id));
  const missing = (message: string) => new InvalidRequest([relationshipIssue('configuration-version', message)]);
  if (!row || row.workspaceId !== visit.workspace.id)
    throw missing(
      external === undefined ? 'is needed: the workspace has no configuration yet' : 'is not one of this workspace',
    );
  if (row.status !== 'uploaded')
    throw missing(`cannot be planned: it is ${row.status}${row.errorMessage ? ` (${row.errorMessage})` : ''}`);
  return row;
}

/** Contradictions, each with its field. */
function checkOptions({ attributes: a }: Wanted, visit: Visit): void {
  const issues = [
    ...(a['refresh-only'] && a['is-destroy'] ? [attributeIssue('refresh-only', 'cannot destroy')] : []),
    ...(a['refresh-only'] && a.refresh === false ? [attributeIssue('refresh', 'is what refresh-only does')] : []),
    ...(a['save-plan'] && a['plan-only']
      ? [attributeIssue('save-plan', 'is to be applied, and plan-only never is')]
      : []),
    // A client would say that it has written a file that nothing is in.
    ...(a['allow-config-generation']
      ? [
          attributeIssue(
            'allow-config-generation',
            'must be false: no configuration is written here. Write the resources of the import blocks, or plan in a workspace whose execution-mode is local',
          ),
        ]
      : []),
    ...(a['is-destroy'] && !visit.workspace.allowDestroyPlan
      ? [attributeIssue('is-destroy', 'is not allowed in this workspace')]
      : []),
  ];
  if (issues.length > 0) throw new InvalidRequest(issues);
}

export function addRunRoutes(app: FastifyInstance, routes: Routes): void {
  const { services } = routes.o;
  const { store } = services;

  const logOf = (phase: PhaseRow) => routes.link('log', 'read', phase.organizationId, phase.id, LOG_LINK_SECONDS);

  /** @param wanted of what it refers to, that is told whole */
  const documentOf = async (visit: Visit, id: string, wanted: ReadonlySet<string> = new Set()) => {
    const found = await store.tenant(visit.organizationId, async (tx) => {
      const run = await getRun(tx, id);
      return run && { run, phases: await phasesOf(tx, id), position: await runsBefore(tx, run) };
    });
    if (found === undefined) throw notFound();
    const { plan, apply } = found.phases;
    const included: unknown[] = [
      ...(wanted.has('plan') ? [planResource(plan, logOf(plan), visit.may('state.read'))] : []),
      ...(wanted.has('apply') && apply ? [applyResource(apply, logOf(apply))] : []),
      ...(wanted.has('workspace') ? [await routes.workspaceDocument(visit)] : []),
    ];
    return { data: runResource(visit, found.run, found), ...(included.length > 0 && { included }) };
  };
  const loadRun = async (tx: pg.PoolClient, id: string) => {
    const run = await getRun(tx, id);
    return run && { thing: run, workspaceId: run.workspaceId };
  };
  const findRun = (request: FastifyRequest): Promise<Visit & { thing: RunRow }> =>
    routes.find(request, runIds, loadRun);

  async function create(visit: Visit, wanted: Wanted): Promise<string> {
    const { attributes: a } = wanted;
    checkOptions(wanted, visit);
    if (visit.workspace.executionMode === 'local')
      throw new InvalidRequest([
        relationshipIssue('workspace', 'plans and applies on the machines of its users, not here'),
      ]);
    const { organizationId, by } = visit;
    const { runId, version } = await store.tenant(organizationId, async (tx) => {
      const configuration = await configurationFor(tx, visit, wanted);
      const planOnly = a['plan-only'] === true || configuration.speculative;
      // It may have been uploaded before the workspace was linked.
      if (!planOnly && configuration.source === 'api' && visit.workspace.vcsRepoUrl !== null)
        throw new InvalidRequest([
          attributeIssue(
            'plan-only',
            'must be true: this configuration was uploaded, and what is applied of a linked workspace comes from its repository',
          ),
        ]);
      const trusted = await isTrusted(tx, configuration.id);
      const id = await insertRun(tx, organizationId, {
        workspaceId: visit.workspace.id,
        configurationVersionId: configuration.id,
        source: 'api',
        trusted,
        message: a.message ?? 'Queued by the API',
        createdBy: by,
        planOnly,
        // Whoever may not apply does not have it done by making a run either.
        autoApply: !planOnly && (a['auto-apply'] ?? (visit.workspace.autoApply && visit.may('run.apply'))),
        isDestroy: a['is-destroy'] ?? false,
        refresh: a.refresh ?? true,
        refreshOnly: a['refresh-only'] ?? false,
        allowEmptyApply: a['allow-empty-apply'] ?? false,
        savePlan: !planOnly && (a['save-plan'] ?? false),
        targetAddrs: a['target-addrs'] ?? [],
        replaceAddrs: a['replace-addrs'] ?? [],
        terraformVersion: a['terraform-version'] ?? visit.workspace.terraformVersion,
        ...(configuration.vcsCommitSha !== null && { vcsCommitSha: configuration.vcsCommitSha }),
        ...(configuration.vcsBranch !== null && { vcsBranch: configuration.vcsBranch }),
      });
      if (id === undefined) throw new ForgewayError('FORGEWAY_CONFLICT', 'There is such a run already.');
      if (a.variables?.length)
        await setRunVariables(tx, services.workspaces.vault, { organizationId, runId: id }, a.variables);
      await audit(
        tx,
        organizationId,
        'run.queued',
        runIds.external(id),
        { planOnly, destroy: a['is-destroy'] ?? false },
        by,
      );
      return { runId: id, version: (await getRun(tx, id))?.desiredVersion ?? 1n };
    });
    await services.workspaces.runSoon({ organizationId, id: runId, version });
    return runId;
  }

  app.post('/runs', async (request, reply) => {
    const { data } = parseInput(createSchema, request.body);
    const visit = await routes.workspaceOf(request, data.relationships.workspace.data.id);
    await visit.permit('run.plan');
    if (data.attributes['auto-apply'] && !data.attributes['plan-only']) await visit.permit('run.apply');
    const document = await routes.changing(request, visit, async () => documentOf(visit, await create(visit, data)));
    return send(reply, document, 201);
  });

  app.get('/workspaces/:id/runs', async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    const page = pageOf(request.query);
    const asked = parseQuery(statusQuery, request.query)['filter[status]'];
    const statuses = asked?.split(',').filter((status) => (runStatuses as readonly string[]).includes(status));
    const { rows, total } = await store.tenant(visit.organizationId, async (tx) => {
      const listed = await listRuns(tx, visit.workspace.id, { ...(statuses && { statuses }) }, page);
      const data = [];
      for (const run of listed.rows) data.push(runResource(visit, run, { phases: await phasesOf(tx, run.id) }));
      return { rows: data, total: listed.total };
    });
    const path = `${API_PREFIX}/workspaces/${workspaceIds.external(visit.workspace.id)}/runs`;
    const query = new URLSearchParams(asked === undefined ? {} : { 'filter[status]': asked });
    return send(reply, collection(rows, path, query, { number: page.number, size: page.size, total }));
  });

  app.get('/runs/:id', async (request, reply) => {
    const visit = await findRun(request);
    const wanted = new Set(parseQuery(includeQuery, request.query).include?.split(',') ?? []);
    return send(reply, await documentOf(visit, visit.thing.id, wanted));
  });

  // ── What is asked of a run ───────────────────────────────────────────────────────────────────────────────────────────────

  const wishes: Readonly<Record<string, Wish['kind']>> = {
    apply: 'confirm',
    discard: 'discard',
    cancel: 'cancel',
    'force-cancel': 'force-cancel',
  };
  for (const [name, kind] of Object.entries(wishes))
    app.post(`/runs/:id/actions/${name}`, async (request, reply) => {
      const visit = await findRun(request);
      const { thing: run, organizationId, by } = visit;
      const stops = kind === 'cancel' || kind === 'discard';
      await visit.permit(stops && isOwn(run, by) ? 'run.plan' : 'run.apply');
      const comment = parseInput(commentBody, request.body)?.comment ?? null;
      await routes.changing(request, visit, async () => {
        const moved = await store.tenant(organizationId, async (tx) => {
          const asked = await askRun(tx, run.id, { kind } as Wish, {
            by,
            ...(comment && { comment, reason: comment }),
          });
          if (asked === undefined) throw notFound();
          if ('refused' in asked.outcome) throw new ForgewayError('FORGEWAY_CONFLICT', asked.outcome.refused);
          if (!('unchanged' in asked.outcome))
            await audit(tx, organizationId, `run.${kind}`, runIds.external(run.id), comment ? { comment } : {}, by);
          return asked;
        });
        for (const wanted of moved.wanted) await services.workspaces.runSoon(wanted);
        return {};
      });
      return reply.code(202).send();
    });

  // What this server does not have, as clients of this API ask for it.
  for (const name of ['policy-checks', 'task-stages', 'run-events', 'comments'])
    app.get(`/runs/:id/${name}`, async (request, reply) => {
      await findRun(request);
      return send(reply, { data: [] });
    });

  // ── Plans and applies ────────────────────────────────────────────────────────────────────────────────────────────────────

  const loadPhase = (phase: PhaseName) => async (tx: pg.PoolClient, id: string) => {
    const row = await getPhase(tx, id);
    const run = row?.phase === phase ? await getRun(tx, row.runId) : undefined;
    return row && run && { thing: row, workspaceId: run.workspaceId };
  };
  app.get('/plans/:id', async (request, reply) => {
    const { thing, may } = await routes.find(request, planIds, loadPhase('plan'));
    return send(reply, { data: planResource(thing, logOf(thing), may('state.read')) });
  });
  app.get('/runs/:id/plan', async (request, reply) => {
    const visit = await findRun(request);
    const { plan } = await store.tenant(visit.organizationId, (tx) => phasesOf(tx, visit.thing.id));
    return send(reply, { data: planResource(plan, logOf(plan), visit.may('state.read')) });
  });
  app.get('/applies/:id', async (request, reply) => {
    const { thing } = await routes.find(request, applyIds, loadPhase('apply'));
    return send(reply, { data: applyResource(thing, logOf(thing)) });
  });

  app.get('/plans/:id/json-output', async (request, reply) => {
    const visit = await routes.find(request, planIds, loadPhase('plan'));
    await visit.permit('state.read');
    if (visit.thing.jsonBlobId === null) return reply.code(204).send();
    const bytes = await services.workspaces.blobs.readAll(visit.organizationId, visit.thing.jsonBlobId);
    return reply.type('application/json').send(bytes);
  });

  /** As `terraform show` of a saved plan draws it, for whoever may see the run: nothing that is sensitive is in it. */
  app.get('/plans/:id/json-output-redacted', async (request, reply) => {
    const visit = await routes.find(request, planIds, loadPhase('plan'));
    if (visit.thing.shownBlobId === null)
      throw new ForgewayError(
        'FORGEWAY_CONFLICT',
        visit.thing.finishedAt === null
          ? 'The plan is not made yet. Wait until it is finished.'
          : 'Of this plan only its log is there: it was made without -out, it is older than RUN_RETENTION_DAYS, or its providers’ schemas are larger than is kept.',
      );
    const bytes = await services.workspaces.blobs.readAll(visit.organizationId, visit.thing.shownBlobId);
    return reply.type('application/json').send(bytes);
  });

  /** Without a token: the address is one. Framed, so that a reader knows the beginning and the end. */
  app.get<{ Params: { name: string } }>('/objects/log/:name', async (request, reply) => {
    const target = services.workspaces.links.read('log', 'read', request.params.name);
    if (target === undefined) throw notFound();
    const { offset, limit } = parseQuery(logQuery, request.query);
    const part = await store.tenant(target.organizationId, (tx) =>
      readLog(tx, target.id, { offset: Math.max(0, offset - 1), limit: Math.min(limit, MOST_LOG) }),
    );
    if (part === undefined) throw notFound();
    const { size, closed } = part;
    const text = part.bytes.subarray(0, Math.max(0, limit - (offset === 0 ? 1 : 0)));
    const isEnd = closed && Math.max(0, offset - 1) + text.length >= size && offset <= size + 1;
    // A reader waits for the first byte of a log that has not begun.
    const starts = offset === 0 && (size > 0 || closed);
    return sendLog(reply, Buffer.concat([...(starts ? [STX] : []), text, ...(isEnd ? [ETX] : [])]));
  });
}

const sendLog = (reply: FastifyReply, bytes: Buffer): FastifyReply =>
  reply.type('text/plain; charset=utf-8').header('content-length', String(bytes.length)).send(bytes);
