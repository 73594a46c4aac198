import { endpointBelow } from '../endpoint.js';
import { defineForge } from '../forge.js';
import { associations } from './associations.js';
import { eventSupport } from './events/support.js';
import { classify, payload, snapshot } from './events.js';
import { administration } from './hooks.js';
import { oauth } from './oauth.js';
import { poll } from './poll.js';
import { roles } from './roles.js';
import { routes } from './routes/index.js';
import { transport } from './transport.js';
import { decoySecrets, signatureCheck } from './verify.js';

const ID = 'gitlab';

/** GitLab.com and self-managed GitLab, 16 and newer. */
export const gitlab = defineForge({
  id: ID,
  label: 'GitLab',
  tag: 'gl',
  ...transport,
  signatureCheck: (headers, secrets) => signatureCheck(headers, secrets),
  decoySecrets,
  classify,
  snapshot,
  payload,
  routes,
  associations,
  poll,
  eventSupport,
  nativeEvents: 'gitlab',
  // Loaded only where it is started: no server carries a fake about.
  startFake: async (options) => (await import('./fake/story.js')).startFake(options),
  administration,
  oauth,
  roles,
  endpoint: (baseUrl) => ({
    ...endpointBelow(ID, baseUrl, '/api/v4'),
    // Files of releases too.
    archives:
      /^\/projects\/[^/]+\/(?:repository\/archive\.(?:tar\.gz|zip)$|jobs\/\d+\/artifacts$|uploads\/|packages\/)/,
  }),
  cloudUrl: 'https://gitlab.com',
  nestedOwners: true,
  cloudByDefault: true,
  configFolders: ['.gitlab'],
  gitUsername: 'oauth2',
  pullRequestRef: (number) => `refs/merge-requests/${number}/head`,
});
