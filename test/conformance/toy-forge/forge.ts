/** A fourth forge, defined outside of the program: it proves that the contract is enough. */
import { endpointBelow } from '../../../src/forges/endpoint.js';
import { defineForge, type WebhookHeaders } from '../../../src/forges/forge.js';
import { readJsonObject } from '../../../src/forges/kit/json-body.js';
import { classify, eventSupport, payload, snapshot } from './events.js';
import { administration } from './hooks.js';
import { routes } from './routes/index.js';
import { signatureCheck } from './verify.js';

const header = (headers: WebhookHeaders, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === 'string' && /^[\x21-\x7e]{1,100}$/.test(value) ? value : undefined;
};

export const toy = defineForge({
  id: 'toy',
  label: 'Toy',
  tag: 'ty',
  contentTypes: ['application/json'],
  storedHeaders: ['content-type', 'x-toy-topic', 'x-toy-parcel', 'x-toy-sent'],
  signatureCheck,
  deliveryKey: (headers) => header(headers, 'x-toy-parcel'),
  eventType: (headers) => header(headers, 'x-toy-topic') ?? '',
  parse: (_contentType, body) => readJsonObject(body),
  classify,
  snapshot,
  payload,
  endpoint: (baseUrl) => endpointBelow('toy', baseUrl, '/wire'),
  authorization: (token) => `Toy ${token}`,
  failureMessage: (body) => {
    const text = (body as { trouble?: { text?: unknown } } | null)?.trouble?.text;
    return typeof text === 'string' ? text : undefined;
  },
  configFolders: ['.toy'],
  routes,
  eventSupport,
  administration,
  startFake: async (options) => (await import('./fake.js')).startFake(options),
  gitUsername: 'toy',
  pullRequestRef: (number) => `refs/proposals/${number}`,
});
