/**
 * OAuth of Gitea and Forgejo. Access tokens live one hour by default. Whether a refresh token can be used twice is a setting of
 * the server; it is always replaced by the new one. Scopes are understood by Gitea 1.23 and later: older servers, and those
 * that are asked for nothing but OpenID's scopes, grant everything. A person's grant for one client has one list of scopes.
 */
import { z } from 'zod';
import { parseId } from '../../lib/ids.js';
import { type ForgeOAuth, notAnIdentity, primaryEmail } from '../oauth.js';

const user = z.object({
  id: z.union([z.number(), z.string()]).transform(parseId),
  login: z.string().min(1),
  full_name: z.string().nullish(),
  avatar_url: z.string().nullish(),
});

export const oauth: ForgeOAuth = {
  authorizeUrl: ({ webUrl }) => `${webUrl}/login/oauth/authorize`,
  tokenUrl: ({ webUrl }) => `${webUrl}/login/oauth/access_token`,
  // Neither Gitea nor Forgejo has a revocation by the client.
  grantsUrl: ({ webUrl }) => `${webUrl}/user/settings/applications`,
  pkce: 'S256',
  scopes: {
    signIn: ['read:user'],
    membership: ['read:user', 'read:organization'],
    api: ['read:user', 'read:organization', 'write:repository', 'write:issue'],
  },
  // A refresh token that was used before, has expired or was signed with another key is an `unauthorized_client` here.
  deadGrant: new Set(['invalid_grant', 'unauthorized_client']),
  async identity(native) {
    const found = user.safeParse(await native.get('/user'));
    if (!found.success) throw notAnIdentity();
    const { id, login, full_name, avatar_url } = found.data;
    return { id, login, name: full_name || null, avatarUrl: avatar_url || null, ...(await primaryEmail(native)) };
  },
};
