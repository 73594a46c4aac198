/** Turns a delivery, an installation or a repository into the credential that may act for it. */
import type { ConnectionDirectory } from '../accounts/connections.js';
import type { AppPlace, ForgeAppDirectory, OpenForgeApp } from '../accounts/forge-apps/directory.js';
import { type InstallationKey, virtualInstallationId } from '../accounts/virtual-installation.js';
import type { ForgeEndpoint } from '../forges/endpoint.js';
import type { JsonObject } from '../forges/forge.js';
import type { TokenScope } from '../forges/github/app-auth.js';
import { githubEndpoint } from '../forges/github/endpoint.js';
import { github } from '../forges/github/forge.js';
import { nodeId } from '../forges/kit/shapes/node-id.js';
import type { Clock } from '../lib/clock.js';
import { currentDelivery, type DeliveryScope } from '../lib/delivery-scope.js';
import { ForgewayError } from '../lib/errors.js';
import { parseId } from '../lib/ids.js';
import { createAppSigners } from './app-signers.js';
import { type Credential, connectionCredential, installationCredential, noCredential } from './credential.js';
import type { Fetch } from './forge-fetch.js';
import type { InstallationLookup, KnownInstallation, KnownRepository } from './installation-lookup.js';

/** The App that is set up through the environment. */
export interface DefaultApp {
  appId: number | string;
  /** PEM. */
  privateKey: string;
  apiUrl: string;
  webUrl: string;
  host: string;
}

export interface Connections {
  /** Speaks as the App itself, or for nobody while none is set up. */
  readonly app: Credential;
  /**
   * Speaks as the App of that number, or as one of its installations by the forge's own number, known here or not; undefined
   * when its key is neither in the environment nor registered here.
   */
  ofApp(place: AppPlace, installationId?: bigint): Promise<Credential | undefined>;
  /** For the delivery that runs now, with its payload as the handler sees it. */
  ofDelivery(payload: JsonObject): Promise<Credential>;
  /** By our id of it, of whichever kind. */
  ofConnection(organizationId: string, connectionId: string): Promise<Credential>;
  /** By the number that handlers see; with `narrowed` its token reaches less, where the forge gives such. */
  ofInstallation(id: bigint, narrowed?: Narrowed): Promise<Credential>;
  /** A token that reaches this repository alone. @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN */
  ofRepository(
    organizationId: string,
    repositoryId: string,
    permissions?: TokenScope['permissions'],
  ): Promise<{ credential: Credential; repository: KnownRepository }>;
  /** The connection that the hook of a delivery belongs to, for questions of our own; undefined where it has none. */
  ofHook(scope: DeliveryScope): Promise<Credential | undefined>;
  /** The forge's own number of the delivery's hook, see {@link InstallationLookup}. */
  hookNumberOf: InstallationLookup['hookNumberOf'];
  /** Whether what is confidential may be told through the delivery's hook. */
  tellsConfidential: InstallationLookup['tellsConfidential'];
  /** The payload with the installation that handlers may know: never one that only the sender of the hook names. */
  presented(scope: DeliveryScope, payload: JsonObject): Promise<JsonObject>;
}

/** Requests to it are refused before they are sent. */
const NOWHERE = {
  forge: github.id,
  host: 'forge.invalid',
  apiUrl: 'https://forge.invalid',
  webUrl: 'https://forge.invalid',
};
const SETUP = 'No App is set up yet: register one at /setup/apps, or set APP_ID, PRIVATE_KEY and WEBHOOK_SECRET.';
/** After these the App has no access to the account any more. */
const REVOKED: ReadonlySet<unknown> = new Set(['deleted', 'suspend']);

/** That a connection ends is told also when its token has: such an event needs the number of it alone. */
const isOfItsEnd = (scope: DeliveryScope) => scope.eventName.startsWith('installation');

/** A token for less than the whole installation. */
export type Narrowed = Omit<TokenScope, 'installationId'>;

function objectAt(payload: JsonObject, key: string): JsonObject | undefined {
  const value = payload[key];
  return typeof value === 'object' && value !== null ? (value as JsonObject) : undefined;
}

function idAt(payload: JsonObject, key: string): bigint | undefined {
  const id = objectAt(payload, key)?.id;
  return typeof id === 'number' || typeof id === 'string' ? parseId(id) : undefined;
}

/** As much of one as stands in every payload, under the number that apps know. */
const shownInstallation = (id: bigint, told: JsonObject | undefined): JsonObject => ({
  node_id: nodeId('Installation', id.toString()),
  ...told,
  id: Number(id),
});

