/**
 * Better Auth, with one generic OAuth provider per registered client. Import it lazily: it takes a third of a second. What it
 * does: state and its cookie, PKCE, the callback, sessions and their cookies. What is ours: which instances, who is let in,
 * who somebody is.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHmac, randomUUID } from 'node:crypto';
import { kyselyAdapter } from '@better-auth/kysely-adapter';
import type { BetterAuthOptions } from 'better-auth';
import { APIError, addOAuthServerContext, createAuthMiddleware, getOAuthState } from 'better-auth/api';
import { betterAuth } from 'better-auth/minimal';
import { type GenericOAuthConfig, genericOAuth } from 'better-auth/plugins/generic-oauth';
import { Kysely, PostgresDialect } from 'kysely';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { type Admission, type AdmissionPorts, admit, type Refusal, type Vouched } from './admission.js';
import { type AuthPlace, authOptions } from './auth-options.js';
import { askIdentity, exchangeCode, type Fetch } from './exchange.js';
import type { OAuthClientAccess, SignInClient } from './oauth-clients.js';
import { sealedStates } from './sealed-states.js';

/** What one request to sign in, or one callback, is about; filled on the way. */
export interface SignInFlow {
  /** Address of the browser. */
  ip: string;
  /** Hash of the setup code that the browser came with. */
  setup?: string;
  /** Once the forge has vouched. */
  vouched?: Omit<Vouched, 'setup'>;
  admission?: Admission;
  session?: { id: string; userId: string };
}

export interface SignInAuthOptions extends AdmissionPorts {
  place: AuthPlace;
  clients: readonly SignInClient[];
  accessOf(providerId: string): Promise<OAuthClientAccess>;
  fetch: Fetch;
  /** Counts a sign-in of this identity; false when there were too many. */
  mayTry(identity: string): boolean;
  log: Logger;
}

export interface SignInAuth {
  /**
   * Address of the forge's page and the cookies to set.
   * @param o.membership asks for the scopes that tell what somebody belongs to @throws APIError
   */
  start(
    flow: SignInFlow,
    o: { providerId: string; returnTo: string; headers: Headers; membership: boolean },
  ): Promise<Response>;
  callback(flow: SignInFlow, request: Request): Promise<Response>;
  session(headers: Headers): Promise<{ id: string; userId: string; name: string; expiresAt: Date } | undefined>;
  /** A session that no browser began; its token as a cookie would carry it. */
  deviceSession(
    userId: string,
    from: { ip: string; userAgent: string },
  ): Promise<{ token: string; expiresAt: Date } | undefined>;
  /** Ends the session, and answers the cookies that say so. */
  signOut(headers: Headers): Promise<Response>;
}

/** What rides in the state, where no browser can change it. */
const carried = z.object({ provider: z.string(), flow: z.uuid(), setup: z.string().optional() });

/** Never an address of anybody: `.invalid` is reserved, and no two identities share it. */
const madeUpAddress = (client: SignInClient, id: bigint) => `${id}@${client.providerId}.invalid`;

