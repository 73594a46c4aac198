import { describe, expect, it } from '@jest/globals';
import { buildSchema, isObjectType, validateSchema } from 'graphql';
import { fields, mutations, schema, sdl } from './schema.js';

const objectTypes = Object.values(schema.getTypeMap()).filter(
  (type) => isObjectType(type) && !type.name.startsWith('__'),
);

describe('the schema', () => {
  it('is valid GraphQL', () => {
    expect(() => buildSchema(sdl)).not.toThrow();
    expect(validateSchema(schema)).toEqual([]);
  });

  it('resolves every field of the types that are made of REST objects, and no other', () => {
    const differing = Object.entries(fields).flatMap(([name, resolvers]) => {
      const type = schema.getType(name);
      if (!isObjectType(type)) return [`${name} is no type`];
      const declared = Object.keys(type.getFields());
      return [
        ...declared.filter((field) => !(field in resolvers)).map((field) => `${name}.${field} is not resolved`),
        ...Object.keys(resolvers)
          .filter((field) => !declared.includes(field))
          .map((field) => `${name}.${field} is not declared`),
      ];
    });
    expect(differing).toEqual([]);
  });

  it('reads the other types from their values: connections, edges, payloads and small ones', () => {
    const small = [
      'PageInfo',
      'Language',
      'Topic',
      'RepositoryTopic',
      'ProjectCard',
      'Project',
      'RateLimit',
      'Mutation',
    ];
    const plain = [...small, 'PullRequestCommit', 'PullRequestChangedFile', 'ReviewRequest'];
    const others = objectTypes
      .map((type) => type.name)
      .filter((name) => !(name in fields) && !/(Connection|Edge|Payload)$/.test(name) && !plain.includes(name));
    expect(others).toEqual([]);
  });

  it('has what each mutation answers', () => {
    expect(Object.keys(schema.getMutationType()?.getFields() ?? {})).toEqual(Object.keys(mutations));
  });
});
