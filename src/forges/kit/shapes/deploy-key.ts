/** Keys by which a machine reaches one repository. */
import type { JsonObject } from '../../forge.js';
import type { ShapeBase } from './base.js';
import { UNKNOWN_TIME } from './fields.js';
import type { Id } from './inputs.js';
import { jsonId } from './node-id.js';
import { apiOf } from './repository.js';

export interface DeployKeyInput {
  id: Id;
  title: string;
  key: string;
  readOnly: boolean;
  createdAt: string | undefined;
}

export const deployKey = (base: ShapeBase, owner: string, repo: string, input: DeployKeyInput): JsonObject => ({
  id: jsonId(input.id),
  key: input.key,
  url: `${apiOf(base, owner, repo)}/keys/${input.id}`,
  title: input.title,
  verified: true,
  created_at: input.createdAt ?? UNKNOWN_TIME,
  read_only: input.readOnly,
  added_by: null,
  last_used: null,
  enabled: true,
});
