/** Which fields there are, by the client's own generated tables. */
import * as client from '@kubernetes/client-node';

interface Attribute {
  baseName: string;
  type: string;
}

const generated = client as unknown as Record<string, { getAttributeTypeMap?: () => Attribute[] } | undefined>;

/** Paths of fields that the type does not have. */
export function unknownFields(value: unknown, type: string, path: string): string[] {
  const items = /^Array<(.+)>$/.exec(type)?.[1];
  if (items !== undefined)
    return Array.isArray(value)
      ? value.flatMap((item, index) => unknownFields(item, items, `${path}[${index}]`))
      : [`${path} is no list`];
  const values = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1];
  if (values !== undefined)
    return Object.entries(value as object).flatMap(([key, item]) => unknownFields(item, values, `${path}.${key}`));
  const attributes = generated[type]?.getAttributeTypeMap?.();
  // A text, a number, a date, or any of them.
  if (attributes === undefined) return [];
  if (typeof value !== 'object' || value === null) return [`${path} is no object`];
  return Object.entries(value).flatMap(([key, item]) => {
    if (item === undefined) return [];
    const attribute = attributes.find(({ baseName }) => baseName === key);
    return attribute === undefined ? [`${path}.${key}`] : unknownFields(item, attribute.type, `${path}.${key}`);
  });
}

/**
 * As an API server refuses to apply an object with fields that it does not know.
 * @param lacks fields that this one is too old for, as `Job.spec.podFailurePolicy`
 */
export function undeclared(object: { kind: string }, lacks: readonly string[]): string[] {
  const given = (path: string) =>
    path
      .split('.')
      .slice(1)
      .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
  const tooNew = lacks.filter((path) => path.startsWith(`${object.kind}.`) && given(path) !== undefined);
  return [...unknownFields(object, `V1${object.kind}`, object.kind), ...tooNew].map((path) =>
    path.slice(object.kind.length),
  );
}
