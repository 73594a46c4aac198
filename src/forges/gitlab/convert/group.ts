import { z } from 'zod';
import type { AccountInput, TeamInput } from '../../kit/shapes/inputs.js';
import { id } from './read.js';
import { nativeUser } from './user.js';

export const nativeGroup = z.looseObject({
  id,
  name: z.string(),
  path: z.string(),
  full_path: z.string(),
  description: z.string().nullish(),
  avatar_url: z.string().nullish(),
  web_url: z.string().optional(),
  parent_id: id.nullish(),
  visibility: z.string().nullish(),
});
type NativeGroup = z.output<typeof nativeGroup>;

export const nativeMember = nativeUser.extend({ access_level: z.number(), state: z.string().optional() });
export type NativeMember = z.output<typeof nativeMember>;

/** Owner as apps see it. */
const ownerLogin = (fullPath: string): string => fullPath.replaceAll('/', '~');

export const organizationInput = (group: NativeGroup): AccountInput => ({
  id: group.id,
  login: ownerLogin(group.full_path),
  name: group.name,
  avatarUrl: group.avatar_url ?? null,
  htmlUrl: group.web_url,
  type: 'Organization',
});

/** A subgroup is a team of the group it lies in. */
export const teamInput = (group: NativeGroup, organization: string): TeamInput => ({
  id: group.id,
  name: group.name,
  slug: group.path,
  description: group.description || null,
  htmlUrl: group.web_url,
  organization,
});
