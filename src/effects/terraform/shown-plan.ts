/**
 * A plan as `terraform show` of the command line reads it from a server: what changes, and the schemas by which it is drawn. No
 * value that is sensitive is in it: each is replaced by one that says nothing but whether it is the same as another.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { jsonMembers } from './json-members.js';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const json = z.json() as z.ZodType<Json>;
const change = z.object({
  actions: z.array(z.string()),
  before: json.optional(),
  after: json.optional(),
  after_unknown: json.optional(),
  before_sensitive: json.optional(),
  after_sensitive: json.optional(),
  replace_paths: json.optional(),
  importing: json.optional(),
});
type Change = z.output<typeof change>;
const resource = z.object({
  address: z.string(),
  previous_address: z.string().optional(),
  module_address: z.string().optional(),
  mode: z.enum(['managed', 'data']),
  type: z.string(),
  name: z.string(),
  index: json.optional(),
  provider_name: z.string(),
  deposed: z.string().optional(),
  action_reason: z.string().optional(),
  change,
});
const planSchema = z.object({
  format_version: z.string(),
  resource_changes: z.array(resource).default([]),
  resource_drift: z.array(resource).default([]),
  output_changes: z.record(z.string(), change).default({}),
  relevant_attributes: json.optional(),
});
type Kind = 'resource_schemas' | 'data_source_schemas';
type Schemas = Record<string, Record<Kind, Record<string, Json>>>;

/** Replaces what is marked; of the same value always by the same, so that what changes is still seen to. */
function coverOf(hide: (text: string) => string) {
  const key = randomBytes(32);
  const digest = (value: Json) => createHmac('sha256', key).update(JSON.stringify(value)).digest();

  function covered(value: Json): Json {
    if (value === null) return null;
    switch (typeof value) {
      case 'string':
        return digest(value).toString('hex', 0, 8);
      case 'number':
        return digest(value).readUInt32BE(0);
      case 'boolean':
        return false;
      default:
        if (Array.isArray(value)) return value.map(covered);
        return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, covered(one)]));
    }
  }
  /** Values of variables that are sensitive may be where nobody has marked them. */
  function shown(value: Json, marks: Json | undefined): Json {
    if (marks === true) return covered(value);
    if (typeof value === 'string') return hide(value);
    if (typeof value === 'number') return hide(String(value)) === String(value) ? value : covered(value);
    if (value === null || typeof value === 'boolean') return value;
    if (Array.isArray(value)) return value.map((one, at) => shown(one, Array.isArray(marks) ? marks[at] : undefined));
    const ofName = (name: string) =>
      typeof marks === 'object' && marks !== null && !Array.isArray(marks) ? marks[name] : undefined;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [hide(name), shown(one, ofName(name))]));
  }
  return (one: Change): Change => ({
    ...one,
    ...(one.before !== undefined && { before: shown(one.before, one.before_sensitive) }),
    ...(one.after !== undefined && { after: shown(one.after, one.after_sensitive) }),
  });
}

type Wanted = ReadonlyMap<string, Readonly<Record<Kind, ReadonlySet<string>>>>;
type Picked = { version: string | undefined; found: Schemas };

/** Of all that providers have, what is needed: of each provider and kind these types. */
function pick(schemas: Buffer, wanted: Wanted): Picked {
  let version: string | undefined;
  const found: Schemas = {};
  for (const { name, value } of jsonMembers(schemas)) {
    if (name === 'format_version') version = z.string().safeParse(JSON.parse(value.toString('utf8'))).data;
    if (name !== 'provider_schemas') continue;
    for (const { name: provider, value: ofProvider } of jsonMembers(value)) {
      const types = wanted.get(provider);
      if (types === undefined) continue;
      const kept: Schemas[string] = { resource_schemas: {}, data_source_schemas: {} };
      found[provider] = kept;
      for (const { name: kind, value: ofKind } of jsonMembers(ofProvider)) {
        if (kind !== 'resource_schemas' && kind !== 'data_source_schemas') continue;
        for (const { name: type, value: schema } of jsonMembers(ofKind))
          if (types[kind].has(type)) kept[kind][type] = JSON.parse(schema.toString('utf8')) as Json;
      }
    }
  }
  return { version, found };
}

/** What a sandbox has left need not be what Terraform has written. */
function tryPick(schemas: Buffer, wanted: Wanted): Picked {
  try {
    return pick(schemas, wanted);
  } catch (error) {
    if (error instanceof SyntaxError) return { version: undefined, found: {} };
    throw error;
  }
}

/**
 * @param plan of `terraform show -json` @param schemas of `terraform providers schema -json`
 * @param hide what is to be seen nowhere, wherever it is
 * @returns undefined when they are of a form that is not known, or do not belong together
 */
export function shownPlan(
  plan: Uint8Array,
  schemas: Uint8Array,
  hide: (text: string) => string,
): Uint8Array | undefined {
  const of = planSchema.safeParse(JSON.parse(Buffer.from(plan).toString('utf8'))).data;
  if (of === undefined) return undefined;
  const wanted = new Map<string, Record<Kind, Set<string>>>();
  for (const { provider_name: provider, mode, type } of [...of.resource_changes, ...of.resource_drift]) {
    const types = wanted.get(provider) ?? { resource_schemas: new Set(), data_source_schemas: new Set() };
    types[mode === 'managed' ? 'resource_schemas' : 'data_source_schemas'].add(type);
    wanted.set(provider, types);
  }
  const { version, found } = tryPick(Buffer.from(schemas.buffer, schemas.byteOffset, schemas.byteLength), wanted);
  if (version === undefined) return undefined;
  // A client that misses one of them breaks.
  for (const [provider, types] of wanted)
    for (const kind of ['resource_schemas', 'data_source_schemas'] as const)
      for (const type of types[kind]) if (found[provider]?.[kind][type] === undefined) return undefined;
  const cover = coverOf(hide);
  const shown = {
    plan_format_version: of.format_version,
    provider_format_version: version,
    resource_changes: of.resource_changes.map((one) => ({ ...one, change: cover(one.change) })),
    resource_drift: of.resource_drift.map((one) => ({ ...one, change: cover(one.change) })),
    output_changes: Object.fromEntries(Object.entries(of.output_changes).map(([name, one]) => [name, cover(one)])),
    relevant_attributes: of.relevant_attributes,
    provider_schemas: found,
  };
  return Buffer.from(JSON.stringify(shown), 'utf8');
}
