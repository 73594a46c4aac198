/** `/vars`: variables of a workspace. The value of a sensitive one is taken and never given. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { audit } from '../../accounts/audit.js';
import {
  deleteVariable,
  getVariable,
  insertVariable,
  listVariables,
  updateVariable,
  type VariableRow,
} from '../../accounts/workspace-secrets.js';
import { sqlStateOf } from '../../store/connection.js';
import { notFound } from '../authorize.js';
import { API_PREFIX } from '../json-api/document.js';
import { InvalidRequest, type Issue, parseInput } from '../problem.js';
import { type Routes, send, type Visit } from './context.js';
import { variableIds, workspaceIds } from './ids.js';
import { to } from './workspace-document.js';
import { attributeIssue } from './workspace-input.js';

const TYPE = 'vars';
const UNIQUE_VIOLATION = '23505';
const MOST = 1_000;

const attributes = z.object({
  key: z.string().min(1, 'must not be empty').max(255),
  value: z.string().max(256 * 1024),
  category: z.enum(['terraform', 'env'], { error: 'must be terraform or env' }),
  hcl: z.boolean(),
  sensitive: z.boolean(),
  description: z.string().max(2_000).nullable(),
});
const documentOf = <T extends z.ZodType>(schema: T) =>
  z.object({ data: z.object({ type: z.literal(TYPE, { error: `must be ${TYPE}` }), attributes: schema }) });
const createSchema = documentOf(
  attributes.partial({ value: true, hcl: true, sensitive: true, description: true, category: true }),
);
const updateSchema = documentOf(attributes.partial());

/** What a name may be where it becomes one: of HCL, or of an environment that we build. */
function keyIssues(key: string, category: string): Issue[] {
  if (category === 'terraform')
    return /^[A-Za-z_][\w-]*$/.test(key) ? [] : [attributeIssue('key', 'must be letters, digits, - and _')];
  if (!/^[A-Za-z_]\w*$/.test(key)) return [attributeIssue('key', 'must be letters, digits and _')];
  // With these another program than Terraform would run, or Terraform would do something else.
  if (
    /^(?:PATH|HOME|IFS|ENV|BASH_ENV|SHELL|LD_.*|DYLD_.*|TF_CLI_ARGS.*|TF_CLI_CONFIG_FILE|TF_DATA_DIR|TF_WORKSPACE|TF_REATTACH_PROVIDERS|TF_PLUGIN_CACHE_DIR)$/.test(
      key,
    )
  )
    return [attributeIssue('key', 'is set by Forgeway alone')];
  return [];
}

function resource(row: VariableRow) {
  const id = variableIds.external(row.id);
  const workspace = workspaceIds.external(row.workspaceId);
  return {
    id,
    type: TYPE,
    attributes: {
      key: row.key,
      value: row.sensitive ? null : row.value,
      category: row.category,
      hcl: row.hcl,
      sensitive: row.sensitive,
      description: row.description,
      'created-at': row.createdAt.toISOString(),
      'version-id': row.updatedAt.getTime().toString(16),
    },
    relationships: { configurable: to('workspaces', workspace), workspace: to('workspaces', workspace) },
    links: { self: `${API_PREFIX}/workspaces/${workspace}/vars/${id}` },
  };
}

const taken = () => new InvalidRequest([attributeIssue('key', 'is the key of another variable of this workspace')]);

