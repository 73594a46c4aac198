/** Annotated tags, as objects of git. */
import type { JsonObject } from '../../forge.js';
import type { ShapeBase } from './base.js';
import { nodeId } from './node-id.js';
import { apiOf } from './repository.js';

export interface GitTagInput {
  sha: string;
  name: string;
  message: string;
  /** What it is put on. */
  object: string;
  type: string;
  tagger: { name: string; email: string; date: string };
}

export function gitTag(base: ShapeBase, owner: string, repo: string, input: GitTagInput): JsonObject {
  const url = `${apiOf(base, owner, repo)}/git`;
  const { sha, name, message, object, type, tagger } = input;
  return {
    node_id: nodeId('Tag', sha),
    sha,
    url: `${url}/tags/${sha}`,
    tag: name,
    message,
    tagger,
    object: { sha: object, type, url: `${url}/${type}s/${object}` },
    verification: { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null },
  };
}
