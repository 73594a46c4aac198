/**
 * How Better Auth is set up: its tables under our names, and everything off that we do not offer. Imports of it here are types
 * only, since loading it takes a third of a second: see better-auth.ts.
 */
import { randomUUID } from 'node:crypto';
import type { BetterAuthOptions } from 'better-auth';

/** Sign-ins last this long, whatever happens: people come back through their forge, which knows whether they still may. */
const SESSION_SECONDS = 7 * 24 * 3600;
const STATE_SECONDS = 600;

export interface AuthPlace {
  /** Scheme, host and port at which browsers reach us. */
  origin: string;
  /** Path below which the auth routes lie, `/api/auth` when there is no path before. */
  basePath: string;
  /** Page that failed sign-ins end on. */
  errorUrl: string;
  secret: string;
}

/** Everything but the providers and the hooks. What of the schema Better Auth will use is decided here alone. */
export function authOptions(place: AuthPlace) {
  return {
    appName: 'Forgeway',
    baseURL: place.origin,
    basePath: place.basePath,
    // A list, since a single one could be replaced by a variable of the environment.
    secrets: [{ version: 1, value: place.secret }],
    telemetry: { enabled: false },
    // Ours stand before it, with a clock that tests can hold.
    rateLimit: { enabled: false },
    emailAndPassword: { enabled: false },
    onAPIError: { errorURL: place.errorUrl },
    user: {
      fields: { emailVerified: 'email_verified', createdAt: 'created_at', updatedAt: 'updated_at' },
      additionalFields: {
        contactEmail: { type: 'string', required: false, input: false, returned: false, fieldName: 'contact_email' },
        suspendedAt: { type: 'date', required: false, input: false, fieldName: 'suspended_at' },
      },
    },
    session: {
      fields: {
        userId: 'user_id',
        expiresAt: 'expires_at',
        ipAddress: 'ip_address',
        userAgent: 'user_agent',
        createdAt: 'created_at',
        updatedAt: 'updated_at',
      },
      expiresIn: SESSION_SECONDS,
      disableSessionRefresh: true,
      // Asked of the database each time, so that signing out everywhere is at once.
      cookieCache: { enabled: false },
    },
    account: {
      modelName: 'identity',
      fields: {
        userId: 'user_id',
        accountId: 'account_id',
        providerId: 'provider_id',
        accessToken: 'access_token',
        refreshToken: 'refresh_token',
        idToken: 'id_token',
        accessTokenExpiresAt: 'access_token_expires_at',
        refreshTokenExpiresAt: 'refresh_token_expires_at',
        createdAt: 'created_at',
        updatedAt: 'updated_at',
      },
      additionalFields: {
        forge: { type: 'string', required: true, input: false },
        host: { type: 'string', required: true, input: false },
        login: { type: 'string', required: true, input: false },
      },
      storeStateStrategy: 'database',
      updateAccountOnSignIn: false,
      // Nobody becomes somebody else because a forge says that they share an address.
      accountLinking: { enabled: false, disableImplicitLinking: true },
    },
    verification: {
      fields: { expiresAt: 'expires_at', createdAt: 'created_at', updatedAt: 'updated_at' },
      storeIdentifier: 'hashed',
    },
    advanced: {
      cookiePrefix: 'forgeway',
      useSecureCookies: place.origin.startsWith('https://'),
      // The address is the one of the connection, or what a trusted proxy says; not any header's.
      ipAddress: { disableIpTracking: true },
      database: { generateId: () => randomUUID() },
      cookies: { state: { attributes: { maxAge: STATE_SECONDS } } },
    },
  } as const satisfies BetterAuthOptions;
}
