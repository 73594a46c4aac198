/**
 * OAuth of GitHub.com and GitHub Enterprise Server, for OAuth Apps and for the user tokens of GitHub Apps. Tokens of the
 * first live until they are revoked; those of the second end after eight hours and are refreshed, where the App says so.
 */
import { z } from 'zod';
import { parseId } from '../../lib/ids.js';
import type { Capability } from '../administration.js';
import { type ForgeOAuth, notAnIdentity, primaryEmail } from '../oauth.js';

const user = z.object({
  id: z.union([z.number(), z.string()]).transform(parseId),
  login: z.string().min(1),
  name: z.string().nullish(),
  avatar_url: z.string().nullish(),
});

/** Scopes of an OAuth App, each of which lets its token write where its person may. */
const WRITES: ReadonlySet<string> = new Set(['repo', 'public_repo']);

export const oauth: ForgeOAuth = {
  authorizeUrl: ({ webUrl }) => `${webUrl}/login/oauth/authorize`,
  tokenUrl: ({ webUrl }) => `${webUrl}/login/oauth/access_token`,
  revocation: {
    requests: ({ apiUrl }, client, { accessToken }) => [
      {
        url: `${apiUrl}/applications/${encodeURIComponent(client.id)}/token`,
        init: {
          method: 'DELETE',
          headers: {
            accept: 'application/vnd.github+json',
            'content-type': 'application/json',
            // GitHub answers nobody who does not say what they are.
            'user-agent': 'forgeway',
            authorization: `Basic ${Buffer.from(`${client.id}:${client.secret ?? ''}`).toString('base64')}`,
          },
          body: JSON.stringify({ access_token: accessToken }),
        },
      },
    ],
    gone: new Set([404, 422]),
  },
  grantsUrl: ({ webUrl }) => `${webUrl}/settings/applications`,
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
  async measure(native) {
    const { data, headers } = await native.send('GET', '/user');
    const found = user.safeParse(data);
    if (!found.success) throw notAnIdentity();
    const { id, login } = found.data;
    // With every answer to a token of an OAuth App. What a user token of a GitHub App may do is said by the App alone.
    const told = headers.get('x-oauth-scopes');
    const scopes = (told ?? '').split(',').flatMap((one) => one.trim() || []);
    const writes = scopes.some((one) => WRITES.has(one));
    const capabilities: readonly Capability[] = writes ? ['read', 'comment', 'status'] : ['read'];
    return {
      ...{ version: '', edition: 'github', account: { id, login }, isPerson: true, scopes, capabilities },
      warnings: writes
        ? []
        : [
            told === null
              ? 'GitHub does not tell what a user token of a GitHub App may do: that is in the permissions of the App.'
              : 'The token may only read what is public: the OAuth App was not granted the scope "repo".',
          ],
      expiresAt: null,
    };
  },
};
