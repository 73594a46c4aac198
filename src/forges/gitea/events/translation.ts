/** What every payload is built from: the delivery, one of its events, and the repository and sender that all of them name. */
import { ForgewayError } from '../../../lib/errors.js';
import type { ForgeEvent, JsonObject, NativeDelivery, TranslatePorts } from '../../forge.js';
import { hasNoAnswer } from '../../kit/no-answer.js';
import { RouteFailure } from '../../kit/route.js';
import { ghost, organization, user, userOrGhost } from '../../kit/shapes/account.js';
import type { ShapeBase } from '../../kit/shapes/base.js';
import type { AccountInput, RepositoryInput } from '../../kit/shapes/inputs.js';
import { pageOf, repository } from '../../kit/shapes/repository.js';
import { repositoryInput } from '../convert/repository.js';
import { time } from '../convert/time.js';
import { accountIfTold, accountInput } from '../convert/user.js';
import { nativeUser } from '../schema.js';
import { isObject } from './fields.js';
import { ownerType } from './owner.js';

export interface Translation {
  eventType: string;
  payload: JsonObject;
  event: ForgeEvent;
  ports: TranslatePorts;
  base: ShapeBase;
  repository: RepositoryInput;
  /** Of the repository, for the shapes. */
  owner: string;
  name: string;
  /** When the delivery arrived, for what the server dates with nothing. */
  received: string;
  receivedAt: Date;
  /** `action`, `repository`, `sender`, and `organization` where it was told. */
  common: JsonObject;
}

/** A repository of a webhook, with a page that can be opened, and without permissions, which are the sender's. */
export function located(base: ShapeBase, native: unknown, owner?: AccountInput): RepositoryInput {
  const { permissions: _, ...input } = repositoryInput(native);
  return placed(base, owner === undefined ? input : { ...input, owner: { ...input.owner, type: owner.type } });
}

export function placed(base: ShapeBase, { permissions: _, ...input }: RepositoryInput): RepositoryInput {
  return URL.canParse(input.htmlUrl) ? input : { ...input, htmlUrl: pageOf(base, input.owner.login, input.name) };
}

/** Another repository of the payload. Of the owner of the one that the delivery is about more is known. */
export function ownedIn(t: Translation, input: RepositoryInput): RepositoryInput {
  const { owner } = t.repository;
  const isSame = String(owner.id) === String(input.owner.id);
  return placed(t.base, isSame ? { ...input, owner: { ...input.owner, type: owner.type } } : input);
}

/**
 * Only some events tell that the owner is an organization; for the others it is an account like any, and the forge is asked.
 * Of a repository that comes or goes the owner stands there in any case, also a person: nobody acts as an organization.
 */
function namedOrganization(native: unknown, sender: unknown): AccountInput | undefined {
  if (!isObject(native) || !nativeUser.safeParse(native).success) return undefined;
  const named = accountInput(native, 'Organization');
  return String(accountIfTold(sender)?.id) === String(named.id) ? undefined : named;
}

/**
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 * @throws what the port throws while the forge cannot be reached
 */
export async function translationOf(
  delivery: NativeDelivery,
  event: ForgeEvent,
  ports: TranslatePorts,
  native: { repository: unknown; sender: unknown },
): Promise<Translation> {
  const { base } = ports;
  const { payload } = delivery;
  const named = namedOrganization(payload.organization, native.sender);
  const sent = located(base, native.repository, named);
  const isOrganization = named === undefined && (await ownerType(ports, sent, delivery.receivedAt)) === 'Organization';
  const input: RepositoryInput = isOrganization ? { ...sent, owner: { ...sent.owner, type: 'Organization' } } : sent;
  const owner = isOrganization ? input.owner : named;
  return {
    eventType: delivery.eventType,
    payload,
    event,
    ports,
    base,
    repository: input,
    owner: input.owner.login,
    name: input.name,
    receivedAt: delivery.receivedAt,
    received: time(delivery.receivedAt.toISOString()) ?? '1970-01-01T00:00:00Z',
    common: {
      ...(event.action !== undefined && { action: event.action }),
      repository: repository(base, input),
      ...(owner !== undefined && { organization: organization(base, owner) }),
      sender: userOrGhost(base, accountIfTold(native.sender)),
    },
  };
}

/** The part of the payload that the event is about. @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function part(payload: JsonObject, key: string): JsonObject {
  const value = payload[key];
  if (isObject(value)) return value;
  throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', `${key} is missing or of the wrong type`);
}

/** Somebody of whom only id and name were kept. */
export const accountOf = (base: ShapeBase, entry: unknown): JsonObject =>
  isObject(entry) ? user(base, accountInput(entry)) : ghost(base);

/** Answers that no later attempt will change: the token may not read it, it is gone, or there is no such route. */
const FINAL: ReadonlySet<number> = new Set([400, 401, 403, 404, 410, 422, 501]);

/**
 * Asks the forge, where a token is connected. Undefined when it will not say, so that "unknown" stands in its place.
 * @throws what the port throws while the forge cannot be reached, so that the delivery is tried again
 */
export async function ask(t: Translation, route: string, parameters: JsonObject): Promise<unknown> {
  if (t.ports.github === undefined) return undefined;
  try {
    return await t.ports.github(route, { owner: t.owner, repo: t.name, ...parameters });
  } catch (error) {
    if (hasNoAnswer(error) || (error instanceof RouteFailure && FINAL.has(error.status))) return undefined;
    throw error;
  }
}

/** Was one of these fields asked for by the app, and not sent by the server? */
export function isWanted(t: Translation, prefix: string, native: JsonObject, keys: readonly string[]): boolean {
  return keys.some((key) => t.ports.wanted.has(`${prefix}.${key}`) && native[key] == null);
}
