/** How large a query may be: its text, its depth, and the number of nodes that it could answer. */
import {
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import { GraphqlFailure } from './failures.js';

/** Longest text of a query; contents of files belong into variables, which may be longer. */
export const MAX_QUERY_LENGTH = 1_000_000;
export const MAX_TOKENS = 20_000;
/** Fragments count as levels, which ends one that holds itself. */
const MAX_DEPTH = 40;
/** Fields once every fragment is put where it is used. */
const MAX_FIELDS = 5_000;
/** GitHub's limit. */
const MAX_NODES = 500_000;
/** What a connection gives when nothing is said. */
const DEFAULT_NODES = 100;

interface Count {
  fields: number;
  nodes: number;
}

const exceeded = (message: string): GraphqlFailure => new GraphqlFailure('RESOURCE_LIMITS_EXCEEDED', message);

/** @throws GraphqlFailure RESOURCE_LIMITS_EXCEEDED. Comes before validation, whose time grows with the square of a query. */
export function checkSize(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
  variables: Readonly<Record<string, unknown>>,
): void {
  const count: Count = { fields: 0, nodes: 0 };

  const walk = (set: SelectionSetNode, parent: GraphQLCompositeType, depth: number, times: number): void => {
    if (depth > MAX_DEPTH) throw exceeded(`This query is nested deeper than ${MAX_DEPTH} levels.`);
    for (const selection of set.selections) {
      count.fields += 1;
      if (count.fields > MAX_FIELDS) throw exceeded(`This query has more than ${MAX_FIELDS} fields.`);
      if (selection.kind === Kind.FRAGMENT_SPREAD || selection.kind === Kind.INLINE_FRAGMENT) {
        const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
        const named = fragment?.typeCondition ? schema.getType(fragment.typeCondition.name.value) : parent;
        if (fragment !== undefined && isCompositeType(named)) walk(fragment.selectionSet, named, depth + 1, times);
        continue;
      }
      const definition =
        isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[selection.name.value] : undefined;
      const inner = definition && getNamedType(definition.type);
      if (definition === undefined || selection.selectionSet === undefined || !isCompositeType(inner)) continue;
      const given = Object.fromEntries(
        (selection.arguments ?? []).map(({ name, value }) => [name.value, valueFromASTUntyped(value, variables)]),
      );
      const connected = definition.args.some(({ name }) => name === 'first');
      const size = [given.first, given.last].find((value) => typeof value === 'number');
      const many = connected ? (typeof size === 'number' ? Math.max(size, 1) : DEFAULT_NODES) : 1;
      count.nodes += connected ? times * many : 0;
      if (count.nodes > MAX_NODES) throw exceeded(`This query could answer more than ${MAX_NODES} nodes.`);
      walk(selection.selectionSet, inner, depth + 1, times * many);
    }
  };

  const root = schema.getRootType(operation.operation);
  if (root) walk(operation.selectionSet, root, 1, 1);
}
