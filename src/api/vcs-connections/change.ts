/** Creating and changing VCS connections: the forge is asked where it can be, and what it says is told or kept. */
import {
  type DeclaredApp,
  type DeclaredPlace,
  type DeclaredState,
  keyTrouble,
} from '../../accounts/connecting/declared.js';
import { type ConnectionRoute, type RouteBy, routeOf } from '../../accounts/connection-route.js';
import type { TokenFacts } from '../../forges/administration.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { ForgewayError } from '../../lib/errors.js';
import type { OutboundRoute } from '../../lib/outbound/outbound.js';
import { InvalidRequest } from '../problem.js';
import type { ListedConnection } from '../procedures/connection-list.js';
import type { Asked, InstallationFacts, Services } from '../procedures/services.js';
import { externalId } from './document.js';
import { type Attributes, isByApp, routeOfAttributes, type WantedConnection, wrong } from './input.js';

const ACTIVE: DeclaredState = { status: 'active', reason: null };

/** @throws InvalidRequest when the forge answered and does not take it */
function stateOf<T>(asked: Asked<T>, attribute: string): DeclaredState {
  if (asked.ok) return ACTIVE;
  if (!asked.unreachable) throw new InvalidRequest([wrong(attribute, asked.reason)]);
  return { status: 'unreachable', reason: asked.reason };
}

interface AppOnForge {
  app: DeclaredApp;
  state: DeclaredState;
}

/** What the forge says goes before what was written; where it says otherwise, the caller is told. */
async function askForApp(
  services: Services,
  o: { forge: ForgeDescriptor; url: string; privateKey: string; declared: DeclaredApp; route?: OutboundRoute },
): Promise<AppOnForge> {
  const { declared, privateKey } = o;
  const trouble = keyTrouble(privateKey);
  if (trouble !== null) return { app: declared, state: { status: 'revoked', reason: trouble } };
  const asked = await services.connections.installation({
    forge: o.forge,
    url: o.url,
    appId: declared.appId,
    installationId: declared.installationId,
    privateKey,
    route: o.route,
  });
  const state = stateOf<InstallationFacts>(asked, 'private-key');
  if (!asked.ok) return { app: declared, state };
  const { accountId, accountLogin, accountType, suspended } = asked.facts;
  if (declared.accountLogin !== null && declared.accountLogin.toLowerCase() !== accountLogin.toLowerCase())
    throw new InvalidRequest([wrong('github-account-login', `the installation belongs to ${accountLogin}`)]);
  return {
    app: { ...declared, accountLogin, accountType, ...(!suspended && { accountId }) },
    state: suspended ? { status: 'revoked', reason: 'The installation is suspended on the forge.' } : state,
  };
}

async function alreadyConnected(
  services: Services,
  organizationId: string,
  o: { forge: ForgeDescriptor; url: string; facts: TokenFacts; except?: string },
): Promise<string | undefined> {
  const { host } = o.forge.endpoint(o.url);
  const { rows } = await services.store.tenant(organizationId, (tx) =>
    tx.query<{ id: string }>(
      `SELECT id FROM connection WHERE user_id IS NULL AND forge = $1 AND host = $2
         AND provider_account_id = $3 AND app_id IS NULL AND id <> coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')`,
      [o.forge.id, host, o.facts.account.id.toString(), o.except ?? null],
    ),
  );
  return rows[0]?.id;
}

const twice = (attribute: string, id: string) =>
  new InvalidRequest([wrong(attribute, `is connected already, as ${externalId(id)}`)]);

/** Two at the same moment: the second learns it from the database, which has one row for both. */
const taken = (attribute: string) => (error: unknown) => {
  if (error instanceof ForgewayError && error.code === 'FORGEWAY_CONFLICT')
    throw new InvalidRequest([wrong(attribute, 'is connected already')]);
  throw error;
};

/** Answers the id of the new connection. @throws ForgewayError FORGEWAY_REQUEST_INVALID saying which attribute is wrong */
export async function createConnection(
  services: Services,
  organizationId: string,
  { forge, url, attributes }: WantedConnection,
  by: string,
): Promise<string> {
  const { connections } = services;
  const place = { organizationId, forge, endpoint: forge.endpoint(url) };
  const { name, token } = attributes;
  if (isByApp(forge)) return createByApp(services, organizationId, { forge, url, attributes }, by);
  const given = token ?? '';
  const route = routeOfAttributes(attributes);
  const way = await routeOfNew(services, place, route);
  const asked = await connections.probe(forge, url, given, way);
  const state = stateOf(asked, 'token');
  const refuse = taken('token');
  if (!asked.ok)
    return connections.declare(place, { name, secrets: { access_token: given }, state, route: way, by }).catch(refuse);
  const known = await alreadyConnected(services, organizationId, { forge, url, facts: asked.facts });
  if (known !== undefined) throw twice('token', known);
  const connecting = connections.connect(
    organizationId,
    {
      forge,
      url,
      token: given,
      name,
      isNew: true,
      ...(route && { route }),
      repositories: [],
      all: false,
      level: 'none',
      organization: undefined,
      confidential: undefined,
    },
    by,
  );
  return (await connecting.catch(refuse)).id;
}

