/** A forge and a set of apps that do what a test says, so that the inbox is tested without any real forge. */

import { endpointBelow } from '../../src/forges/endpoint.js';
import type { Classification, ForgeDescriptor } from '../../src/forges/forge.js';
import { readJsonObject } from '../../src/forges/kit/json-body.js';
import type { Dispatcher, DispatchResult, DispatchRow } from '../../src/inbox/dispatch.js';

/** What a test writes into the body of a delivery. */
export interface FakePayload {
  repository?: number;
  number?: number;
  installation?: number;
  key?: string;
  events?: string[];
  ignored?: string;
  mark?: string;
}

export const fakeForge: ForgeDescriptor = {
  id: 'fake',
  label: 'Fake',
  tag: 'fk',
  contentTypes: ['application/json'],
  webhookAliases: ['/api/fake/webhooks'],
  storedHeaders: ['content-type', 'x-fake-event'],
  signatureCheck: () => undefined,
  deliveryKey: () => undefined,
  eventType: () => '',
  parse: (_contentType, body) => readJsonObject(body),
  classify(eventType, payload): Classification {
    const { repository, number, installation, key, events, ignored } = payload as FakePayload;
    if (ignored !== undefined) return { kind: 'ignored', reason: ignored };
    return {
      kind: 'events',
      events: (events ?? [eventType]).map((name) => ({ name })),
      repositoryId: repository === undefined ? undefined : BigInt(repository),
      number,
      installationId: installation === undefined ? undefined : BigInt(installation),
      semanticKey: key,
    };
  },
  payload: async ({ payload }) => payload,
  endpoint: (url) => endpointBelow('fake', url, '/api'),
  gitUsername: 'x',
  pullRequestRef: (number) => `refs/pull/${number}/head`,
};

export const fakeForges: ReadonlyMap<string, ForgeDescriptor> = new Map([[fakeForge.id, fakeForge]]);

/** Answers a DispatchResult, or nothing when it is done. */
export type FakeApp = (row: DispatchRow, payload: FakePayload, signal: AbortSignal) => Promise<unknown>;

export class Permanent extends Error {}

/** A dispatcher that runs every app on every event but `unheard`, and remembers what it was asked. */
export function fakeDispatcher(apps: Readonly<Record<string, FakeApp>>): Dispatcher & { calls: string[] } {
  const calls: string[] = [];
  return {
    calls,
    subscribers: (eventName) => (eventName === 'unheard' ? [] : Object.keys(apps)),
    async run(row, signal) {
      const payload = JSON.parse(row.body.toString('utf8')) as FakePayload;
      calls.push(`${row.app}:${payload.mark ?? row.deliveryKey}`);
      const result = await apps[row.app]?.(row, payload, signal);
      return (result as DispatchResult | undefined) ?? { kind: 'done' };
    },
    isPermanent: (error) => error instanceof Permanent,
  };
}