export function addVariableRoutes(app: FastifyInstance, routes: Routes): void {
  const { services } = routes.o;
  const { store } = services;
  const { vault } = services.workspaces;

  const find = async (request: FastifyRequest): Promise<Visit & { variable: VariableRow }> => {
    const visit = await routes.workspace(request, workspaceIds);
    const id = variableIds.internal((request.params as { variable: string }).variable);
    const variable = id && (await store.tenant(visit.organizationId, (tx) => getVariable(tx, id)));
    if (!variable || variable.workspaceId !== visit.workspace.id) throw notFound();
    return { ...visit, variable };
  };

  const all = '/workspaces/:id/vars';
  // With those of sets of variables, which there are none of.
  for (const path of [all, '/workspaces/:id/all-vars'])
    app.get(path, async (request, reply) => {
      const { organizationId, workspace } = await routes.workspace(request, workspaceIds);
      const rows = await store.tenant(organizationId, (tx) => listVariables(tx, workspace.id));
      return send(reply, { data: rows.map(resource) });
    });
  app.get('/workspaces/:id/varsets', async (request, reply) => {
    await routes.workspace(request, workspaceIds);
    return send(reply, { data: [] });
  });

  app.post(all, async (request, reply) => {
    const visit = await routes.workspace(request, workspaceIds);
    await visit.permit('workspace.manage');
    const { organizationId, workspace, by } = visit;
    const given = parseInput(createSchema, request.body).data.attributes;
    const category = given.category ?? 'terraform';
    const issues = keyIssues(given.key, category);
    if (issues.length > 0) throw new InvalidRequest(issues);
    const document = await routes.changing(request, visit, async () => {
      const row = await store.tenant(organizationId, async (tx) => {
        if ((await listVariables(tx, workspace.id)).length >= MOST)
          throw new InvalidRequest([attributeIssue('key', `would be more than the ${MOST} that a workspace may have`)]);
        const id = await insertVariable(
          tx,
          vault,
          { organizationId, workspaceId: workspace.id },
          {
            key: given.key,
            category,
            value: given.value ?? '',
            hcl: given.hcl ?? false,
            sensitive: given.sensitive ?? false,
            description: given.description ?? null,
          },
        );
        if (id === undefined) throw taken();
        await audit(tx, organizationId, 'variable.created', variableIds.external(id), { key: given.key, category }, by);
        return getVariable(tx, id);
      });
      if (row === undefined) throw notFound();
      return { data: resource(row) };
    });
    return send(reply, document, 201);
  });

  const one = `${all}/:variable`;
  app.get(one, async (request, reply) => send(reply, { data: resource((await find(request)).variable) }));

  app.patch(one, async (request, reply) => {
    const visit = await find(request);
    await visit.permit('workspace.manage');
    const { organizationId, variable, by } = visit;
    const given = parseInput(updateSchema, request.body).data.attributes;
    const next = {
      key: given.key ?? variable.key,
      category: given.category ?? variable.category,
      hcl: given.hcl ?? variable.hcl,
      sensitive: given.sensitive ?? variable.sensitive,
      description: given.description === undefined ? variable.description : given.description,
      value: given.value,
    };
    const issues = keyIssues(next.key, next.category);
    // Else whoever may change it could read it by making it a plain one.
    if (variable.sensitive && !next.sensitive)
      issues.push(attributeIssue('sensitive', 'stays true: delete the variable and make another'));
    if (variable.sensitive && (next.key !== variable.key || next.category !== variable.category))
      issues.push(attributeIssue('key', 'of a sensitive variable stays: delete it and make another'));
    if (issues.length > 0) throw new InvalidRequest(issues);
    const document = await routes.changing(request, visit, async () => {
      const row = await store
        .tenant(organizationId, async (tx) => {
          await updateVariable(tx, vault, variable, next);
          await audit(tx, organizationId, 'variable.changed', variableIds.external(variable.id), { key: next.key }, by);
          return getVariable(tx, variable.id);
        })
        .catch((error: unknown) => {
          throw sqlStateOf(error) === UNIQUE_VIOLATION ? taken() : error;
        });
      if (row === undefined) throw notFound();
      return { data: resource(row) };
    });
    return send(reply, document);
  });

  app.delete(one, async (request, reply) => {
    const { organizationId, variable, by, permit } = await find(request);
    await permit('workspace.manage');
    await store.tenant(organizationId, async (tx) => {
      if (!(await deleteVariable(tx, variable.id))) return;
      await audit(tx, organizationId, 'variable.removed', variableIds.external(variable.id), { key: variable.key }, by);
    });
    return reply.code(204).send();
  });
}