async function createByApp(
  services: Services,
  organizationId: string,
  { forge, url, attributes }: WantedConnection,
  by: string,
): Promise<string> {
  const endpoint = forge.endpoint(url);
  const appId = attributes['github-app-id'] ?? '';
  const installationId = BigInt(attributes['github-installation-id'] ?? 0);
  const privateKey = attributes['private-key'] ?? '';
  const duplicate = await services.store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ id: string }>(
      `SELECT id FROM connection WHERE kind = 'github-app' AND forge = $1 AND host = $2 AND installation_id = $3`,
      [forge.id, endpoint.host, installationId],
    );
    return rows[0]?.id;
  });
  if (duplicate !== undefined) throw twice('github-installation-id', duplicate);
  const declared: DeclaredApp = {
    appId,
    installationId,
    accountLogin: attributes['github-account-login'] ?? null,
    accountType: attributes['github-account-type'] ?? null,
  };
  const place = { organizationId, forge, endpoint };
  const route = await routeOfNew(services, place, routeOfAttributes(attributes));
  const { app, state } = await askForApp(services, { forge, url, privateKey, declared, route });
  try {
    return await services.connections
      .declare(place, { name: attributes.name, app, secrets: { private_key: privateKey }, state, route, by })
      .catch(taken('github-installation-id'));
  } catch (error) {
    if (error instanceof ForgewayError && error.code === 'FORGEWAY_CONNECTION_REFUSED')
      throw new InvalidRequest([wrong('github-installation-id', error.message)]);
    throw error;
  }
}

/** What is taken away is not there. */
const asRoute = (route: ConnectionRoute | undefined): OutboundRoute => ({
  ...(route?.ca && { ca: route.ca }),
  ...(route?.proxy && { proxy: route.proxy }),
});

/** As was said, and for what was not: as the operator said for the host. */
async function routeOfNew(
  services: Services,
  { organizationId, forge, endpoint }: DeclaredPlace,
  said: ConnectionRoute | undefined,
): Promise<OutboundRoute & { by?: RouteBy }> {
  const place = { organizationId, forge: forge.id, host: endpoint.host, instanceUrl: endpoint.webUrl };
  const whole = said?.ca !== undefined && said.proxy !== undefined;
  const operators = whole ? {} : await services.connections.operatorsRoute(place);
  return { ...asRoute({ ...operators, ...said }), ...((said?.ca || said?.proxy) && { by: 'owner' }) };
}

/** Nothing is said by taking away what is not there, as programs do that send every attribute. */
function without({ ca, proxy }: ListedConnection, said: ConnectionRoute | undefined): ConnectionRoute | undefined {
  const changes = {
    ...(said?.ca !== undefined && (said.ca !== null || ca !== null) && { ca: said.ca }),
    ...(said?.proxy !== undefined && (said.proxy !== null || proxy !== null) && { proxy: said.proxy }),
  };
  return Object.keys(changes).length === 0 ? undefined : { ...changes, by: 'owner' };
}

/**
 * How the host is reached after the change. A secret that is stored is sent by no other way than the one it was given for: who may
 * change the connection, and not see its secret, could read it there.
 * @throws InvalidRequest
 */
async function routeAfter(
  services: Services,
  organizationId: string,
  row: ListedConnection,
  wanted: Partial<Attributes>,
): Promise<{ change: ConnectionRoute | undefined; after: OutboundRoute }> {
  const change = without(row, routeOfAttributes(wanted));
  const isGivenAnew = Boolean(row.kind === 'github-app' ? wanted['private-key'] : wanted.token);
  if (change !== undefined && !isGivenAnew) {
    const attribute = change.ca === undefined ? 'proxy' : 'ca-certificate';
    const way =
      row.kind === 'oauth'
        ? 'is that of its OAuth client'
        : 'is changed together with the secret: send that again, too';
    throw new InvalidRequest([wrong(attribute, way)]);
  }
  if (row.ca === null && row.proxy === null) return { change, after: asRoute(change) };
  const { proxy_credentials: credentials } = await services.connections.secretsOf(organizationId, row.id);
  const now = routeOf({ ca_certificate: row.ca, proxy_url: row.proxy }, credentials) ?? {};
  return { change, after: asRoute({ ...now, ...change }) };
}

