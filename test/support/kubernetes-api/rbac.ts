/** Whether rules of RBAC allow what is asked, as an API server decides it. */
import { StatusError } from './objects.js';

export interface PolicyRule {
  apiGroups?: string[];
  resources?: string[];
  verbs: string[];
}

export interface AccessAsked {
  verb: string;
  group: string;
  resource: string;
  subresource?: string | undefined;
}

const spoken = ({ resource, subresource }: AccessAsked) =>
  subresource === undefined ? resource : `${resource}/${subresource}`;

/** Nothing is granted that no rule names: neither a subresource by its resource, nor a group by its neighbour. */
export function isAllowed(rules: readonly PolicyRule[], asked: AccessAsked): boolean {
  const has = (list: readonly string[] | undefined, one: string) => list?.some((each) => each === one || each === '*');
  return rules.some(
    ({ apiGroups, resources, verbs }) =>
      has(apiGroups, asked.group) && has(resources, spoken(asked)) && has(verbs, asked.verb),
  );
}

/** @param name of the one object that was asked for */
export const forbidden = (asked: AccessAsked, namespace: string | undefined, name?: string): StatusError => {
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const { verb, group, resource } = asked;
  const which = `${resource}${group === '' ? '' : `.${group}`}${name === undefined ? '' : ` "${name}"`}`;
  return new StatusError(
    403,
    'Forbidden',
    `${which} is forbidden: User "system:serviceaccount:forgeway:forgeway" cannot ${verb} resource "${spoken(asked)}" in API group "${group}" ${where}`,
  );
};
