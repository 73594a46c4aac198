/** A mutation: its input and payload in GraphQL's language, and what it does in REST routes. */
import type { Ask } from '../ask.js';

export interface Mutation {
  /** Fields of the input, beside `clientMutationId`. */
  input: string;
  /** Fields of the payload, beside `clientMutationId`. */
  payload: string;
  /** graphql-js has checked the input before. Answers the payload's fields. */
  run(input: never, ask: Ask): Promise<Readonly<Record<string, unknown>>>;
}

/** By GitHub's name of the mutation. */
export type Mutations = Readonly<Record<string, Mutation>>;

const pascal = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/** The mutations as GraphQL types. */
export function mutationTypes(mutations: Mutations): string {
  return Object.entries(mutations)
    .map(
      ([name, { input, payload }]) => `
        input ${pascal(name)}Input { clientMutationId: String ${input} }
        type ${pascal(name)}Payload { clientMutationId: String ${payload} }
        extend type Mutation { ${name}(input: ${pascal(name)}Input!): ${pascal(name)}Payload }`,
    )
    .join('');
}
