/** Creating and changing VCS connections: the forge is asked where it can be, and what it says is told or kept. */
import { type DeclaredApp, type DeclaredState, keyTrouble } from '../../accounts/connecting/declared.js';
import type { TokenFacts } from '../../forges/administration.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { ForgewayError } from '../../lib/errors.js';
import { InvalidRequest } from '../problem.js';
import type { ListedConnection } from '../procedures/connection-list.js';
import type { Asked, InstallationFacts, Services } from '../procedures/services.js';
import { externalId } from './document.js';
import { type Attributes, isByApp, type WantedConnection, wrong } from './input.js';

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
  o: { forge: ForgeDescriptor; url: string; privateKey: string; declared: DeclaredApp },
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
  const asked = await connections.probe(forge, url, given);
  const state = stateOf(asked, 'token');
  const refuse = taken('token');
  if (!asked.ok) return connections.declare(place, { name, secrets: { access_token: given }, state, by }).catch(refuse);
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
  const { app, state } = await askForApp(services, { forge, url, privateKey, declared });
  try {
    return await services.connections
      .declare(
        { organizationId, forge, endpoint },
        { name: attributes.name, app, secrets: { private_key: privateKey }, state, by },
      )
      .catch(taken('github-installation-id'));
  } catch (error) {
    if (error instanceof ForgewayError && error.code === 'FORGEWAY_CONNECTION_REFUSED')
      throw new InvalidRequest([wrong('github-installation-id', error.message)]);
    throw error;
  }
}

const FIXED = 'cannot be changed: make another connection, and delete this one';

/** @throws InvalidRequest naming what cannot be changed */
function checkFixed(row: ListedConnection, url: string, forge: ForgeDescriptor, wanted: Partial<Attributes>): void {
  const said = wanted['server-url'];
  const sameHost = !said || (URL.canParse(said) && forge.endpoint(said).host === forge.endpoint(url).host);
  const differs = (value: string | null | undefined, now: string | null) =>
    value !== undefined && value !== null && value !== now;
  const issues = [
    ...(differs(wanted.provider, row.forge) ? [wrong('provider', FIXED)] : []),
    ...(sameHost ? [] : [wrong('server-url', FIXED)]),
    ...(differs(wanted['github-app-id'], row.appId) ? [wrong('github-app-id', FIXED)] : []),
    ...(differs(wanted['github-installation-id'], row.installationId?.toString() ?? null)
      ? [wrong('github-installation-id', FIXED)]
      : []),
    ...(isByApp(forge) && wanted.token ? [wrong('token', `is not how ${forge.label} is connected`)] : []),
    ...(!isByApp(forge) && wanted['private-key']
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
    const found = await askForApp(services, { forge, url, privateKey, declared });
    return connections.change(
      organizationId,
      row.id,
      { name, ...found, ...(key && { secrets: { private_key: key } }) },
      by,
    );
  }
  const { token } = wanted;
  if (!token) return connections.change(organizationId, row.id, { name }, by);
  const asked = await connections.probe(forge, url, token);
  const state = stateOf(asked, 'token');
  const secrets = { access_token: token };
  if (!asked.ok) return connections.change(organizationId, row.id, { name, secrets, state }, by);
  const { facts } = asked;
  // Another account would be another installation to the apps.
  if (row.account !== null && row.accountId !== facts.account.id.toString())
    throw new InvalidRequest([
      wrong('token', `belongs to ${facts.account.login}; this connection is ${row.account}'s`),
    ]);
  const known = await alreadyConnected(services, organizationId, { forge, url, facts, except: row.id });
  if (known !== undefined) throw twice('token', known);
  await connections.change(organizationId, row.id, { name, secrets, state, facts }, by);
}
