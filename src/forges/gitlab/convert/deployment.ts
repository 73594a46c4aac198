import { z } from 'zod';
import type { DeploymentInput } from '../../kit/shapes/deployment.js';
import { UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import { id, time } from './read.js';
import { accountOrNull, nativeUser } from './user.js';

/** GitHub sends no hook for `inactive`, and its hooks have no word for a deployment that was cancelled. */
const STATES: Readonly<Record<string, string>> = {
  created: 'queued',
  blocked: 'waiting',
  running: 'in_progress',
  success: 'success',
  failed: 'failure',
  canceled: 'error',
};

/** GitHub's word; undefined where it has none. */
export const stateOf = (status: string): string | undefined =>
  Object.hasOwn(STATES, status) ? STATES[status] : undefined;

export const nativeDeployment = z.looseObject({
  id,
  ref: z.string().nullish(),
  sha: z.string(),
  status: z.string(),
  created_at: z.string().nullish(),
  updated_at: z.string().nullish(),
  user: nativeUser.nullish(),
  environment: z
    .looseObject({ name: z.string(), external_url: z.string().nullish(), tier: z.string().nullish() })
    .nullish(),
  deployable: z
    .looseObject({
      web_url: z.string().nullish(),
      commit: z.looseObject({ title: z.string().nullish() }).nullish(),
    })
    .nullish(),
});
export type NativeDeployment = z.output<typeof nativeDeployment>;

export const deploymentInput = (of: NativeDeployment): DeploymentInput => ({
  id: of.id,
  sha: of.sha,
  ref: of.ref ?? of.sha,
  environment: of.environment?.name ?? '',
  production: of.environment?.tier === 'production',
  description: of.deployable?.commit?.title ?? null,
  creator: accountOrNull(of.user) ?? undefined,
  createdAt: time(of.created_at) ?? UNKNOWN_TIME,
  updatedAt: time(of.updated_at ?? of.created_at) ?? UNKNOWN_TIME,
});
