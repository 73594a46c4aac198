/** Asking a forge who a token is, and saying in a person's words why that did not work. */

import type { ForgeAdministration, TokenFacts } from '../../forges/administration.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import type { NativeClient } from '../../forges/kit/native-client.js';
import { RouteFailure } from '../../forges/kit/route.js';
import { forges } from '../../forges/registry.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { OpenConnection } from '../connections.js';

export type NativeOf = (connection: OpenConnection) => NativeClient;

export const refused = (message: string) => new ForgewayError('FORGEWAY_CONNECTION_REFUSED', message);

/** What single requests to a forge fail with; anything else is a fault of ours. */
export const isForgeFailure = (error: unknown): error is RouteFailure | ForgewayError =>
  error instanceof RouteFailure || error instanceof ForgewayError;

/** @throws ForgewayError FORGEWAY_CONNECTION_REFUSED */
export function administrationOf(forge: ForgeDescriptor): ForgeAdministration {
  if (forge.administration === undefined)
    throw refused(`${forge.label} is connected by installing its App, see the README; not by a token.`);
  return forge.administration;
}

/** How a forge is asked what a token is: as one that administers it, or as one that somebody agreed to. */
function questionOf(forge: ForgeDescriptor): (native: NativeClient) => Promise<TokenFacts> {
  const measure = forge.oauth?.measure;
  return measure === undefined ? (native) => administrationOf(forge).probe(native) : (native) => measure(native);
}

/** Whether the address answers as another kind of forge: the usual mistake when nothing is understood. */
async function otherKind(connection: OpenConnection, nativeOf: NativeOf): Promise<ForgeDescriptor | undefined> {
  for (const forge of forges.values()) {
    if (forge.administration === undefined || forge.administration === connection.forge.administration) continue;
    try {
      await forge.administration.probe(nativeOf({ ...connection, forge }));
      return forge;
    } catch (error) {
      if (!isForgeFailure(error)) throw error;
      if (error instanceof RouteFailure && error.status === 401) return forge;
    }
  }
  return undefined;
}

function unreachable(where: string, message: string): string {
  if (/wrong version number|packet length too long/.test(message))
    return `${where} speaks no TLS: if that is so on purpose, use http:// in the address.`;
  if (/certificate/i.test(message))
    return `The certificate of ${where} is not trusted here (${message}). Give the certificate of your own authority with --ca-file.`;
  return `${where} cannot be reached (${message.replaceAll(/\s+/g, ' ')}). Check the address, that the server runs, and the network between here and there.`;
}

async function unlike(connection: OpenConnection, nativeOf: NativeOf, said: string): Promise<string> {
  const { forge, baseUrl } = connection;
  const where = forge.endpoint(baseUrl).webUrl;
  const other = await otherKind(connection, nativeOf);
  if (other !== undefined)
    return `${where} does not answer like ${forge.label}, but like ${other.label}: use --forge ${other.id}.`;
  return `${where} does not answer like ${forge.label} (${said}). Check the address: it is the one of the start page, with its path when it has one.`;
}

/** A page where JSON was asked for is an answer: of something else than the forge. */
const isPageError = (failure: RouteFailure | ForgewayError): boolean =>
  failure instanceof ForgewayError && / with a web page/.test(failure.message);

/** Why the forge did not say who the token is, and what to do, in one or two sentences. */
async function reasonOf(failure: RouteFailure | ForgewayError, connection: OpenConnection, nativeOf: NativeOf) {
  const { forge, baseUrl } = connection;
  const where = forge.endpoint(baseUrl).webUrl;
  // A page where JSON was asked for counts as an outage once a forge is connected; here the address may be wrong.
  const isPage = isPageError(failure);
  if (failure instanceof ForgewayError && !isPage) {
    if (failure.code === 'FORGEWAY_ADDRESS_REFUSED') return failure.message;
    if (failure.code === 'FORGEWAY_FORGE_UNREACHABLE') return unreachable(where, failure.message);
    // So often asked in vain that it was left alone: nothing here will ask it once more.
    if (failure.code === 'FORGEWAY_FORGE_DOWN') return unreachable(where, 'it does not answer');
    if (failure.code === 'FORGEWAY_ORIGIN_REFUSED')
      return `${where} redirects to another address, which the token is not sent to. Use the address that a browser ends at, with https:// where it has it.`;
    return failure.message;
  }
  if (isPage) return unlike(connection, nativeOf, 'it answers with a web page, not JSON');
  if (failure.status === 401)
    return `${where} does not accept the token: it is wrong, expired or revoked. Make a new one, and run \`forgeway connections add\` with it.`;
  if (failure.status === 403)
    return `The token may not read its own account on ${where}: ${failure.message}. Give it the scopes that the README names.`;
  if (isNotNow(failure))
    return `${where} does not serve just now (it answered ${failure.status}: ${failure.message.replace(/[.\s]+$/, '')}).`;
  const answered = failure instanceof RouteFailure ? failure.answered : undefined;
  // What something else than the forge said is not repeated to whoever had it asked.
  if (failure.status === 404 || failure.status === 502)
    return unlike(
      connection,
      nativeOf,
      answered === undefined ? failure.message.replace(/\.$/, '') : `it answered ${answered}`,
    );
  return `${where} answered: ${failure.message}`;
}

