/** One hostile delivery: a seed and what was done to it. */
import { drawMutation, type Mutation, mutated, placesOf } from './mutation.js';
import { type Random, randomOf } from './random.js';
import { type Seed, seeds } from './seeds.js';

/** Plain JSON, so that a case that failed can be kept. */
export interface Case {
  forge: string;
  /** Name of the {@link Seed}. */
  seed: string;
  eventType: string;
  contentType: string;
  mutations: readonly Mutation[];
  /** Of what the last delivery said of the same object; absent when there was none. */
  previous?: readonly Mutation[];
  confidential?: boolean;
}

const forges = [...seeds.keys()];
const MOST_MUTATIONS = 6;

/** How many: mostly one or two, since many at once are refused by the first. */
const amount = (random: Random): number => (random.chance(75) ? 1 + random.below(2) : 1 + random.below(MOST_MUTATIONS));

/** The case with this number; the same one at every time, as long as the seeds are the same. */
export function drawCase(seed: number, at: number): Case {
  const random = randomOf(seed, at);
  // In turn, so that every forge has its share however few its fixtures are.
  const forge = forges[at % forges.length] ?? '';
  const chosen = random.pick(seedsNamed(forge));
  const { descriptor } = chosen.subject;
  const mutations = Array.from({ length: amount(random) }, () => drawMutation(random, chosen.places, chosen.read));
  // Kept states are our own JSON: their bytes are never broken.
  const kept = placesOf(chosen.previous).length === 0 ? [] : placesOf(chosen.previous);
  const keeps = chosen.previous !== undefined && random.chance(70);
  const previous = keeps && kept.length > 0 && random.chance(30) ? [drawMutation(random, kept)] : [];
  return {
    forge,
    seed: chosen.name,
    // Sometimes the header says something else than the body.
    eventType: random.chance(95) ? chosen.eventType : random.pick(seedsNamed(forge)).eventType,
    contentType: random.chance(90) ? 'application/json' : random.pick(descriptor.contentTypes),
    mutations,
    ...(keeps && { previous }),
    ...(random.chance(50) && { confidential: true }),
  };
}

function seedsNamed(forge: string): readonly Seed[] {
  const found = seeds.get(forge);
  if (found === undefined || found.length === 0) throw new Error(`There is no seed of ${forge}.`);
  return found;
}

/** @throws Error when the seed is not at hand */
export function seedOf({ forge, seed }: Case): Seed {
  const found = seedsNamed(forge).find(({ name }) => name === seed);
  if (found === undefined) throw new Error(`There is no seed ${seed} of ${forge}.`);
  return found;
}

/** The body as it travels: JSON, or a form with it. */
export function bodyOf(one: Case): Buffer {
  const json = mutated(seedOf(one).payload, one.mutations);
  if (!one.contentType.includes('form')) return json;
  return Buffer.from(new URLSearchParams({ payload: json.toString('utf8') }).toString());
}

/** The smallest case that still fails: changes are left out one by one for as long as it does. */
export async function minimised(one: Case, fails: (candidate: Case) => Promise<boolean>): Promise<Case> {
  let smallest = one;
  for (let shrunk = true; shrunk; ) {
    shrunk = false;
    const without = smallest.mutations.map((_, left) => ({
      ...smallest,
      mutations: smallest.mutations.filter((_mutation, at) => at !== left),
    }));
    const simpler: Case[] = [...without];
    if (smallest.previous !== undefined) simpler.push({ ...smallest, previous: undefined });
    if (smallest.confidential) simpler.push({ ...smallest, confidential: undefined });
    if (smallest.contentType !== 'application/json') simpler.push({ ...smallest, contentType: 'application/json' });
    for (const candidate of simpler) {
      if (shrunk || !(await fails(candidate))) continue;
      smallest = candidate;
      shrunk = true;
    }
  }
  return smallest;
}
