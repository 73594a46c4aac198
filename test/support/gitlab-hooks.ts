/** GitLab's hooks of the fixtures, and everything that a test wants to know of what they are translated to. */
import { readdirSync, readFileSync } from 'node:fs';
import type { JsonObject, TranslatePorts } from '../../src/forges/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { RouteFailure } from '../../src/forges/kit/route.js';
import { user } from '../../src/forges/kit/shapes/account.js';
import type { AccountInput, MilestoneInput } from '../../src/forges/kit/shapes/inputs.js';
import { milestone } from '../../src/forges/kit/shapes/milestone.js';
import { type NativeHook, receivedAt, type Translated, translatedBy } from './golden.js';
import { githubEventErrors } from './webhook-schema.js';

export type { NativeHook };

const folder = new URL('../../src/forges/gitlab/fixtures/', import.meta.url);
export const json = (file: string) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as unknown;
export const names = readdirSync(folder)
  .filter((file) => file.endsWith('.github.json'))
  .map((file) => file.slice(0, -'.github.json'.length));
const natives = new Map(names.map((name) => [name, json(`${name}.json`) as NativeHook]));
export const native = (name: string): NativeHook => {
  const delivery = natives.get(name);
  if (delivery === undefined) throw new Error(`There is no fixture ${name}.`);
  return delivery;
};
export const attributesOf = ({ payload }: NativeHook) => payload.object_attributes as JsonObject;
export const withAttributes = (delivery: NativeHook, over: JsonObject): NativeHook => ({
  ...delivery,
  payload: { ...delivery.payload, object_attributes: { ...attributesOf(delivery), ...over } },
});

export const base = { api: 'https://gitlab.example.com/api/v3', web: 'https://gitlab.example.com' };

/** Accounts and milestones of an answer, which the fixtures give in short, in full. */
function inFull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inFull);
  if (typeof value !== 'object' || value === null) return value;
  const known = value as JsonObject;
  if ('login' in known) return user(base, known as unknown as AccountInput);
  if ('title' in known && 'state' in known && 'number' in known)
    return milestone(base, 'acme~shop', 'web', known as unknown as MilestoneInput);
  return Object.fromEntries(Object.entries(known).map(([key, inner]) => [key, inFull(inner)]));
}

export { receivedAt };
export const portsOf = ({ answers }: Pick<NativeHook, 'answers'>, wanted: readonly string[] = []): TranslatePorts => ({
  base,
  wanted: new Set(wanted),
  ...(answers !== undefined && {
    github: async (route) => {
      if (Object.hasOwn(answers, route)) return inFull(answers[route]);
      throw new RouteFailure(404, 'Not Found');
    },
  }),
});

export const translated = (
  delivery: NativeHook,
  ports = portsOf(delivery),
  options: { confidential?: boolean } = {},
): Promise<Translated> => translatedBy(gitlab, delivery, ports, options);

type Payload = Record<string, Record<string, unknown>> & { [key: string]: unknown };
export const only = async (delivery: NativeHook, ports?: TranslatePorts) => {
  const [event] = (await translated(delivery, ports)).events ?? [];
  if (event === undefined) throw new Error('There is no event.');
  return event.payload as Payload;
};
export const actions = (delivery: NativeHook, options: { confidential?: boolean } = {}) => {
  const { eventType, payload, previous } = delivery;
  const classified = gitlab.classify(eventType, payload, { previous, ...options });
  if (classified.kind === 'ignored') return classified.reason;
  return classified.events.map(({ name, action }) => (action === undefined ? name : `${name}.${action}`));
};

/** GitHub has no such event; its payload is that of `added`. */
export const schemaErrors = (name: string, payload: JsonObject) =>
  name === 'membership' && payload.action === 'edited'
    ? githubEventErrors(name, { ...payload, action: 'added' })
    : githubEventErrors(name, payload);

/** Every address in a GitHub-shaped payload that is none of the server's, nor stood in the hook. */
export function strayAddresses(payload: JsonObject, { web, api }: TranslatePorts['base'], hook: JsonObject) {
  const told = JSON.stringify(hook);
  const stray: string[] = [];
  let count = 0;
  const visit = (value: unknown, key: string, path: string): void => {
    if (typeof value === 'object' && value !== null)
      for (const [inner, child] of Object.entries(value)) visit(child, inner, `${path}.${inner}`);
    else if (typeof value === 'string' && value !== '' && /(?:^|_)url$|^href$/.test(key)) {
      count += 1;
      if (/^(?:ssh_url|git_url)$/.test(key)) return;
      const address = value.replace(/\{[^}]*\}/g, '');
      const isOurs = `${address}/`.startsWith(`${web}/`) || `${address}/`.startsWith(`${api}/`);
      const isTheirs = told.includes(address.replace(/\.(?:git|diff|patch)$/, ''));
      if (!URL.canParse(address) || !(isOurs || isTheirs)) stray.push(`${path}: ${value}`);
    }
  };
  visit({ ...payload, gitlab: undefined }, '', '');
  return { stray, count };
}