const FIXED = 'cannot be changed: make another connection, and delete this one';

/** @throws InvalidRequest naming what cannot be changed */
function checkFixed(row: ListedConnection, url: string, forge: ForgeDescriptor, wanted: Partial<Attributes>): void {
  const said = wanted['server-url'];
  const sameHost = !said || (URL.canParse(said) && forge.endpoint(said).host === forge.endpoint(url).host);
  const differs = (value: string | null | undefined, now: string | null) =>
    value !== undefined && value !== null && value !== now;
  const isConsented = row.kind === 'oauth';
  const issues = [
    ...(isConsented && (wanted.token || wanted['private-key'])
      ? [
          wrong(
            wanted.token ? 'token' : 'private-key',
            'is not how it is connected: its account agreed to it at /account',
          ),
        ]
      : []),
    ...(differs(wanted.provider, row.forge) ? [wrong('provider', FIXED)] : []),
    ...(sameHost ? [] : [wrong('server-url', FIXED)]),
    ...(differs(wanted['github-app-id'], row.appId) ? [wrong('github-app-id', FIXED)] : []),
    ...(differs(wanted['github-installation-id'], row.installationId?.toString() ?? null)
      ? [wrong('github-installation-id', FIXED)]
      : []),
    ...(!isConsented && isByApp(forge) && wanted.token
      ? [wrong('token', `is not how ${forge.label} is connected`)]
      : []),
    ...(!isConsented && !isByApp(forge) && wanted['private-key']
      ? [wrong('private-key', `is not how ${forge.label} is connected`)]
      : []),
  ];
  if (issues.length > 0) throw new InvalidRequest(issues);
}

/** @throws ForgewayError FORGEWAY_REQUEST_INVALID saying which attribute is wrong; nothing was changed then */
export async function changeConnection(
  services: Services,
  organizationId: string,
  row: ListedConnection,
  wanted: Partial<Attributes>,
  by: string,
): Promise<void> {
  const forge = services.forges.get(row.forge);
  if (forge === undefined)
    throw new ForgewayError('FORGEWAY_CONFLICT', 'This server does not know the forge any more.');
  const url = row.instanceUrl ?? forge.cloudUrl;
  if (url === undefined) throw new ForgewayError('FORGEWAY_CONFLICT', 'The forge has no address any more.');
  checkFixed(row, url, forge, wanted);
  const { connections } = services;
  const { name } = wanted;
  const { change: route, after } = await routeAfter(services, organizationId, row, wanted);
  if (row.kind === 'oauth') return connections.change(organizationId, row.id, { name }, by);
  if (isByApp(forge)) {
    const key = wanted['private-key'];
    const login = wanted['github-account-login'];
    if (!key && login === undefined) return connections.change(organizationId, row.id, { name }, by);
    const privateKey = key ?? (await connections.secretsOf(organizationId, row.id)).private_key ?? '';
    const declared: DeclaredApp = {
      appId: row.appId ?? '',
      installationId: row.installationId ?? 0n,
      accountLogin: login === undefined ? row.account : login,
      accountType: wanted['github-account-type'] ?? row.accountType,
    };
    const found = await askForApp(services, { forge, url, privateKey, declared, route: after });
    return connections.change(
      organizationId,
      row.id,
      { name, ...found, ...(key && { secrets: { private_key: key }, route }) },
      by,
    );
  }
  const { token } = wanted;
  if (!token) return connections.change(organizationId, row.id, { name }, by);
  const asked = await connections.probe(forge, url, token, after);
  const state = stateOf(asked, 'token');
  const secrets = { access_token: token };
  if (!asked.ok) return connections.change(organizationId, row.id, { name, secrets, state, route }, by);
  const { facts } = asked;
  // Another account would be another installation to the apps.
  if (row.account !== null && row.accountId !== facts.account.id.toString())
    throw new InvalidRequest([
      wrong('token', `belongs to ${facts.account.login}; this connection is ${row.account}'s`),
    ]);
  const known = await alreadyConnected(services, organizationId, { forge, url, facts, except: row.id });
  if (known !== undefined) throw twice('token', known);
  await connections.change(organizationId, row.id, { name, secrets, state, facts, route }, by);
}
