import { audits } from './audit.js';
import { connections } from './connections.js';
import { deliveries } from './delivery.js';
import { issues } from './issue.js';
import { organizations } from './organization.js';
import { previews } from './preview.js';
import { previewSecrets } from './preview-secret.js';
import { createCallerFactory, router } from './procedure.js';
import { pullRequests } from './pull-request.js';
import { repositories } from './repository.js';
import { sessions } from './session.js';
import { tokens } from './token.js';

/** Every procedure of the API, by the names that tRPC has for them. */
export const apiRouter = router({
  connections,
  repository: repositories,
  pullRequest: pullRequests,
  issue: issues,
  delivery: deliveries,
  preview: previews,
  previewSecret: previewSecrets,
  session: sessions,
  token: tokens,
  organization: organizations,
  audit: audits,
});
export type ApiRouter = typeof apiRouter;

export const createCaller = createCallerFactory(apiRouter);
