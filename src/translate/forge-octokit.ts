/**
 * The Octokit class that is given to Probot, on public options only: Probot asks its authStrategy for an Octokit per
 * delivery and per `probot.auth(id)`, and ours answers with one whose fetch carries that installation's credential.
 */
import { randomBytes } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import { ProbotOctokit } from 'probot';
import { INSTALLATION_PERMISSIONS } from '../forges/kit/shapes/installation.js';
import { currentDelivery } from '../lib/delivery-scope.js';
import { parseId } from '../lib/ids.js';
import type { Logger } from '../lib/logger.js';
import { configExtends } from './config-extends.js';
import type { Credential } from './credential.js';
import type { Fetch } from './forge-fetch.js';
import { OWN_APP_ID } from './installation-routes.js';

export type ForgeOctokit = ProbotOctokit;

export interface ForgeOctokitOptions {
  /** Credential of requests that name no installation: the App itself. */
  app: Credential;
  /** False where no App is set up, and connections by token are all there is. */
  hasApp: boolean;
  /** Credential for the delivery that runs now. */
  ofDelivery(payload: Readonly<Record<string, unknown>>): Promise<Credential>;
  /** Credential for an installation by the number that handlers see. */
  ofInstallation(id: bigint): Promise<Credential>;
  fetchFor(credential: Credential): Fetch;
  log: Logger;
}

/** What callers pass to `octokit.auth()`; every field may be absent. */
interface AuthQuestion {
  type?: string;
  event?: { payload: Readonly<Record<string, unknown>> };
  installationId?: number | string;
  factory?: unknown;
  repositoryIds?: readonly number[];
  permissions?: Readonly<Record<string, string>>;
}

interface StrategyOptions {
  octokit: { constructor: typeof ProbotOctokit };
  octokitOptions: Record<string, unknown>;
  credential?: Credential;
}

interface InstanceOptions {
  auth?: { credential?: Credential };
  request?: Record<string, unknown>;
}

type Hook = (request: (...of: unknown[]) => unknown, ...parameters: unknown[]) => unknown;

const HOUR_MS = 3_600_000;

/** Apps keep a token until its end: one that has none is asked for again as often as GitHub's. */
const lifeOf = (ends: Date | undefined) => {
  const now = Date.now();
  return {
    createdAt: new Date(now).toISOString(),
    expiresAt: new Date(Math.min(ends?.getTime() ?? Number.POSITIVE_INFINITY, now + HOUR_MS)).toISOString(),
  };
};

/** What `@octokit/auth-app` answers for the App itself: the signature tells whose it is, and how long it lasts. */
function appToken(token: string) {
  const { iss = '', exp = 0 } = decodeJwt(token);
  const appId = Number(iss);
  return {
    type: 'app',
    token,
    appId: Number.isSafeInteger(appId) && appId > 0 ? appId : iss,
    expiresAt: new Date(exp * 1_000).toISOString(),
  };
}

/**
 * Where there is no App, apps sign as the one that `GET /app` tells of. Nobody else takes it for anything: the key is forgotten at
 * once, and what asks us as an App needs none.
 */
const ownSignature = (): Promise<string> =>
  new SignJWT()
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(String(OWN_APP_ID))
    .setIssuedAt()
    .setExpirationTime('9m')
    .sign(randomBytes(32));

/** The class, and a maker of instances for callers outside Probot. */
export function createForgeOctokit(o: ForgeOctokitOptions): {
  Octokit: typeof ProbotOctokit;
  instance(credential: Credential): ForgeOctokit;
} {
  const strategy = (options: StrategyOptions) => {
    const credential = options.credential ?? o.app;
    const build = (other: Credential): ForgeOctokit =>
      new options.octokit.constructor({ ...options.octokitOptions, auth: { credential: other } });

    /** The token itself, for apps that hand it to git. */
    const token = async (from: Credential, question: AuthQuestion) => {
      const { installation, connection } = from;
      if (connection !== undefined)
        return {
          type: 'token',
          tokenType: 'installation',
          token: await connection.token(),
          installationId: Number(connection.virtualId),
          permissions: { ...INSTALLATION_PERMISSIONS },
          repositorySelection: 'selected',
          ...lifeOf(connection.expiresAt),
        };
      if (installation === undefined) return { type: 'token', token: await from.authorization('/') };
      const scope = {
        ...installation.scope,
        ...(question.repositoryIds && { repositoryIds: question.repositoryIds.map(parseId) }),
        ...(question.permissions && { permissions: question.permissions }),
      };
      const made = await installation.app.installationToken(scope);
      const { token: value, createdAt, expiresAt, permissions, repositorySelection } = made;
      return {
        type: 'token',
        tokenType: 'installation',
        token: value,
        installationId: question.installationId ?? Number(scope.installationId),
        createdAt: createdAt.toISOString(),
        expiresAt: expiresAt.toISOString(),
        ...(permissions && { permissions }),
        ...(repositorySelection && { repositorySelection }),
        ...(question.repositoryIds && { repositoryIds: question.repositoryIds }),
      };
    };

    const auth = async (question: AuthQuestion = {}): Promise<unknown> => {
      if (question.event !== undefined) return build(await o.ofDelivery(question.event.payload));
      // Without a type: what this instance signs with.
      const ofInstance = question.type === undefined && credential !== o.app;
      if (question.type === 'installation' || ofInstance) {
        const { installationId } = question;
        const wanted = installationId === undefined ? credential : await o.ofInstallation(parseId(installationId));
        return question.factory === undefined ? token(wanted, question) : build(wanted);
      }
      return appToken(o.hasApp ? (await o.app.authorization('/app')).slice('Bearer '.length) : await ownSignature());
    };
    // Our fetch signs: only it knows where a request goes in the end.
    const hook: Hook = (request, ...parameters) => {
      const answer = Promise.resolve(request(...parameters));
      currentDelivery()?.leftBehind?.begun(answer);
      return answer;
    };
    return Object.assign(auth, { hook });
  };

  const Octokit = ProbotOctokit.plugin(configExtends as never).defaults((options: InstanceOptions) => {
    const credential = options.auth?.credential ?? o.app;
    return {
      ...options,
      authStrategy: strategy,
      auth: { credential },
      baseUrl: credential.baseUrl,
      request: { ...options.request, fetch: o.fetchFor(credential) },
      // After a 502 or a reset nobody knows whether a comment was posted: repeating is ours to decide.
      throttle: { enabled: false },
      retry: { enabled: false },
      log: quietLog(o.log),
    };
  }) as unknown as typeof ProbotOctokit;
  return { Octokit, instance: (credential) => new Octokit({ auth: { credential } }) };
}

/** Octokit's plugins log the bodies of requests at this level; ours logs their shape. */
function quietLog(log: Logger) {
  return {
    debug: () => undefined,
    info: (message: string) => log.info(message),
    warn: (message: string) => log.warn(message),
    error: (message: string) => log.error(message),
  };
}
