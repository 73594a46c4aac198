/**
 * Who owns which field: sets of paths, as server-side apply keeps them (structured merge of maps, of lists with keys and of
 * sets; everything else is one value).
 */
import { isDeepStrictEqual } from 'node:util';
import type { ApiObject, Fields, ManagedFields } from './objects.js';

/** `f:name` of a map, `k:{"name":"web"}` of a list with keys, `v:"x"` of a set. */
export type Step = string;
/** JSON of the steps. */
export type Path = string;

const LIST_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  volumes: ['name'],
  env: ['name'],
  imagePullSecrets: ['name'],
  secrets: ['name'],
  volumeMounts: ['mountPath'],
  conditions: ['type'],
  ownerReferences: ['uid'],
};
/** One value, although they are maps. */
const ATOMIC_MAPS = new Set(['selector', 'nodeSelector', 'podSelector', 'namespaceSelector', 'emptyDir', 'fieldRef']);
const SETS = new Set(['finalizers']);
const UNOWNED = new Set(['apiVersion', 'kind', 'status']);
const UNOWNED_METADATA = new Set([
  ...['name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp'],
  ...['deletionGracePeriodSeconds', 'managedFields', 'selfLink', 'generateName'],
]);

const isMap = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

function keysOf(name: string, items: readonly unknown[]): readonly string[] | undefined {
  if (name !== 'ports') return LIST_KEYS[name];
  const first = items[0];
  if (!isMap(first)) return undefined;
  return 'containerPort' in first ? ['containerPort', 'protocol'] : ['port', 'protocol'];
}

function keyStep(keys: readonly string[], item: Fields): Step {
  const key = Object.fromEntries(keys.map((name) => [name, item[name] ?? (name === 'protocol' ? 'TCP' : undefined)]));
  return `k:${JSON.stringify(key)}`;
}

function collect(value: unknown, name: string, steps: Step[], into: Set<Path>): void {
  if (isMap(value) && !ATOMIC_MAPS.has(name) && Object.keys(value).length > 0) {
    for (const [key, child] of Object.entries(value)) {
      if (steps.length === 0 && UNOWNED.has(key)) continue;
      if (steps.length === 1 && steps[0] === 'f:metadata' && UNOWNED_METADATA.has(key)) continue;
      if (child !== undefined && child !== null) collect(child, key, [...steps, `f:${key}`], into);
    }
    return;
  }
  if (Array.isArray(value) && value.length > 0) {
    if (SETS.has(name)) {
      for (const item of value) into.add(JSON.stringify([...steps, `v:${JSON.stringify(item)}`]));
      return;
    }
    const keys = keysOf(name, value);
    if (keys !== undefined) {
      for (const item of value as Fields[]) collect(item, '', [...steps, keyStep(keys, item)], into);
      return;
    }
  }
  if (steps.length > 0) into.add(JSON.stringify(steps));
}

/** Every field that an object says. */
export function pathsOf(object: Fields): Set<Path> {
  const paths = new Set<Path>();
  collect(object, '', [], paths);
  return paths;
}

function itemOf(list: readonly unknown[], step: Step): unknown {
  if (step.startsWith('v:')) return list.find((item) => JSON.stringify(item) === step.slice(2));
  const key = JSON.parse(step.slice(2)) as Fields;
  return list.find(
    (item) =>
      isMap(item) &&
      Object.entries(key).every(([name, value]) => (item[name] ?? (name === 'protocol' ? 'TCP' : undefined)) === value),
  );
}

export function valueAt(object: unknown, path: Path): unknown {
  let current = object;
  for (const step of JSON.parse(path) as Step[]) {
    if (step.startsWith('f:')) current = isMap(current) ? current[step.slice(2)] : undefined;
    else current = Array.isArray(current) ? itemOf(current, step) : undefined;
  }
  return current;
}

/** Takes a field out, and what held nothing else. */
function removeAt(object: Fields, path: Path): void {
  const steps = JSON.parse(path) as Step[];
  const holders: unknown[] = [object];
  for (const step of steps.slice(0, -1)) {
    const holder = holders.at(-1);
    const next = step.startsWith('f:')
      ? isMap(holder)
        ? holder[step.slice(2)]
        : undefined
      : Array.isArray(holder)
        ? itemOf(holder, step)
        : undefined;
    if (next === undefined) return;
    holders.push(next);
  }
  for (let at = steps.length - 1; at >= 0; at -= 1) {
    const holder = holders[at];
    const step = steps[at] ?? '';
    if (Array.isArray(holder)) {
      const index = holder.indexOf(itemOf(holder, step));
      if (index >= 0) holder.splice(index, 1);
      if (holder.length > 0) return;
    } else if (isMap(holder)) {
      // An item of a list goes with its last field but those that name it, by which it is found until then.
      const named = (steps[at - 1] ?? '').startsWith('k:')
        ? Object.keys(JSON.parse((steps[at - 1] ?? '').slice(2)))
        : [];
      if (!named.includes(step.slice(2))) delete holder[step.slice(2)];
      if (Object.keys(holder).some((key) => !named.includes(key))) return;
    }
  }
}