export function createConnections(o: {
  github: DefaultApp | undefined;
  lookup: InstallationLookup;
  /** Connections; absent where the key that opens them is not given. */
  directory: ConnectionDirectory | undefined;
  /** Apps that administrators registered. */
  forgeApps?: ForgeAppDirectory;
  clock: Clock;
  fetchFor(credential: Credential): Fetch;
}): Connections {
  const endpoint: ForgeEndpoint = githubEndpoint(o.github === undefined ? NOWHERE : { ...o.github, forge: github.id });
  const nobody = (reason: string) => noCredential(endpoint, reason);

  const signers = createAppSigners(o);
  const signedIn = o.github && signers.of(endpoint, String(o.github.appId), o.github.privateKey);

  const isDefault = (known: Omit<InstallationKey, 'installationId'>) =>
    known.forge === endpoint.forge && known.host === endpoint.host && known.appId === signedIn?.auth.appId;

  const signerOf = ({ forge, baseUrl, app, route }: OpenForgeApp) =>
    signers.of(forge.endpoint(baseUrl), app.id, app.privateKey, route);
  const ofApp = (opened: OpenForgeApp, installationId: bigint, narrowed: Narrowed): Credential => {
    const own = opened.forge.endpoint(opened.baseUrl);
    return installationCredential(own, signerOf(opened).auth, { installationId, ...narrowed }, opened.route);
  };

  /** An installation that no connection names: whoever holds the key of its App speaks for it. Undefined when nobody does. */
  const held = async (known: KnownInstallation, narrowed: Narrowed): Promise<Credential | undefined> => {
    const { installationId } = known;
    if (signedIn !== undefined && isDefault(known))
      return installationCredential(endpoint, signedIn.auth, { installationId, ...narrowed });
    const holder = (await o.directory?.app(known.organizationId, known)) ?? (await o.forgeApps?.open(known));
    return holder && ofApp(holder, installationId, narrowed);
  };
  const notHeld = ({ appId, host }: InstallationKey) =>
    `The key of App ${appId} on ${host} is not stored here: set APP_ID and PRIVATE_KEY, or register an App at /setup/apps.`;

  const ofConnection = async (
    organizationId: string,
    connectionId: string,
    options: { inAnyState?: boolean; narrowed?: Narrowed } = {},
  ): Promise<Credential> => {
    const { inAnyState = false, narrowed = {} } = options;
    if (o.directory === undefined) return nobody('Connections cannot be opened by this process.');
    const opened = await o.directory.speaker(organizationId, connectionId, { inAnyState });
    return 'app' in opened ? ofApp(opened, opened.app.installationId, narrowed) : connectionCredential(opened);
  };

  const ofInstallation = async (id: bigint, narrowed: Narrowed = {}): Promise<Credential> => {
    const known = await o.lookup.byVirtualId(id);
    if (known !== undefined && known.connectionId !== null)
      return ofConnection(known.organizationId, known.connectionId, { narrowed });
    if (known !== undefined) return (await held(known, narrowed)) ?? nobody(notHeld(known));
    // A number of the default App that we have not heard of yet.
    if (signedIn === undefined) return nobody(SETUP);
    return installationCredential(endpoint, signedIn.auth, { installationId: id, ...narrowed });
  };

  return {
    app: signedIn?.credential ?? nobody(SETUP),
    async ofApp(place, installationId) {
      const registered = isDefault(place) ? undefined : await o.forgeApps?.open(place);
      const own = registered === undefined ? endpoint : registered.forge.endpoint(registered.baseUrl);
      const signer = isDefault(place) ? signedIn : registered && signerOf(registered);
      if (signer === undefined || installationId === undefined) return signer?.credential;
      return installationCredential(own, signer.auth, { installationId });
    },
    ofInstallation,
    ofConnection: (organizationId, connectionId) => ofConnection(organizationId, connectionId),

    async ofDelivery(payload) {
      const scope = currentDelivery();
      // Without a scope the app made the event itself, as schedulers do; it may speak for that installation anyhow.
      if (scope?.eventName === 'installation' && REVOKED.has(payload.action))
        return nobody('The App was removed or suspended; it has no access to the account any more.');
      const id = idAt(payload, 'installation');
      return id === undefined ? nobody('The event belongs to no installation of the App.') : ofInstallation(id);
    },

    async ofRepository(organizationId, repositoryId, permissions) {
      const repository = await o.lookup.ofRepository(organizationId, repositoryId);
      const narrowed = { repositoryIds: [repository.remoteId], ...(permissions && { permissions }) };
      if (repository.connectionId !== null)
        return { repository, credential: await ofConnection(organizationId, repository.connectionId, { narrowed }) };
      const credential = await held(repository, narrowed);
      if (credential === undefined && signedIn === undefined)
        throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', notHeld(repository));
      return { repository, credential: credential ?? nobody(notHeld(repository)) };
    },

    async ofHook(scope) {
      const connectionId = await o.lookup.connectionOf(scope);
      if (connectionId === undefined) return undefined;
      return ofConnection(scope.organizationId, connectionId, { inAnyState: isOfItsEnd(scope) });
    },

    hookNumberOf: (scope) => o.lookup.hookNumberOf(scope),

    tellsConfidential: (scope, repository) => o.lookup.tellsConfidential(scope, repository),

    async presented(scope, payload) {
      const appId = await o.lookup.appOf(scope);
      // The hook of an App tells of many installations, whichever connection it was made with.
      const connectionId = appId === undefined ? await o.lookup.connectionOf(scope) : undefined;
      if (connectionId !== undefined) {
        const { connection } = await ofConnection(scope.organizationId, connectionId, {
          inAnyState: isOfItsEnd(scope),
        });
        if (connection === undefined) return payload;
        const told = objectAt(payload, 'installation');
        return { ...payload, installation: shownInstallation(connection.virtualId, told) };
      }
      const named = idAt(payload, 'installation');
      const { forge, host } = scope;
      const show = async (known: InstallationKey, rest: JsonObject | undefined) => {
        const own = isDefault(known) ? known.installationId : virtualInstallationId(known);
        // Apps read it as a number, and would speak for another installation.
        if (own > BigInt(Number.MAX_SAFE_INTEGER))
          throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', 'installation.id is larger than a number can be.');
        const id = await o.lookup.ensure(scope.organizationId, known, own);
        return { ...payload, installation: shownInstallation(id, rest) };
      };
      if (appId !== undefined)
        return named === undefined
          ? payload
          : show({ forge, host, appId, installationId: named }, objectAt(payload, 'installation'));
      // Whoever has the secret of a repository's hook could name any installation.
      const remoteId = idAt(payload, 'repository');
      const known = remoteId === undefined ? undefined : await o.lookup.ofRemoteRepository(scope, remoteId);
      if (known !== undefined) return show(known, undefined);
      const { installation, ...rest } = payload;
      return installation === undefined ? payload : rest;
    },
  };
}