/** In the details of a refusal: no connection was made, or none may be. */
export const UNREACHABLE = 'unreachable';
/** Of what the network and the guard do; the forge itself said nothing. */
const NO_CONNECTION: ReadonlySet<string> = new Set([
  'FORGEWAY_ADDRESS_REFUSED',
  'FORGEWAY_FORGE_UNREACHABLE',
  'FORGEWAY_FORGE_DOWN',
]);

/** Whether nothing was answered, so that nothing else would be just now. */
export const isSilent = (error: RouteFailure | ForgewayError): boolean =>
  error instanceof ForgewayError && NO_CONNECTION.has(error.code);

/** It does not serve just now, or not so often, or what stands before it does not reach it: later it may be another answer. */
const NOT_NOW: ReadonlySet<number | undefined> = new Set([429, 500, 502, 503, 504]);
const isNotNow = (failure: RouteFailure | ForgewayError): boolean =>
  failure instanceof RouteFailure && NOT_NOW.has(failure.answered);

/** Whether a refusal says that the forge gave no answer at all, or none that says anything. */
export const isUnreachable = (error: unknown): boolean =>
  error instanceof ForgewayError && error.details[UNREACHABLE] === true;

export type Probed = { ok: true; facts: TokenFacts } | ({ ok: false; reason: string } & Unusable);

export interface Unusable {
  /** The forge does not accept the token. */
  expired: boolean;
  /** It gave no answer, or is out of order just now. */
  unreachable: boolean;
  /** The token holds, and may not even read its own account. */
  forbidden?: boolean;
}

/** What a connection becomes for it. @param refused what it is when the token is not accepted */
export const stateFor = ({ expired, forbidden }: Unusable, refused: 'expired' | 'revoked') => {
  if (expired) return refused;
  return forbidden ? ('insufficient_scope' as const) : ('unreachable' as const);
};

export async function probeForge(connection: OpenConnection, nativeOf: NativeOf): Promise<Probed> {
  try {
    return { ok: true, facts: await questionOf(connection.forge)(nativeOf(connection)) };
  } catch (error) {
    if (!isForgeFailure(error)) throw error;
    const expired = error instanceof RouteFailure && error.status === 401;
    const forbidden = error instanceof RouteFailure && error.status === 403;
    const unreachable = isSilent(error) || isNotNow(error);
    return { ok: false, expired, forbidden, unreachable, reason: await reasonOf(error, connection, nativeOf) };
  }
}

/** Whether the forge does not accept the token; false while nobody knows. */
export async function isTokenRefused(connection: OpenConnection, nativeOf: NativeOf): Promise<boolean> {
  try {
    await questionOf(connection.forge)(nativeOf(connection));
    return false;
  } catch (error) {
    if (!isForgeFailure(error)) throw error;
    return error instanceof RouteFailure && error.status === 401;
  }
}

/** What to do about a refusal of a call on hooks; undefined where its own words say all. */
export const hookAdvice = (
  administration: ForgeAdministration,
  error: RouteFailure | ForgewayError,
  target: Parameters<ForgeAdministration['hookAdvice']>[1],
): string | undefined => (error instanceof RouteFailure ? administration.hookAdvice(error, target) : undefined);

/** A refusal of a call on hooks, with what to do about it. */
export function hookRefusal(
  administration: ForgeAdministration,
  error: RouteFailure | ForgewayError,
  target: Parameters<ForgeAdministration['hookAdvice']>[1],
): string {
  if (error instanceof RouteFailure && error.status === 401) return 'The forge does not accept the token any more.';
  const said = messageOf(error);
  const advice = hookAdvice(administration, error, target);
  return advice === undefined ? said : `${said.replace(/[.\s]*$/, '.')} ${advice}`;
}
