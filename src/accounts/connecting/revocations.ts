/**
 * The end of a token that a forge gave with consent: when its connection goes, the forge is told, at once where it answers and
 * else again and again for a week. What is left to be told is a row, made by the database in the transaction that removes the
 * connection, so that no way of removing one forgets it and a process that dies loses nothing.
 */
import type pg from 'pg';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { forges } from '../../forges/registry.js';
import { type BackgroundLoop, startBackgroundLoop } from '../../lib/background-loop.js';
import { type Backoff, retryDelay } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { askOnce, type Fetch } from '../../lib/outbound/ask-once.js';
import type { Store } from '../../store/database.js';
import { audit } from '../audit.js';
import { whyNotAsked } from '../sign-in/exchange.js';
import { oauthClientOf } from '../sign-in/oauth-clients.js';
import type { Vault } from '../vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf } from '../vault-columns.js';

const TABLE = 'token_revocation';
const BACKOFF: Omit<Backoff, 'attempts'> = { baseMs: 10_000, capMs: 60 * 60_000 };
/** A secret is not kept for ever because nobody can be told of its end. */
const KEPT_MS = 7 * 24 * 60 * 60_000;
/** Longer than an attempt takes. */
const LEASE_MS = 60_000;
const TICK_MS = 2_000;
const MOST_AT_ONCE = 20;
const GRACE_MS = 5_000;

export interface RevocationPorts {
  /** As the worker role. */
  store: Store;
  vault: Vault;
  /** The guarded way out. */
  fetch: Fetch;
  clock: Clock;
  log: Logger;
  /** In [0, 1). */
  random?: () => number;
}

/** Which one: the id of the connection that it was. */
export interface EndedConnection {
  organizationId: string;
  connectionId: string;
}

type Outcome =
  | { kind: 'ended' }
  /** Asking will never help: whose it is has to end it. */
  | { kind: 'impossible'; reason: string }
  | { kind: 'later'; reason: string };

interface EndedRow extends SealedColumns<typeof TABLE> {
  forge: string;
  host: string;
  instance_url: string | null;
  account_login: string | null;
  access_token_expires_at: Date | null;
  attempts: number;
  is_last: boolean;
}

const COLUMNS = `forge, host, instance_url, account_login, access_token_expires_at, attempts,
  created_at < now() - make_interval(secs => ${KEPT_MS / 1_000}) AS is_last,
  ${sealedColumnsOf(TABLE).join(', ')}`;

/** By the clock of the database, which wrote when each began. */
const DUE = 'due_at <= now() AND (trying_until IS NULL OR trying_until <= now())';

/** Undefined when another process has it, when it is not due, and when nothing is left to tell. */
async function begin(
  { store }: RevocationPorts,
  { organizationId, connectionId }: EndedConnection,
): Promise<EndedRow | undefined> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<EndedRow>(
      `UPDATE ${TABLE} SET attempts = attempts + 1, trying_until = now() + make_interval(secs => $2)
       WHERE id = $1 AND ${DUE} RETURNING ${COLUMNS}`,
      [connectionId, LEASE_MS / 1_000],
    );
    return rows[0];
  });
}

const grantsOf = (forge: ForgeDescriptor | undefined, url: string | undefined): string | undefined =>
  forge?.oauth === undefined || url === undefined ? undefined : forge.oauth.grantsUrl(forge.endpoint(url));

/** Where a row's account ends what it once agreed to. */
function placeOf(row: EndedRow): { forge: ForgeDescriptor | undefined; url: string | undefined } {
  const forge = forges.get(row.forge);
  return { forge, url: row.instance_url ?? forge?.cloudUrl };
}

async function tell(ports: RevocationPorts, ended: EndedConnection, row: EndedRow): Promise<Outcome> {
  const { store, vault, clock, fetch } = ports;
  const { forge, url } = placeOf(row);
  if (forge?.oauth === undefined || url === undefined)
    return { kind: 'impossible', reason: `this server does not know the forge ${row.forge} any more` };
  const { revocation } = forge.oauth;
  if (revocation === undefined)
    return { kind: 'impossible', reason: `${forge.label} has no way to end it but its owner’s own page` };
  const { access_token: accessToken, refresh_token: refreshToken } = openSecrets(
    vault,
    { table: TABLE, organizationId: ended.organizationId, rowId: ended.connectionId },
    row,
  );
  if (accessToken === undefined) return { kind: 'ended' };
  const isOver = row.access_token_expires_at !== null && row.access_token_expires_at <= clock.now();
  if (isOver && refreshToken === undefined) return { kind: 'ended' };
  const endpoint = forge.endpoint(url);
  const { host, webUrl } = endpoint;
  const client = await oauthClientOf(store.pool, vault, { forge: forge.id, host, webUrl });
  if (client === undefined) return { kind: 'later', reason: `no OAuth client is registered for ${host} any more` };
  const { route, ...credentials } = client;
  const tokens = { accessToken, ...(refreshToken !== undefined && { refreshToken }) };
  for (const request of revocation.requests(endpoint, credentials, tokens)) {
    const { status } = await askOnce(fetch, request.url, request.init, route);
    const isGone = (status >= 200 && status < 300) || revocation.gone.has(status);
    if (!isGone) return { kind: 'later', reason: `${host} answered ${status}` };
  }
  return { kind: 'ended' };
}

