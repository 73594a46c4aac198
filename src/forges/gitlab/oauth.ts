/** OAuth of GitLab: access tokens live two hours, and each refresh ends the refresh token it was made with. */
import { z } from 'zod';
import { parseId } from '../../lib/ids.js';
import { type ForgeOAuth, formRequest, notAnIdentity } from '../oauth.js';

const user = z.object({
  id: z.union([z.number(), z.string()]).transform(parseId),
  username: z.string().min(1),
  name: z.string().nullish(),
  email: z.string().nullish(),
  confirmed_at: z.string().nullish(),
  avatar_url: z.string().nullish(),
});

export const oauth: ForgeOAuth = {
  authorizeUrl: ({ webUrl }) => `${webUrl}/oauth/authorize`,
  tokenUrl: ({ webUrl }) => `${webUrl}/oauth/token`,
  revocation: {
    // Either ends both; but an access token that is over is passed over, and old servers know nothing of the other.
    requests: ({ webUrl }, client, { accessToken, refreshToken }) =>
      [refreshToken, accessToken].flatMap((token) =>
        token === undefined ? [] : [formRequest(`${webUrl}/oauth/revoke`, client, { token })],
      ),
    gone: new Set(),
  },
  grantsUrl: ({ webUrl }) => `${webUrl}/-/user_settings/applications`,
  pkce: 'S256',
  scopes: {
    signIn: ['read_user'],
    // Groups and their members are read through the API alone.
    membership: ['read_user', 'read_api'],
    api: ['api'],
  },
  deadGrant: new Set(['invalid_grant']),
  async identity(native) {
    const found = user.safeParse(await native.get('/user'));
    if (!found.success) throw notAnIdentity();
    const { id, username, name, email, confirmed_at, avatar_url } = found.data;
    return {
      id,
      login: username,
      name: name || null,
      email: email || null,
      // An address that waits for its confirmation is not in `email` yet.
      emailVerified: Boolean(email) && Boolean(confirmed_at),
      avatarUrl: avatar_url || null,
    };
  },
};
