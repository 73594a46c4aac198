/**
 * What is mutated: the fixtures of every forge, GitHub's published examples, and payloads that others recorded. The last lie
 * beside the project and are no part of it: without them there is less to mutate.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { JsonObject } from '../../src/forges/forge.js';
import { parseJson } from '../../src/forges/kit/json-body.js';
import { type Fixture, type Subject, subjects } from '../conformance/forge/subjects.js';
import { type Place, placesOf } from './mutation.js';
import { readPlaces } from './read-places.js';

export interface Seed extends Fixture {
  subject: Subject;
  places: readonly Place[];
  /** Those of them that are read. */
  read: readonly Place[];
}

/** The forge whose payloads are GitHub's own: the only one that needs no routes. */
const speaksGitHub = ({ descriptor }: Subject): boolean => descriptor.routes === undefined;

type Bare = Pick<Fixture, 'name' | 'eventType' | 'payload'>;

function examples(): Bare[] {
  const index = '@octokit/webhooks-examples/api.github.com/index.json';
  const events = createRequire(import.meta.url)(index) as { name: string; examples: JsonObject[] }[];
  return events.flatMap(({ name: eventType, examples }) =>
    examples.map((payload, at) => ({ name: `examples/${eventType}/${at}`, eventType, payload })),
  );
}

const corpus = join(process.cwd(), '../shared/fixtures/webhooks');

function recorded({ descriptor }: Subject): Bare[] {
  const folder = join(corpus, descriptor.id);
  if (!existsSync(folder)) return [];
  const rows = readFileSync(join(corpus, 'manifest.tsv'), 'utf8')
    .split('\n')
    .map((line) => line.split('\t'));
  // The manifest writes `name/group` and `name(its precise type)`.
  const types = new Map(rows.map(([file = '', , event = '']) => [file, /^[a-z_]*/.exec(event)?.[0] ?? '']));
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .flatMap((file): Bare[] => {
      const payload = parseJson(readFileSync(join(folder, file), 'utf8'));
      const eventType = types.get(`${descriptor.id}/${file}`) ?? '';
      const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
      return isObject ? [{ name: `recorded/${file}`, eventType, payload: payload as JsonObject }] : [];
    });
}

async function seedsOf(subject: Subject): Promise<Seed[]> {
  const bare = [...(speaksGitHub(subject) ? examples() : []), ...recorded(subject)];
  const fixtures: Fixture[] = [...subject.fixtures, ...bare.map((one) => ({ ...one, golden: undefined }))];
  const found: Seed[] = [];
  for (const fixture of fixtures) {
    const places = placesOf(fixture.payload);
    if (places.length > 0) found.push({ ...fixture, subject, places, read: await readPlaces(subject, fixture) });
  }
  return found;
}

/** By forge. */
export const seeds: ReadonlyMap<string, readonly Seed[]> = new Map(
  await Promise.all(subjects.map(async (subject) => [subject.descriptor.id, await seedsOf(subject)] as const)),
);
