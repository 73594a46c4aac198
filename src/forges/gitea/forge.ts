import { endpointBelow } from '../endpoint.js';
import { defineForge, type EventSupport, type ForgeDescriptor } from '../forge.js';
import { associations } from './associations.js';
import { eventSupport, ownEvents } from './events/support.js';
import { classify, payload, snapshot } from './events.js';
import { administration } from './hooks.js';
import { oauth } from './oauth.js';
import { poll } from './poll.js';
import { roles } from './roles.js';
import { routes } from './routes/index.js';
import { contentTypes, deliveryKey, eventType, parse, storedHeaders } from './transport.js';
import { signatureCheck } from './verify.js';

/** What the two forges differ in. Their API and their webhooks are one; what one of them lacks is measured, not assumed. */
interface Flavour {
  id: 'gitea' | 'forgejo';
  label: string;
  tag: string;
  cloudUrl: string;
  events: EventSupport;
  configFolders: readonly string[];
}

const pullRequestRef = (number: number) => `refs/pull/${number}/head`;

const descriptorOf = ({ id, label, tag, cloudUrl, events, configFolders }: Flavour): ForgeDescriptor => ({
  id,
  label,
  tag,
  contentTypes,
  storedHeaders,
  signatureCheck,
  deliveryKey,
  eventType,
  parse,
  classify,
  snapshot,
  payload,
  routes,
  associations,
  poll,
  eventSupport: events,
  ownEvents,
  // Loaded only where it is started: no server carries a fake about.
  startFake: async (options) => (await import('./fake/story.js')).startFake(id, options),
  administration,
  oauth,
  roles,
  endpoint: (baseUrl) => ({
    ...endpointBelow(id, baseUrl, '/api/v1'),
    // Files of releases too, which lie beside the API.
    archives:
      /^\/repos\/[^/]+\/[^/]+\/archive\/.+\.(?:tar\.gz|zip)$|\/actions\/artifacts\/\d+\/zip|\/(?:attachments|releases\/download)\//,
  }),
  cloudUrl,
  configFolders,
  // Any name will do: the server looks at the token in the password only.
  gitUsername: 'oauth2',
  pullRequestRef,
});

/** Gitea 1.20 and later. */
export const gitea = defineForge(
  descriptorOf({
    id: 'gitea',
    label: 'Gitea',
    tag: 'gt',
    cloudUrl: 'https://gitea.com',
    events: eventSupport.gitea,
    configFolders: ['.gitea'],
  }),
);

/** Forgejo 7 and later. */
export const forgejo = defineForge(
  descriptorOf({
    id: 'forgejo',
    label: 'Forgejo',
    tag: 'fj',
    cloudUrl: 'https://codeberg.org',
    events: eventSupport.forgejo,
    // It reads what was written for its ancestor too, and so do we.
    configFolders: ['.forgejo', '.gitea'],
  }),
);
