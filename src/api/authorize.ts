/** Which organization a request is about, and whether its caller may do that there. */
import type { Access, NamedThing } from '../accounts/access/access.js';
import { type Action, actions } from '../accounts/access/actions.js';
import type { Actor } from '../accounts/access/actor.js';
import type { Decision } from '../accounts/access/decide.js';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import { seenAs } from '../store/seen-as.js';

const DEFAULT_SLUG = 'default';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** One sentence for all, with no word of what was asked for: what one may not see does not exist. */
export const notFound = () => new ForgewayError('FORGEWAY_NOT_FOUND', 'There is nothing here.');

const forbidden = (message: string) => new ForgewayError('FORGEWAY_FORBIDDEN', message);

function refusal(decision: Decision & { allowed: false }, action: Action): ForgewayError {
  switch (decision.because) {
    case 'anonymous':
      return new ForgewayError('FORGEWAY_UNAUTHENTICATED', 'Send a token, or sign in.');
    case 'absent':
      return notFound();
    case 'suspended':
      return forbidden('The account is suspended.');
    case 'unconfirmed':
      return forbidden(decision.why);
    case 'scope':
      return forbidden(`The token lacks the scope ${actions[action].scope}.`);
    default:
      return forbidden(`It takes the role ${actions[action].role} to ${actions[action].means}.`);
  }
}

/** What decides: the store as the api role, and who writes down what was decided. */
export interface Authority {
  store: Store;
  access: Pick<Access, 'check'>;
}

/**
 * Decides and writes down.
 * @throws ForgewayError FORGEWAY_UNAUTHENTICATED, FORGEWAY_FORBIDDEN or FORGEWAY_NOT_FOUND
 */
export async function permit(
  { access }: Pick<Authority, 'access'>,
  actor: Actor,
  action: Action,
  thing: NamedThing,
): Promise<void> {
  const decision = await access.check(actor, action, thing);
  if (!decision.allowed) throw refusal(decision, action);
}

async function organizationBySlug(store: Store, slug: string): Promise<string | undefined> {
  return seenAs(store, { organizationSlug: slug }, async (tx) => {
    const { rows } = await tx.query<{ id: string }>('SELECT id FROM organization WHERE slug = $1', [slug]);
    return rows[0]?.id;
  });
}

/** Those that the caller belongs to, whatever they may do there. */
export function organizationsOf(actor: Actor): string[] {
  if (actor.kind === 'machine') return [actor.organizationId];
  if (actor.kind !== 'user') return [];
  const only = actor.token?.organizationId;
  return only === undefined ? [...actor.memberships.keys()] : [only].filter((id) => actor.memberships.has(id));
}

const ID = /^[\w-]{1,40}$/;
const AN_ORGANIZATION = 'organization';

/** Of what is not an organization's. A program owns nothing, and is no person. */
const ownerOf = (actor: Actor): string => (actor.kind === 'user' ? actor.userId : '');

/** What a request is about, as far as it can be told before its input is looked at; looking is not told apart by things. */
function named(action: Action, organizationId: string, { subjectId }: Asked): NamedThing {
  const kind = action.slice(0, action.indexOf('.'));
  const isOne = actions[action].scope !== 'read' && typeof subjectId === 'string' && ID.test(subjectId);
  return { organizationId, name: isOne ? `${kind} ${subjectId}` : kind, refusedAs: kind };
}

export interface Asked {
  /** What it is about, as the caller says. */
  subjectId?: unknown;
  /** It is about the caller's own things there, and not about the organization's. */
  own?: boolean;
  /** It is taken away. */
  removal?: boolean;
}

/**
 * The organization by slug or id; without a name the only one of the caller, else the default one.
 * @throws ForgewayError as {@link permit}, also where there is no such organization
 */
export async function authorizedOrganization(
  authority: Authority,
  actor: Actor,
  action: Action,
  name: string | undefined,
  asked: Asked = {},
): Promise<string> {
  // Nobody is told first which organizations there are.
  if (actor.kind === 'anonymous') await permit(authority, actor, action, { name: AN_ORGANIZATION });
  const own = organizationsOf(actor);
  const only = name === undefined && own.length === 1 ? own[0] : undefined;
  const slug = name ?? DEFAULT_SLUG;
  const found = only ?? (UUID.test(slug) ? slug : await organizationBySlug(authority.store, slug));
  if (actor.kind === 'user' && actor.suspended) await permit(authority, actor, action, { name: AN_ORGANIZATION });
  if (found === undefined) throw notFound();
  const thing = named(action, found, asked);
  await permit(
    authority,
    actor,
    action,
    asked.own ? { ...thing, ownerUserId: ownerOf(actor), removal: asked.removal === true } : thing,
  );
  return found;
}
