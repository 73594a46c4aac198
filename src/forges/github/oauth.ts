/**
 * OAuth of GitHub.com and GitHub Enterprise Server, for OAuth Apps and for the user tokens of GitHub Apps. Tokens of the
 * first live until they are revoked; those of the second end after eight hours and are refreshed, where the App says so.
 */
import { z } from 'zod';
import { parseId } from '../../lib/ids.js';
import { type ForgeOAuth, notAnIdentity, primaryEmail } from '../oauth.js';

const user = z.object({
  id: z.union([z.number(), z.string()]).transform(parseId),
  login: z.string().min(1),
  name: z.string().nullish(),
  avatar_url: z.string().nullish(),
});

export const oauth: ForgeOAuth = {
  authorizeUrl: ({ webUrl }) => `${webUrl}/login/oauth/authorize`,
  tokenUrl: ({ webUrl }) => `${webUrl}/login/oauth/access_token`,
  revocation: ({ apiUrl }, client, token) => ({
    url: `${apiUrl}/applications/${encodeURIComponent(client.id)}/token`,
    init: {
      method: 'DELETE',
      headers: {
        accept: 'application/vnd.github+json',
        'content-type': 'application/json',
        authorization: `Basic ${Buffer.from(`${client.id}:${client.secret ?? ''}`).toString('base64')}`,
      },
      body: JSON.stringify({ access_token: token }),
    },
  }),
  pkce: 'S256',
  scopes: {
    signIn: ['read:user', 'user:email'],
    membership: ['read:user', 'user:email', 'read:org'],
    api: ['repo', 'read:user', 'user:email', 'read:org'],
  },
  deadGrant: new Set(['bad_refresh_token', 'invalid_grant']),
  async identity(native) {
    const found = user.safeParse(await native.get('/user'));
    if (!found.success) throw notAnIdentity();
    const { id, login, name, avatar_url } = found.data;
    // `email` of the account is what it shows to others, which it need not have confirmed.
    return { id, login, name: name || null, avatarUrl: avatar_url || null, ...(await primaryEmail(native)) };
  },
};
