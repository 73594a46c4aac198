/**
 * Admitting an account whose installation waits. The forge is asked whose it is and what it reaches, so that nothing has to be
 * installed again, and apps are told as if it had just been: what was ignored meanwhile is not run.
 */
import type pg from 'pg';
import type { ForgeDescriptor, JsonObject } from '../forges/forge.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import { RouteFailure } from '../forges/kit/route.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { AppPlace } from './forge-apps/directory.js';
import { listWaiting, type WaitingInstallation } from './newcomers.js';
import { auditPlatform } from './sign-in/policy.js';

export interface AdmitPorts {
  /** Of the role of the worker. */
  pool: pg.Pool;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  /** Speaks as an App, or as one of its installations; undefined when its key is not here. */
  nativeOfApp(place: AppPlace, installationId?: bigint): Promise<NativeClient | undefined>;
  /** Has apps hear of it, through the inbox. */
  tell(
    client: Pick<pg.PoolClient, 'query'>,
    event: { hook: { id: string; forge: string; host: string }; key: string; name: string; payload: JsonObject },
  ): Promise<unknown>;
}

export type Admitted =
  | { kind: 'admitted'; login: string; host: string; repositories: number }
  /** It was uninstalled meanwhile, and waits no more. */
  | { kind: 'gone'; host: string }
  /** Nothing was changed. */
  | { kind: 'not-asked'; host: string; reason: string };

/** As many as an installation of one account is expected to reach; further ones come with their first event. */
const MOST_REPOSITORIES = 1_000;

type Asked = { account: { id: bigint; login: string }; payload: JsonObject; repositories: readonly JsonObject[] };

async function ask(ports: AdmitPorts, waiting: WaitingInstallation): Promise<Asked | undefined> {
  const { installationId } = waiting;
  const forge = ports.forges.get(waiting.forge);
  const native = await ports.nativeOfApp(waiting);
  if (native === undefined || forge?.appInstallations === undefined)
    throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', `The key of App ${waiting.appId} is not stored here.`);
  const found = await forge.appInstallations.find(native, installationId);
  if (found === undefined) return undefined;
  const own = await ports.nativeOfApp(waiting, installationId);
  const suspended = found.payload.suspended_at !== null && found.payload.suspended_at !== undefined;
  // A suspended one gives no token; what it reaches comes when it is reactivated.
  const repositories =
    own === undefined || suspended ? [] : await forge.appInstallations.repositories(own, MOST_REPOSITORIES);
  return { ...found, repositories };
}

const forget = (client: Pick<pg.PoolClient, 'query'>, id: string) =>
  client.query('DELETE FROM waiting_installation WHERE id = $1', [id]);

/**
 * Admits the account of a waiting installation: this one, and every other that it has or makes on that host. The forge's word
 * counts, and not a delivery's. Twice is as once.
 */
export async function admitInstallation(
  ports: AdmitPorts,
  waiting: WaitingInstallation,
  by: string,
): Promise<Admitted> {
  const { id, forge, host, appId, installationId } = waiting;
  let asked: Asked | undefined;
  try {
    asked = await ask(ports, waiting);
  } catch (error) {
    if (!(error instanceof RouteFailure) && !(error instanceof ForgewayError)) throw error;
    return { kind: 'not-asked', host, reason: messageOf(error) };
  }
  if (asked === undefined) {
    await forget(ports.pool, id);
    return { kind: 'gone', host };
  }
  const { account, payload, repositories } = asked;
  const client = await ports.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO admitted_account (forge, host, account_id, login, admitted_by) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (forge, host, account_id) DO UPDATE SET login = excluded.login`,
      [forge, host, account.id, account.login, by],
    );
    await forget(client, id);
    const subject = `${forge} ${host} account ${account.id}`;
    const detail = { login: account.login, app: appId, installation: installationId.toString() };
    await auditPlatform(client, { actor: by, action: 'installation.admitted', subject, detail });
    await ports.tell(client, {
      hook: { id: waiting.hookId, forge, host },
      // Two who admit it at the same moment tell it once.
      key: `admitted:${installationId}:${waiting.firstSeenAt.getTime()}`,
      name: 'installation',
      payload: { action: 'created', installation: payload, repositories, sender: payload.account },
    });
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
  return { kind: 'admitted', login: account.login, host, repositories: repositories.length };
}

/** What became of it, in one sentence for a person. */
export function describeAdmitted(outcome: Admitted): string {
  if (outcome.kind === 'admitted') {
    const { login, host, repositories } = outcome;
    const reaches = repositories === 1 ? 'one repository' : `${repositories} repositories`;
    return `${login} on ${host} is admitted, with ${reaches}. Nothing has to be installed again.`;
  }
  if (outcome.kind === 'gone') return `The App was uninstalled on ${outcome.host} meanwhile: nothing waits any more.`;
  return `${outcome.host} could not be asked about the installation: ${outcome.reason} Nothing was changed; try again.`;
}

/** Those that a person means: by the account's login, by our id, or by the forge's number. @param pool see {@link listWaiting} */
export async function waitingNamed(pool: pg.Pool, name: string, host?: string): Promise<WaitingInstallation[]> {
  const all = await listWaiting(pool);
  return all.filter(
    (one) =>
      (host === undefined || one.host === host) &&
      (one.id === name ||
        one.installationId.toString() === name ||
        one.accountLogin?.toLowerCase() === name.toLowerCase()),
  );
}