function merge(live: unknown, wanted: unknown, name: string): unknown {
  if (isMap(wanted) && isMap(live) && !ATOMIC_MAPS.has(name)) {
    const result: Fields = { ...live };
    for (const [key, value] of Object.entries(wanted)) {
      if (value !== null && value !== undefined) result[key] = merge(live[key], value, key);
    }
    return result;
  }
  if (Array.isArray(wanted) && Array.isArray(live)) {
    if (SETS.has(name)) return [...new Set([...live, ...wanted])];
    const keys = keysOf(name, wanted);
    if (keys === undefined) return wanted;
    const result = [...live];
    for (const item of wanted as Fields[]) {
      const known = itemOf(result, keyStep(keys, item));
      if (known === undefined) result.push(item);
      else result[result.indexOf(known)] = merge(known, item, '');
    }
    return result;
  }
  return structuredClone(wanted);
}

type Owner = Pick<ManagedFields, 'manager' | 'operation'>;
interface Owned extends Owner {
  paths: Set<Path>;
  time: string;
}

/** Fields of one kind of writer, as paths; back and forth to what `managedFields` shows. */
function treeOf(paths: ReadonlySet<Path>): Fields {
  const tree: Fields = {};
  for (const path of paths) {
    let at = tree;
    for (const step of JSON.parse(path) as Step[]) {
      at[step] ??= {};
      at = at[step] as Fields;
    }
  }
  return tree;
}
function pathsOfTree(tree: Fields, steps: Step[] = [], into = new Set<Path>()): Set<Path> {
  const children = Object.entries(tree).filter(([step]) => step !== '.');
  if (children.length === 0 && steps.length > 0) into.add(JSON.stringify(steps));
  for (const [step, child] of children) pathsOfTree(child as Fields, [...steps, step], into);
  return into;
}
const ownersOf = (object: ApiObject | undefined): Owned[] =>
  (object?.metadata.managedFields ?? []).map(({ manager, operation, fieldsV1, time }) => ({
    ...{ manager, operation, time },
    paths: pathsOfTree(fieldsV1),
  }));
function write(object: ApiObject, owners: readonly Owned[]): void {
  object.metadata.managedFields = owners
    .filter(({ paths }) => paths.size > 0)
    .map(({ manager, operation, paths, time }) => ({
      ...{ manager, operation, apiVersion: object.apiVersion, time, fieldsType: 'FieldsV1' as const },
      fieldsV1: treeOf(paths),
    }));
}

/** One is a part of the other, or they are the same. */
const touch = (a: Path, b: Path) => {
  const [x, y] = [a.slice(0, -1), b.slice(0, -1)];
  return x === y || x.startsWith(`${y},`) || y.startsWith(`${x},`);
};

export interface FieldConflict {
  manager: string;
  operation: 'Apply' | 'Update';
  path: Path;
}

/**
 * What an object is after an apply, or who holds other values of its fields.
 * @param live undefined: it is made
 */
export function applied(
  live: ApiObject | undefined,
  wanted: ApiObject,
  o: { manager: string; force: boolean; now: string },
): { object: ApiObject } | { conflicts: FieldConflict[] } {
  const paths = pathsOf(wanted);
  const owners = ownersOf(live);
  const isMine = (owner: Owner) => owner.manager === o.manager && owner.operation === 'Apply';
  const others = owners.filter((owner) => !isMine(owner));
  const conflicts: FieldConflict[] = [];
  for (const path of paths) {
    if (live === undefined || isDeepStrictEqual(valueAt(live, path), valueAt(wanted, path))) continue;
    for (const other of others) {
      for (const theirs of other.paths)
        if (touch(path, theirs)) conflicts.push({ manager: other.manager, operation: other.operation, path: theirs });
    }
  }
  if (conflicts.length > 0 && !o.force) return { conflicts };
  for (const { path } of conflicts) for (const other of others) other.paths.delete(path);
  const object = structuredClone(live === undefined ? wanted : (merge(live, wanted, '') as ApiObject));
  const before = owners.find(isMine)?.paths ?? new Set<Path>();
  for (const path of before) {
    if (paths.has(path) || others.some((other) => other.paths.has(path))) continue;
    if (![...paths].some((mine) => touch(mine, path))) removeAt(object, path);
  }
  const mine = owners.find(isMine);
  const isSame = mine !== undefined && isDeepStrictEqual(mine.paths, paths);
  write(object, [...others, { manager: o.manager, operation: 'Apply', time: isSame ? mine.time : o.now, paths }]);
  return { object };
}

/** Who owns what after somebody wrote the object as a whole, or patched it. */
export function updated(live: ApiObject | undefined, object: ApiObject, o: { manager: string; now: string }): void {
  const owners = ownersOf(live);
  const now = pathsOf(object);
  const changed = [...now].filter(
    (path) => live === undefined || !isDeepStrictEqual(valueAt(live, path), valueAt(object, path)),
  );
  for (const owner of owners) {
    for (const path of owner.paths) {
      if (valueAt(object, path) === undefined || changed.some((one) => touch(one, path))) owner.paths.delete(path);
    }
  }
  const mine = owners.find((owner) => owner.manager === o.manager && owner.operation === 'Update');
  if (mine !== undefined) for (const path of changed) mine.paths.add(path);
  else owners.push({ manager: o.manager, operation: 'Update', time: o.now, paths: new Set(changed) });
  write(object, owners);
}

/** `.spec.replicas`, as conflicts are told. */
export const spokenPath = (path: Path) =>
  (JSON.parse(path) as Step[])
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`;
      if (step.startsWith('v:')) return `[${step.slice(2)}]`;
      const key = Object.entries(JSON.parse(step.slice(2)) as Fields);
      return `[${key.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`;
    })
    .join('');

/** RFC 7386. */
export function mergePatched(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch;
  const result: Fields = isMap(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatched(result[key], value);
  }
  return result;
}