export function createSignInAuth(o: SignInAuthOptions): SignInAuth {
  const flows = new AsyncLocalStorage<SignInFlow>();
  const clientOf = (providerId: string) => o.clients.find((one) => one.providerId === providerId);

  /** The state belongs to one provider and is used once, also by two requests at the same moment. */
  async function claimState(providerId: string): Promise<void> {
    const state = carried.parse((await getOAuthState())?.serverContext);
    if (state.provider !== providerId) throw new Error('the state belongs to another provider');
    const { rowCount } = await o.pool.query(
      `INSERT INTO verification (id, identifier, value, expires_at)
       VALUES ($1, $2, '', now() + interval '20 minutes') ON CONFLICT (identifier) DO NOTHING`,
      [randomUUID(), `used:${state.flow}`],
    );
    if (rowCount !== 1) throw new Error('the state was used before');
    const flow = flows.getStore();
    if (flow !== undefined && state.setup !== undefined) flow.setup = state.setup;
  }

  /** Those for memberships that are not asked for in any case. */
  const moreScopes = (providerId: string): string[] => {
    const { signIn = [], membership = [] } = clientOf(providerId)?.oauth.scopes ?? {};
    return membership.filter((scope) => !signIn.includes(scope));
  };

  const providerOf = (client: SignInClient): GenericOAuthConfig => ({
    providerId: client.providerId,
    name: client.label,
    clientId: client.clientId,
    authorizationUrl: client.oauth.authorizeUrl(client.endpoint),
    tokenUrl: client.oauth.tokenUrl(client.endpoint),
    scopes: [...client.oauth.scopes.signIn],
    pkce: true,
    accountSubject: ({ profile }) => String(profile.id),
    async getToken({ code, codeVerifier, redirectURI }) {
      await claimState(client.providerId);
      if (codeVerifier === undefined) throw new Error('the state has no verifier');
      const access = await o.accessOf(client.providerId);
      const grant = { code, verifier: codeVerifier, redirectUri: redirectURI };
      const { accessToken } = await exchangeCode(o.fetch, client, access, grant);
      return { accessToken };
    },
    async getUserInfo({ accessToken = '' }) {
      const { route } = await o.accessOf(client.providerId);
      const identity = await askIdentity(o.fetch, client, { accessToken, route });
      const flow = flows.getStore();
      if (flow !== undefined) flow.vouched = { client, identity, accessToken, ...(route && { route }) };
      return {
        id: identity.id.toString(),
        name: identity.name ?? identity.login,
        email: madeUpAddress(client, identity.id),
        emailVerified: false,
        ...(identity.avatarUrl !== null && { image: identity.avatarUrl }),
      };
    },
  });

  /** Asked before a person is made and before a known one is let in. */
  async function refusalOf(): Promise<Refusal | undefined> {
    const flow = flows.getStore();
    if (flow?.vouched === undefined) throw new Error('nobody vouched for this person');
    const { client, identity } = flow.vouched;
    if (flow.admission === undefined && !o.mayTry(`${client.providerId} ${identity.id}`)) return 'too_many_attempts';
    flow.admission ??= await admit(o, { ...flow.vouched, ...(flow.setup !== undefined && { setup: flow.setup }) });
    return flow.admission.admitted ? undefined : flow.admission.because;
  }

  const base = authOptions(o.place);
  const options: BetterAuthOptions = {
    ...base,
    database: sealedStates(
      kyselyAdapter(new Kysely({ dialect: new PostgresDialect({ pool: o.pool }) }), {
        type: 'postgres',
        transaction: true,
      }),
      o.place.secret,
    ),
    user: {
      ...base.user,
      async validateUserInfo() {
        const because = await refusalOf();
        return because === undefined ? undefined : { error: because };
      },
    },
    plugins: [genericOAuth({ config: o.clients.map(providerOf) })],
    hooks: {
      before: createAuthMiddleware(async (context) => {
        if (context.path !== '/sign-in/social') return;
        const setup = flows.getStore()?.setup;
        await addOAuthServerContext({ provider: context.body?.provider, flow: randomUUID(), ...(setup && { setup }) });
      }),
    },
    databaseHooks: {
      user: {
        create: {
          before: async (user) => {
            const identity = flows.getStore()?.vouched?.identity;
            const contactEmail = identity?.emailVerified ? identity.email : null;
            return { data: { ...user, contactEmail } };
          },
        },
      },
      account: {
        create: {
          before: async (account) => {
            const vouched = flows.getStore()?.vouched;
            const client = clientOf(account.providerId);
            if (vouched === undefined || client !== vouched.client) return false;
            const { forge, host } = client.endpoint;
            // The forge's tokens end here.
            const { userId, providerId, accountId, createdAt, updatedAt } = account;
            const kept = { accessToken: null, refreshToken: null, idToken: null, scope: null };
            return {
              data: {
                userId,
                providerId,
                accountId,
                createdAt,
                updatedAt,
                ...kept,
                forge,
                host,
                login: vouched.identity.login,
              },
            };
          },
        },
      },
      session: {
        create: {
          before: async (session) => ({ data: { ...session, ipAddress: flows.getStore()?.ip ?? null } }),
          after: async (session) => {
            const flow = flows.getStore();
            if (flow !== undefined) flow.session = { id: session.id, userId: session.userId };
          },
        },
      },
    },
    logger: {
      level: 'warn',
      // Only what is said, and the messages of errors: the rest holds states and tokens.
      log: (level, message, ...details) => {
        const errors = details.filter((one) => one instanceof Error).map((one) => messageOf(one));
        o.log[level === 'error' ? 'warn' : 'debug']({ ...(errors.length > 0 && { errors }) }, `sign-in: ${message}`);
      },
    },
  };
  const auth = betterAuth(options);

  return {
    start: (flow, { providerId, returnTo, headers, membership }) =>
      flows.run(flow, () =>
        auth.api.signInSocial({
          body: { provider: providerId, callbackURL: returnTo, ...(membership && { scopes: moreScopes(providerId) }) },
          headers,
          asResponse: true,
        }),
      ),
    callback: (flow, request) => flows.run(flow, () => auth.handler(request)),
    async session(headers) {
      const found = await auth.api.getSession({ headers }).catch((error: unknown) => {
        if (error instanceof APIError) return null;
        throw error;
      });
      if (found === null) return undefined;
      const { session, user } = found;
      return { id: session.id, userId: user.id, name: user.name, expiresAt: session.expiresAt };
    },
    async deviceSession(userId, { ip, userAgent }) {
      const { internalAdapter } = await auth.$context;
      const session = await flows.run({ ip }, () => internalAdapter.createSession(userId, false, { userAgent }));
      if (!session) return undefined;
      const signature = createHmac('sha256', o.place.secret).update(session.token).digest('base64');
      return { token: `${session.token}.${signature}`, expiresAt: session.expiresAt };
    },
    signOut: (headers) => auth.api.signOut({ headers, asResponse: true }),
  };
}