async function attempt(ports: RevocationPorts, ended: EndedConnection, row: EndedRow): Promise<Outcome> {
  try {
    return await tell(ports, ended, row);
  } catch (error) {
    if (error instanceof ForgewayError && error.code === 'FORGEWAY_SECRET_UNREADABLE')
      return { kind: 'impossible', reason: 'the token cannot be read any more' };
    return { kind: 'later', reason: error instanceof ForgewayError ? error.message : whyNotAsked(row.host, error) };
  }
}

/** Nothing is changed by an attempt that was overtaken. */
async function keep(
  ports: RevocationPorts,
  { organizationId, connectionId }: EndedConnection,
  row: EndedRow,
  outcome: Outcome,
): Promise<void> {
  const { store, random } = ports;
  const remove = async (tx: pg.PoolClient, action: string, detail: Readonly<Record<string, unknown>>) => {
    const { rowCount } = await tx.query(`DELETE FROM ${TABLE} WHERE id = $1 AND attempts = $2`, [
      connectionId,
      row.attempts,
    ]);
    if (rowCount === 1)
      await audit(
        tx,
        organizationId,
        action,
        connectionId,
        { forge: row.forge, host: row.host, ...detail },
        'forgeway',
      );
  };
  await store.tenant(organizationId, async (tx) => {
    if (outcome.kind === 'ended') return remove(tx, 'connection.token_ended', {});
    if (outcome.kind === 'impossible' || row.is_last)
      return remove(tx, 'connection.token_left', { because: outcome.reason });
    const wait = retryDelay({ ...BACKOFF, attempts: Number.POSITIVE_INFINITY }, row.attempts, random);
    await tx.query(
      `UPDATE ${TABLE} SET due_at = now() + make_interval(secs => $3), trying_until = NULL WHERE id = $1 AND attempts = $2`,
      [connectionId, row.attempts, wait / 1_000],
    );
  });
}

/**
 * Tells the forge of one that has just gone; never throws for what the forge does. Answers a sentence for whoever took it away
 * where something is left for them, or to be waited for.
 */
export async function endToken(ports: RevocationPorts, ended: EndedConnection): Promise<string | undefined> {
  const row = await begin(ports, ended);
  if (row === undefined) return undefined;
  const outcome = await attempt(ports, ended, row);
  await keep(ports, ended, row, outcome);
  if (outcome.kind === 'ended') return undefined;
  const { forge, url } = placeOf(row);
  const page = grantsOf(forge, url);
  const there = page === undefined ? '' : ` ${row.account_login ?? 'Its account'} ends it on ${page}.`;
  return outcome.kind === 'impossible'
    ? `The token is deleted here, and still holds at the forge: ${outcome.reason}.${there}`
    : `The token is not ended at the forge yet (${outcome.reason.replace(/[.\s]+$/, '')}): that is tried again for a week.${there}`;
}

/** Everything that is due now, once. Answers how many were tried by this process. */
export async function tryRevocations(ports: RevocationPorts, signal?: AbortSignal): Promise<number> {
  const { store, log } = ports;
  const { rows } = await store.pool.query<EndedConnection>(
    `SELECT id AS "connectionId", organization_id AS "organizationId" FROM ${TABLE}
     WHERE ${DUE} ORDER BY due_at LIMIT $1`,
    [MOST_AT_ONCE],
  );
  let tried = 0;
  for (const ended of rows) {
    if (signal?.aborted) break;
    const row = await begin(ports, ended);
    if (row === undefined) continue;
    tried += 1;
    const outcome = await attempt(ports, ended, row);
    await keep(ports, ended, row, outcome);
    const about = { connection: ended.connectionId, host: row.host, outcome: outcome.kind };
    if (outcome.kind === 'ended') log.info(about, 'the token of a connection that is gone was ended at its forge');
    else
      log.warn({ ...about, reason: outcome.reason }, 'the token of a connection that is gone still holds at its forge');
  }
  return tried;
}

export function startRevocations(ports: RevocationPorts, o: { tickMs?: number } = {}): BackgroundLoop {
  return startBackgroundLoop({
    tickMs: o.tickMs ?? TICK_MS,
    graceMs: GRACE_MS,
    round: async (signal, givenUp) => void (await Promise.race([tryRevocations(ports, signal), givenUp])),
    failed: (error) => ports.log.warn({ err: messageOf(error) }, 'ended tokens were not looked at; tried again'),
  });
}
