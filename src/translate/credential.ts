/** Who a request speaks for, and to which server: the two always go together (invariant I6). */
import type { OpenConnection } from '../accounts/connections.js';
import { type ForgeEndpoint, VIRTUAL_API_PATH } from '../forges/endpoint.js';
import type { AppAuth, TokenScope } from '../forges/github/app-auth.js';
import { needsAppSignature } from '../forges/github/app-auth.js';
import { ForgewayError } from '../lib/errors.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';

export interface Credential {
  /** Requests with the same name share a lane and a rate limit. */
  readonly name: string;
  readonly endpoint: ForgeEndpoint;
  /** Base of GitHub's API as the app sees it: the forge's own on GitHub, a virtual one elsewhere. */
  readonly baseUrl: string;
  /** The installation's token and its times; what `octokit.auth({ type: 'installation' })` answers. */
  readonly installation: { app: AppAuth; scope: TokenScope } | undefined;
  /** Set on a forge whose requests are translated. */
  readonly connection: OpenConnection | undefined;
  /** How the server is reached, where that is not as usual. */
  readonly route?: OutboundRoute | undefined;
  /** The `authorization` header for a path of the API. @throws ForgewayError when there is none to give. */
  authorization(path: string): Promise<string>;
  /** The forge refused this header. True when asking again gives another one. */
  refused(path: string, authorization: string): Promise<boolean>;
}

/** Speaks as the App itself. */
export function appCredential(endpoint: ForgeEndpoint, app: AppAuth, route?: OutboundRoute): Credential {
  return {
    route,
    name: `${endpoint.host} app ${app.appId}`,
    endpoint,
    baseUrl: endpoint.apiUrl,
    installation: undefined,
    connection: undefined,
    authorization: async () => `Bearer ${(await app.signature()).token}`,
    refused: async () => false,
  };
}

/** Speaks as one installation, or with a token that is narrowed to some of its repositories. */
export function installationCredential(
  endpoint: ForgeEndpoint,
  app: AppAuth,
  scope: TokenScope,
  route?: OutboundRoute,
): Credential {
  return {
    route,
    name: `${endpoint.host} app ${app.appId} installation ${scope.installationId}`,
    endpoint,
    baseUrl: endpoint.apiUrl,
    installation: { app, scope },
    connection: undefined,
    async authorization(path) {
      if (needsAppSignature(path)) return `Bearer ${(await app.signature()).token}`;
      return `token ${(await app.installationToken(scope)).token}`;
    },
    async refused(path, authorization) {
      if (needsAppSignature(path)) return false;
      return app.reject(scope, authorization.slice('token '.length));
    },
  };
}

/** Speaks with the token of a connection, to a forge whose requests are translated. */
export function connectionCredential(connection: OpenConnection): Credential {
  const { forge } = connection;
  const endpoint = forge.endpoint(connection.baseUrl);
  const last = { header: '', token: '' };
  return {
    name: `${connection.host} connection ${connection.id}`,
    endpoint,
    // GitHub speaks its own language already.
    baseUrl: forge.routes === undefined ? endpoint.apiUrl : `${endpoint.webUrl}${VIRTUAL_API_PATH}`,
    installation: undefined,
    connection,
    route: connection.route,
    async authorization() {
      last.token = await connection.token();
      last.header = forge.authorization?.(last.token) ?? `Bearer ${last.token}`;
      return last.header;
    },
    // An older one than the last has been replaced already.
    refused: async (_path, header) => header !== last.header || connection.refused(last.token),
  };
}

/** Speaks for nobody: every request fails with `reason`, one sentence for a person. */
export function noCredential(endpoint: ForgeEndpoint, reason: string): Credential {
  const refuse = async () => {
    throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', reason);
  };
  return {
    name: `${endpoint.host} nobody`,
    endpoint,
    baseUrl: endpoint.apiUrl,
    installation: undefined,
    connection: undefined,
    authorization: refuse,
    refused: refuse,
  };
}
