/** Finds what a query uses of GitHub's schema that ours does not have, so that it is refused before anything is done. */
import {
  type ASTNode,
  type DocumentNode,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  Kind,
  TypeInfo,
  typeFromAST,
  visit,
  visitWithTypeInfo,
} from 'graphql';

export interface Unsupported {
  /** As it is counted: `Issue.timelineItems`, `Mutation.pinIssue`, `ProjectV2`. */
  name: string;
  /** Says the same for people: `Field 'timelineItems' on type 'Issue'`. */
  what: string;
  node: ASTNode;
}

/** Unknown keys and enum values inside a variable. */
function* insideValue(value: unknown, type: GraphQLInputType, node: ASTNode): Generator<Unsupported> {
  const bare = getNullableType(type);
  if (isListType(bare)) {
    for (const one of Array.isArray(value) ? value : [value]) yield* insideValue(one, bare.ofType, node);
  } else if (isEnumType(bare) && typeof value === 'string' && bare.getValue(value) === undefined) {
    yield { name: `${bare.name}.${value}`, what: `Value '${value}' of '${bare.name}'`, node };
  } else if (isInputObjectType(bare) && typeof value === 'object' && value !== null) {
    const known = bare.getFields();
    for (const [key, inner] of Object.entries(value)) {
      const field = known[key];
      if (field === undefined) yield { name: `${bare.name}.${key}`, what: `Field '${key}' of '${bare.name}'`, node };
      else yield* insideValue(inner, field.type, node);
    }
  }
}

export function unsupportedIn(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Readonly<Record<string, unknown>>,
): readonly Unsupported[] {
  const found: Unsupported[] = [];
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      NamedType(node) {
        const type = node.name.value;
        if (schema.getType(type) === undefined) found.push({ name: type, what: `Type '${type}'`, node });
      },
      Field(node) {
        const parent = types.getParentType();
        if (!parent || types.getFieldDef()) return undefined;
        const field = node.name.value;
        found.push({ name: `${parent.name}.${field}`, what: `Field '${field}' on type '${parent.name}'`, node });
        return false;
      },
      Argument(node) {
        const [parent, field] = [types.getParentType(), types.getFieldDef()];
        if (!parent || !field || types.getDirective() || types.getArgument()) return undefined;
        const name = `${parent.name}.${field.name}(${node.name.value})`;
        found.push({ name, what: `Argument '${node.name.value}' of '${parent.name}.${field.name}'`, node });
        return false;
      },
      ObjectField(node) {
        const parent = types.getParentInputType();
        const named = parent ? getNamedType(parent) : undefined;
        if (!isInputObjectType(named) || named.getFields()[node.name.value] !== undefined) return undefined;
        const name = `${named.name}.${node.name.value}`;
        found.push({ name, what: `Field '${node.name.value}' of '${named.name}'`, node });
        return false;
      },
      EnumValue(node) {
        const input = types.getInputType();
        const named = input ? getNamedType(input) : undefined;
        if (isEnumType(named) && named.getValue(node.value) === undefined)
          found.push({ name: `${named.name}.${node.value}`, what: `Value '${node.value}' of '${named.name}'`, node });
      },
    }),
  );
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    for (const { variable, type, ...rest } of definition.variableDefinitions ?? []) {
      const input = typeFromAST(schema, type);
      const value = variables[variable.name.value];
      if (input && value !== undefined)
        found.push(...insideValue(value, input as GraphQLInputType, { variable, type, ...rest }));
    }
  }
  return found;
}
