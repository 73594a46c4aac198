/** Workspaces and runs below `/api/v2`: JSON:API for curl, Terraform providers and the `cloud` block of the Terraform CLI. */
import { errorCodes, type FastifyInstance } from 'fastify';
import { errorDocument, MEDIA_TYPE, takeDocuments } from '../json-api/document.js';
import { problemHeaders, problemOf } from '../problem.js';
import { addConfigurationRoutes } from './configuration-routes.js';
import { routesWith, type UPLOAD, type WorkspaceRoutesOptions } from './context.js';
import { addJobRoutes } from './job-routes.js';
import { addLockRoutes } from './lock-routes.js';
import { addRunRoutes } from './run-routes.js';
import { addStateRoutes } from './state-routes.js';
import { addTagRoutes } from './tag-routes.js';
import { addTeamRoutes } from './team-routes.js';
import { API_HEADERS, addTerraformRoutes } from './terraform-routes.js';
import { addVariableRoutes } from './variable-routes.js';
import { addWorkspaceRoutes } from './workspace-routes.js';

/** To be registered in a scope of its own: bodies and errors have another form here. */
export function addWorkspaces(app: FastifyInstance, o: WorkspaceRoutesOptions): void {
  const { log } = o.services;
  takeDocuments(app);
  app.addContentTypeParser('*', (request, _payload, done) => {
    const { isUpload } = request.routeOptions.config as Partial<typeof UPLOAD.config>;
    // Some clients name a type where they send nothing, such as curl with `-d ''`.
    const { 'content-length': length = '0', 'content-type': type = '', 'transfer-encoding': pieces } = request.headers;
    if (isUpload === true || (length === '0' && pieces === undefined)) return done(null, undefined);
    return done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(type));
  });
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
  addTagRoutes(app, routes);
  addLockRoutes(app, routes);
  addVariableRoutes(app, routes);
  addTeamRoutes(app, routes);
  addConfigurationRoutes(app, routes);
  addRunRoutes(app, routes);
  addStateRoutes(app, routes);
  addJobRoutes(app, routes);
}
