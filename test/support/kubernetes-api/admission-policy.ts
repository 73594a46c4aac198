/**
 * What an API server makes of a ValidatingAdmissionPolicy, its expressions evaluated by a CEL library. What that leaves out stands
 * in README.md.
 */
import type { V1NamedRuleWithOperations, V1ValidatingAdmissionPolicy } from '@kubernetes/client-node';
import { Environment } from '@marcbachmann/cel-js';
import { type Fields, StatusError } from './objects.js';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One request as admission sees it. */
export interface AdmissionRequest {
  user: string;
  operation: Operation;
  resource: { group: string; version: string; resource: string };
  subResource?: string;
  kind: { group: string; version: string; kind: string };
  name?: string;
  namespace?: string;
  /** Null: of what is deleted. */
  object: Fields | null;
  /** Null: of what is made, or connected to. */
  oldObject: Fields | null;
  /** Null: outside of namespaces, and of a namespace itself. */
  namespaceObject: Fields | null;
}

/** As `AdmissionRequest` is declared to expressions; whoever reads a field that is not there is told so when it is compiled. */
const REQUEST = {
  kind: { group: 'string', version: 'string', kind: 'string' },
  resource: { group: 'string', version: 'string', resource: 'string' },
  requestKind: { group: 'string', version: 'string', kind: 'string' },
  requestResource: { group: 'string', version: 'string', resource: 'string' },
  ...{ subResource: 'string', requestSubResource: 'string', name: 'string', namespace: 'string', operation: 'string' },
  userInfo: { username: 'string', uid: 'string', groups: 'list<string>' },
  ...{ dryRun: 'bool', options: 'dyn' },
};

const environment = new Environment({ enableOptionalTypes: true })
  .registerVariable({ name: 'request', schema: REQUEST })
  .registerVariable('object', 'dyn')
  .registerVariable('oldObject', 'dyn')
  .registerVariable('namespaceObject', 'dyn');

/** An expression that is no CEL, names what is not there, or is not true or false. Undefined: none of these. */
export function expressionProblem(expression: string): string | undefined {
  const { valid, type, error } = environment.check(expression);
  if (!valid) return error?.message ?? 'no CEL';
  return type === 'bool' ? undefined : `must evaluate to bool, and not to ${type}`;
}

const has = (list: readonly string[] | undefined, one: string) => list?.some((each) => each === '*' || each === one);

function matches(rule: V1NamedRuleWithOperations, { operation, resource, subResource, ...asked }: AdmissionRequest) {
  const isResource = rule.resources?.some((each) => {
    const [plural, sub] = each.split('/');
    const isSub = sub === '*' || (sub ?? '') === (subResource ?? '');
    return (plural === '*' || plural === resource.resource) && isSub;
  });
  const isOfNamespace = asked.namespace !== undefined && resource.resource !== 'namespaces';
  const isInScope = (rule.scope ?? '*') === '*' || (rule.scope === 'Namespaced') === isOfNamespace;
  return (
    has(rule.operations, operation) &&
    has(rule.apiGroups, resource.group) &&
    has(rule.apiVersions, resource.version) &&
    isResource === true &&
    isInScope
  );
}

/** What is said to whoever is refused; undefined: it is let in. What cannot be evaluated is as `failurePolicy` says. */
export function refusal(policy: V1ValidatingAdmissionPolicy, asked: AdmissionRequest): string | undefined {
  const { matchConstraints, matchConditions = [], validations = [], failurePolicy = 'Fail' } = policy.spec ?? {};
  const isMeant = (rules: V1NamedRuleWithOperations[] | undefined) => rules?.some((rule) => matches(rule, asked));
  if (!isMeant(matchConstraints?.resourceRules) || isMeant(matchConstraints?.excludeResourceRules)) return undefined;
  const { user, operation, resource, kind, object, oldObject, namespaceObject } = asked;
  const { name = '', namespace = '', subResource = '' } = asked;
  const request = {
    ...{ kind, resource, requestKind: kind, requestResource: resource, subResource, requestSubResource: subResource },
    ...{ name, namespace, operation, userInfo: { username: user, uid: '', groups: [] }, dryRun: false, options: {} },
  };
  // As they come over the wire: the library takes no objects of another realm, which `structuredClone` makes under Jest.
  const given = JSON.parse(JSON.stringify({ request, object, oldObject, namespaceObject }));
  try {
    for (const { expression } of matchConditions)
      if (environment.evaluate(expression, given) !== true) return undefined;
    for (const { expression, message } of validations)
      if (environment.evaluate(expression, given) !== true) return message ?? `failed expression: ${expression}`;
  } catch (error) {
    return failurePolicy === 'Fail'
      ? `expression resulted in error: ${(error as Error).message.split('\n')[0]}`
      : undefined;
  }
  return undefined;
}

/** As the answer of an API server. */
export function refuse(policy: V1ValidatingAdmissionPolicy, asked: AdmissionRequest): void {
  const why = refusal(policy, asked);
  if (why === undefined) return;
  const { group, resource } = asked.resource;
  const called = policy.metadata?.name ?? '';
  throw new StatusError(
    403,
    'Forbidden',
    `${group === '' ? resource : `${resource}.${group}`} "${asked.name ?? ''}" is forbidden: ValidatingAdmissionPolicy '${called}' ` +
      `with binding '${called}' denied request: ${why}`,
  );
}
