/** Whom the suite examines: every forge of the registry, and one that only the tests know. Nothing here names a forge. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  eachOf,
  type ForgeDescriptor,
  type ForgeEvent,
  type JsonObject,
  type TranslatePorts,
} from '../../../src/forges/forge.js';
import { RouteFailure } from '../../../src/forges/kit/route.js';
import { user } from '../../../src/forges/kit/shapes/account.js';
import type { ShapeBase } from '../../../src/forges/kit/shapes/base.js';
import type { AccountInput, MilestoneInput } from '../../../src/forges/kit/shapes/inputs.js';
import { milestone } from '../../../src/forges/kit/shapes/milestone.js';
import { forges } from '../../../src/forges/registry.js';
import { type NativeHook, receivedAt } from '../../support/golden.js';
import { toy } from '../toy-forge/forge.js';

export interface Fixture extends NativeHook {
  name: string;
  /** What it is translated to, see `asGolden`; undefined on a forge that is not translated. */
  golden: { ignored?: string; events?: readonly TranslatedEvent[] } | undefined;
}

export interface Subject {
  descriptor: ForgeDescriptor;
  /** Absolute path of its folder. */
  folder: string;
  fixtures: readonly Fixture[];
  /** Of the instance that the fixtures are from. */
  base: ShapeBase;
}

export { receivedAt };

const root = process.cwd();

/** Where a descriptor is written: a folder may hold the flavours of one forge. */
async function folderOf(descriptor: ForgeDescriptor): Promise<string> {
  const folder = join(root, 'src/forges');
  for (const name of readdirSync(folder).filter((one) => existsSync(join(folder, one, 'forge.ts')))) {
    const exported: object = await import(`../../../src/forges/${name}/forge.js`);
    if (Object.values(exported).includes(descriptor)) return join(folder, name);
  }
  throw new Error(`No folder of src/forges has ${descriptor.id}.`);
}

const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

function fixturesIn(folder: string): Fixture[] {
  const names = readdirSync(folder).filter((file) => file.endsWith('.json') && !file.endsWith('.github.json'));
  return names.map((file) => {
    const name = file.slice(0, -'.json'.length);
    const content = json(join(folder, file)) as Omit<Fixture, 'name' | 'golden'>;
    const goldenFile = join(folder, `${name}.github.json`);
    const golden = existsSync(goldenFile) ? (json(goldenFile) as Fixture['golden']) : undefined;
    if ('eventType' in content && 'payload' in content) return { ...content, name, golden };
    return { name, eventType: name.split('.', 1)[0] ?? '', payload: content as JsonObject, golden };
  });
}

/** The address that the fixtures speak of most; of one's own invention when they speak of none. */
function originOf(fixtures: readonly Fixture[], id: string): string {
  const counts = new Map<string, number>();
  for (const [origin] of JSON.stringify(fixtures.map(({ payload }) => payload)).matchAll(/https?:\/\/[a-z0-9.:-]+/g))
    counts.set(origin, (counts.get(origin) ?? 0) + 1);
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return most?.[0] ?? `https://${id}.example.org`;
}

async function subjectOf(descriptor: ForgeDescriptor, folder: string): Promise<Subject> {
  const fixtures = fixturesIn(join(folder, 'fixtures'));
  const web = originOf(fixtures, descriptor.id);
  return { descriptor, folder, fixtures, base: { api: `${web}/api/v3`, web } };
}

export const subjects: readonly Subject[] = await Promise.all([
  ...[...forges.values()].map(async (forge) => subjectOf(forge, await folderOf(forge))),
  subjectOf(toy, join(root, 'test/conformance/toy-forge')),
]);

/** For `describe.each`. */
export const table = subjects.map((subject) => [subject.descriptor.id, subject] as const);

/** Accounts and milestones of an answer, which fixtures give in short, as the API gives them. */
function inFull(base: ShapeBase, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => inFull(base, one));
  if (typeof value !== 'object' || value === null) return value;
  const known = value as JsonObject;
  if ('login' in known) return user(base, known as unknown as AccountInput);
  if ('title' in known && 'state' in known && 'number' in known && !('head' in known) && !('user' in known))
    return milestone(base, 'acme', 'web', known as unknown as MilestoneInput);
  return Object.fromEntries(Object.entries(known).map(([key, inner]) => [key, inFull(base, inner)]));
}

/** What a translation may use: a token that reads what the fixture answers, or none. */
export function portsOf({ base }: Subject, { answers }: Pick<Fixture, 'answers'>, connected: boolean): TranslatePorts {
  return {
    base,
    wanted: new Set(),
    ...(connected && {
      github: async (route: string) => {
        if (answers !== undefined && Object.hasOwn(answers, route)) return inFull(base, answers[route]);
        throw new RouteFailure(404, 'Not Found');
      },
    }),
  };
}

export interface TranslatedEvent extends ForgeEvent {
  payload: JsonObject;
}

/** `issues.opened`, or `push`. */
export const eventName = ({ name, action }: ForgeEvent): string => (action === undefined ? name : `${name}.${action}`);

/** The events of a delivery as apps get them; as they come back from where they are stored. */
export async function translate(subject: Subject, fixture: Fixture, connected = true): Promise<TranslatedEvent[]> {
  const { eventType, payload, previous } = fixture;
  const classified = subject.descriptor.classify(eventType, payload, { ...(previous && { previous }) });
  if (classified.kind === 'ignored') return [];
  const translated: TranslatedEvent[] = [];
  for (const event of classified.events) {
    const stored = JSON.parse(JSON.stringify(event)) as ForgeEvent;
    const delivery = { eventType, payload: structuredClone(payload), receivedAt };
    const made = await subject.descriptor.payload(delivery, stored, portsOf(subject, fixture, connected));
    for (const one of eachOf(made))
      translated.push({ ...event, payload: JSON.parse(JSON.stringify(one)) as JsonObject });
  }
  return translated;
}
