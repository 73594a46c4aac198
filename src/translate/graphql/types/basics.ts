/** Scalars, interfaces and enums that the other areas share. */
import type { Area } from './area.js';

export const basics: Area = {
  sdl: `
    scalar DateTime
    scalar Date
    scalar URI
    scalar HTML
    scalar GitObjectID
    scalar GitTimestamp
    scalar GitSSHRemote
    scalar Base64String
    scalar BigInt

    interface Node { id: ID! }
    interface Comment { id: ID! author: Actor authorAssociation: CommentAuthorAssociation! body: String! createdAt: DateTime! updatedAt: DateTime! }
    interface Closable { closed: Boolean! closedAt: DateTime }
    interface Lockable { locked: Boolean! activeLockReason: LockReason }
    interface Assignable { assignees(first: Int after: String last: Int before: String): UserConnection! }
    interface Labelable { labels(first: Int after: String last: Int before: String): LabelConnection }
    interface Reactable { id: ID! databaseId: BigInt }
    interface Minimizable { isMinimized: Boolean! minimizedReason: String }
    interface UniformResourceLocatable { url: URI! }

    type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }

    enum OrderDirection { ASC DESC }
    enum CommentAuthorAssociation {
      COLLABORATOR CONTRIBUTOR FIRST_TIMER FIRST_TIME_CONTRIBUTOR MANNEQUIN MEMBER NONE OWNER
    }
    enum LockReason { OFF_TOPIC RESOLVED SPAM TOO_HEATED }`,
  fields: {},
};
