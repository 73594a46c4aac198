import { defineForge, type WebhookHeaders } from '../forge.js';
import { readJsonObject } from '../kit/json-body.js';
import { appInstallations } from './app-installations.js';
import { appManifest } from './app-manifest.js';
import { copilot } from './copilot.js';
import { appDeliveries } from './deliveries.js';
import { githubInstance } from './endpoint.js';
import { classify } from './events.js';
import { oauth } from './oauth.js';
import { poll } from './poll.js';
import { roles } from './roles.js';
import { checkPayload } from './schema.js';
import { signatureCheck } from './verify.js';

const FORM = 'application/x-www-form-urlencoded';

/** Printable ASCII and short: it becomes a key in the database and a field in every log line. */
const DELIVERY_KEY = /^[\x21-\x7e]{1,100}$/;

function header(headers: WebhookHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** GitHub.com and GitHub Enterprise Server. */
export const github = defineForge({
  id: 'github',
  label: 'GitHub',
  tag: 'gh',
  // Where Probot listens, so that an App that was set up for it need not be changed.
  webhookAliases: ['/api/github/webhooks'],
  contentTypes: ['application/json', FORM],
  storedHeaders: [
    'content-type',
    'user-agent',
    'x-github-delivery',
    'x-github-event',
    'x-github-hook-id',
    'x-github-hook-installation-target-id',
    'x-github-hook-installation-target-type',
  ],
  signatureCheck,
  deliveryKey(headers) {
    const key = header(headers, 'x-github-delivery');
    return key !== undefined && DELIVERY_KEY.test(key) ? key : undefined;
  },
  eventType: (headers) => header(headers, 'x-github-event') ?? '',
  parse(contentType, body) {
    const type = contentType.split(';', 1)[0]?.trim().toLowerCase();
    if (type !== FORM) return readJsonObject(body);
    const payload = new URLSearchParams(body.toString('utf8')).get('payload');
    return payload === null ? { invalid: 'The form has no payload field.' } : readJsonObject(Buffer.from(payload));
  },
  classify,
  poll,
  startFake: async (options) => (await import('./fake/story.js')).startFake(options),
  // GitHub's shapes are the internal ones: nothing is translated, only what handlers rely on is checked.
  async payload({ eventType, payload }) {
    checkPayload(eventType, payload);
    return payload;
  },
  appDeliveries,
  appInstallations,
  appManifest,
  oauth,
  roles,
  agent: copilot,
  appPages: {
    install: (app) => `${app}/installations/new`,
    settings: (web, { id, accountLogin, ofOrganization }) =>
      `${web}/${ofOrganization ? `organizations/${accountLogin}/` : ''}settings/installations/${id}`,
  },
  endpoint: githubInstance,
  cloudUrl: 'https://github.com',
  cloudByDefault: true,
  gitUsername: 'x-access-token',
  pullRequestRef: (number) => `refs/pull/${number}/head`,
});
