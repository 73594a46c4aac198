/** The way back from the forge: its code for the App, the App into the vault, its OAuth client for people to sign in with. */
import type pg from 'pg';
import type { RegisteredApp } from '../../forges/app-manifest.js';
import { parseJson } from '../../forges/kit/json-body.js';
import { forgeById } from '../../forges/registry.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { askOnce } from '../../lib/outbound/ask-once.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import { redactText } from '../../lib/redact.js';
import type { Store } from '../../store/database.js';
import { putOAuthClient } from '../sign-in/oauth-clients.js';
import { auditPlatform } from '../sign-in/policy.js';
import type { Vault } from '../vault.js';
import { giveBackRegistration, type Registration, type Taken, takeRegistration } from './registrations.js';
import { saveForgeApp } from './rows.js';

export interface CompletionPorts {
  /** As the role of the API. */
  store: Store;
  vault: Vault;
  outbound: Pick<Outbound, 'fetch' | 'check'>;
  /** Whose the installations of the App are. */
  organizationId: string;
  log: Logger;
}

export type Completed =
  | { kind: 'registered'; app: RegisteredApp; forge: string; host: string }
  /** The App is stored here already. */
  | { kind: 'taken'; host: string; app: RegisteredApp }
  /** The forge does not know the code: it was used, is older than an hour, or never was one. */
  | { kind: 'refused'; host: string; status: number }
  | { kind: 'not-as-documented'; host: string }
  /** It may be tried again: nothing was used up. */
  | { kind: 'unreachable'; host: string; reason: string }
  | Exclude<Taken, { kind: 'taken' }>;

type Conversion =
  | { kind: 'converted'; app: RegisteredApp }
  | Extract<Completed, { kind: 'refused' | 'not-as-documented' | 'unreachable' }>;

function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Sent once, by whoever holds the registration: the forge answers a code one time. */
async function convert({ outbound }: CompletionPorts, registration: Registration, code: string): Promise<Conversion> {
  const { host, baseUrl } = registration;
  const forge = forgeById(registration.forge);
  if (forge?.appManifest === undefined) return { kind: 'not-as-documented', host };
  const endpoint = forge.endpoint(baseUrl);
  let answer: { status: number; text: string };
  try {
    answer = await askOnce(outbound.fetch, forge.appManifest.conversionUrl(endpoint, code), {
      method: 'POST',
      headers: { accept: 'application/vnd.github+json', 'user-agent': 'forgeway' },
    });
  } catch (error) {
    return { kind: 'unreachable', host, reason: redactText(messageOf(error)) };
  }
  if (answer.status >= 500) return { kind: 'unreachable', host, reason: `it answered ${answer.status}` };
  if (answer.status !== 201) return { kind: 'refused', host, status: answer.status };
  const app = forge.appManifest.read(endpoint, readJson(answer.text));
  return app === undefined ? { kind: 'not-as-documented', host } : { kind: 'converted', app };
}

/** Where nobody could sign in with that host, the App's own client lets them. Failing does not undo the App. */
async function offerSignIn(o: CompletionPorts, { forge, host, baseUrl }: Registration, app: RegisteredApp, by: string) {
  const pool: pg.Pool = o.store.pool;
  const { rowCount } = await pool.query('SELECT FROM oauth_client WHERE forge = $1 AND host = $2', [forge, host]);
  if (rowCount !== 0) return;
  try {
    const { providerId } = await putOAuthClient(
      { pool, vault: o.vault, outbound: o.outbound },
      { forge, baseUrl, clientId: app.clientId, clientSecret: app.clientSecret },
    );
    await auditPlatform(pool, {
      actor: by,
      action: 'oauth-client.put',
      subject: providerId,
      detail: { app: app.slug },
    });
  } catch (error) {
    if (!(error instanceof ForgewayError)) throw error;
    o.log.warn({ host, err: messageOf(error) }, 'people cannot sign in with the new App yet: add its client at /setup');
  }
}

/**
 * Takes the state and the code that a browser came back with. Whoever began it, in the browser that began it, gets an App that
 * is in use at once; everybody else is told why not. Never throws for what the forge or the browser said.
 */
export async function completeRegistration(
  o: CompletionPorts,
  came: { state: string; code: string; actor: string; browser: string | undefined },
): Promise<Completed> {
  const { pool } = o.store;
  const { actor } = came;
  const taken = await takeRegistration(pool, came.state, came);
  if (taken.kind !== 'taken') return taken;
  const { registration } = taken;
  const { forge, host } = registration;
  const conversion = await convert(o, registration, came.code);
  if (conversion.kind !== 'converted') {
    if (conversion.kind === 'unreachable') await giveBackRegistration(pool, taken.id);
    o.log.warn({ ...conversion }, 'an App could not be registered');
    return conversion;
  }
  const { app } = conversion;
  if ((await saveForgeApp(o, { ...registration, app, by: actor })) === 'taken') return { kind: 'taken', host, app };
  o.log.info({ forge, host, app: app.id, slug: app.slug }, 'an App was registered');
  await offerSignIn(o, registration, app, actor);
  return { kind: 'registered', app, forge, host };
}
