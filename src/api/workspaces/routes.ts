/** Workspaces and runs below `/api/v2`: JSON:API for curl, Terraform providers and the `cloud` block of the Terraform CLI. */
import type { FastifyInstance } from 'fastify';
import { errorDocument, MEDIA_TYPE, takeDocuments } from '../json-api/document.js';
import { problemHeaders, problemOf } from '../problem.js';
import { addConfigurationRoutes } from './configuration-routes.js';
import { routesWith, type WorkspaceRoutesOptions } from './context.js';
import { addRunRoutes } from './run-routes.js';
import { addStateRoutes } from './state-routes.js';
import { addTeamRoutes } from './team-routes.js';
import { API_HEADERS, addTerraformRoutes } from './terraform-routes.js';
import { addVariableRoutes } from './variable-routes.js';
import { addWorkspaceRoutes } from './workspace-routes.js';

/** To be registered in a scope of its own: bodies and errors have another form here. */
export function addWorkspaces(app: FastifyInstance, o: WorkspaceRoutesOptions): void {
  const { log } = o.services;
  takeDocuments(app);
  // What is uploaded is read as it comes, by the routes that take it.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(API_HEADERS);
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, log, request.id);
    return reply.code(problem.status).headers(problemHeaders(problem)).type(MEDIA_TYPE).send(errorDocument(problem));
  });
  const routes = routesWith(o);
  addTerraformRoutes(app, routes);
  addWorkspaceRoutes(app, routes);
  addVariableRoutes(app, routes);
  addTeamRoutes(app, routes);
  addConfigurationRoutes(app, routes);
  addRunRoutes(app, routes);
  addStateRoutes(app, routes);
}
