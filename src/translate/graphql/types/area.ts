/** A part of the schema: types in GraphQL's own language, and how their fields are found. */

import type { Ask } from '../ask.js';
import type { ConnectionArgs } from '../connection.js';

/** A field's resolver. graphql-js has checked the arguments against the schema before it is called. */
export type Field = (source: never, args: never, ask: Ask) => unknown;

export type Fields = Readonly<Record<string, Field>>;

export interface Area {
  /** Names are those of GitHub's public schema; the text is ours. */
  sdl: string;
  /** By type and field. A type that is not here has values of its own form, such as connections. */
  fields: Readonly<Record<string, Fields>>;
}

/** Arguments that every connection has. */
export const PAGES = 'first: Int after: String last: Int before: String';

export type Pages = ConnectionArgs;

/** `LabelConnection` and `LabelEdge` of `Label`; a connection may have a name of its own and more fields. */
export function connectionTypes(node: string, name = node, more: { connection?: string; edge?: string } = {}): string {
  return `
    type ${name}Connection {
      edges: [${name}Edge]
      nodes: [${node}]
      pageInfo: PageInfo!
      totalCount: Int!
      ${more.connection ?? ''}
    }
    type ${name}Edge {
      cursor: String
      node: ${node}
      ${more.edge ?? ''}
    }`;
}
