/**
 * How the effect of a write is recognised, by GitHub's route string. It is asked for in GitHub's own reads, so one table
 * serves every forge. Nothing is written into what an app writes to recognise it by (docs/adr/0009).
 */
import type { JsonObject } from '../../forges/forge.js';
import { contentFinders } from './find-content.js';
import { conversationFinders } from './find-conversation.js';
import { repositoryFinders } from './find-repository.js';
import type { Look } from './look.js';

export interface Sought {
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  sent: JsonObject;
}

/** Something that the write may have made, and the answer that it would have had. */
export interface Candidate {
  status: number;
  data: JsonObject;
}

export interface Finder {
  /**
   * What the write made, by a name that nothing else has, read from its answer; undefined where the same thing may be the
   * effect of many writes, as a state is.
   */
  effect(answer: JsonObject): string | undefined;
  /** In the order of their likelihood. @throws CannotLook */
  find(sought: Sought, look: Look): Promise<readonly Candidate[]>;
}

export type Finders = Readonly<Record<string, Finder>>;

export const finders: Finders = { ...conversationFinders, ...repositoryFinders, ...contentFinders };
