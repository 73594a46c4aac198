import { z } from 'zod';
import { type Actor, scopes } from '../../accounts/access/actor.js';
import { atLeast, type Role, roles } from '../../accounts/access/roles.js';
import {
  createToken,
  listTokens,
  mostOf,
  revokeToken,
  type TokenSummary,
  tokenKinds,
} from '../../accounts/api-tokens/rows.js';
import { ForgewayError } from '../../lib/errors.js';
import { authorizedOrganization, notFound, permit } from '../authorize.js';
import { id, instant, listOf, page, pageOf, placeOf, scope, text } from './fields.js';
import { procedure, router, signedIn } from './procedure.js';
import type { Services } from './services.js';

const token = z.object({
  id,
  kind: z.enum(tokenKinds),
  name: z.string(),
  prefix: z.string().describe('Its first characters.'),
  scopes: z.array(z.enum(scopes)),
  role: z.enum(roles).nullable().describe('null: that of its owner.'),
  userId: z.string().nullable(),
  expiresAt: instant.nullable(),
  lastUsedAt: instant.nullable().describe('To ten minutes.'),
  revokedAt: instant.nullable(),
  createdBy: z.string(),
  createdAt: instant,
});
const made = z.object({ token, secret: z.string().describe('Shown this once; only its hash is stored.') });

const DAY_MS = 86_400_000;
const wish = {
  name: text(100),
  scopes: z.array(z.enum(scopes)).min(1),
  expiresInDays: z
    .number()
    .int()
    .min(1)
    .max(3_650)
    .nullable()
    .default(90)
    .describe('null: never. It ends no later than the token that it is made with.'),
};

/** Never later than the token that it is made with: else whoever finds that one would have it for good. */
function expiry(actor: Actor, days: number | null): Date | null {
  const wanted = days === null ? null : new Date(Date.now() + days * DAY_MS);
  const own = actor.kind === 'machine' ? actor.expiresAt : actor.kind === 'user' ? actor.token?.expiresAt : undefined;
  if (!own) return wanted;
  return wanted === null || own < wanted ? own : wanted;
}
const shown = ({ organizationId: _, ...row }: TokenSummary) => ({ ...row, scopes: [...row.scopes] });

const forbidden = (message: string) => new ForgewayError('FORGEWAY_FORBIDDEN', message);

/** Nobody gives away more than they have. */
function checkScopes(actor: Actor, wanted: readonly (typeof scopes)[number][]): void {
  const own = actor.kind === 'machine' ? actor.scopes : actor.kind === 'user' ? actor.token?.scopes : [];
  if (own !== undefined && !wanted.every((one) => own.includes(one)))
    throw forbidden('The new token would have scopes that yours lacks.');
}

function roleOf(actor: Actor, organizationId: string): Role | undefined {
  if (actor.kind === 'machine') return actor.role;
  return actor.kind === 'user' ? actor.memberships.get(organizationId) : undefined;
}

const atOf = (row: TokenSummary): [string, string] => [String(BigInt(row.createdAt.getTime()) * 1_000n), row.id];
const beforeOf = (cursor: string | undefined) => {
  const [at, rowId] = placeOf(cursor);
  return at === null ? {} : { before: { createdAt: new Date(Number(BigInt(at) / 1_000n)), id: rowId } };
};

/** A person's own, which no program has. */
async function personOf({ actor, services }: { actor: Actor; services: Services }): Promise<string> {
  if (actor.kind !== 'user') throw forbidden('Only people have tokens of their own.');
  await permit(services, actor, 'own-token.manage', { ownerUserId: actor.userId, name: 'own tokens' });
  return actor.userId;
}

export const tokens = router({
  list: procedure({
    action: 'token.manage',
    method: 'GET',
    path: '/tokens',
    summary: 'Tokens of the organization, newest first, revoked ones too.',
  })
    .input(z.strictObject({ ...scope, ...page }).prefault({}))
    .output(listOf(token))
    .query(async ({ ctx, input }) => {
      const { store } = ctx.services;
      const organizationId = ctx.organizationId;
      const rows = await listTokens(store, { organizationId }, { limit: input.limit + 1, ...beforeOf(input.cursor) });
      const { items, nextCursor } = pageOf(rows, input.limit, atOf);
      return { items: items.map(shown), nextCursor };
    }),

  create: procedure({
    action: 'token.manage',
    method: 'POST',
    path: '/tokens',
    status: 201,
    summary: 'Makes a token of the organization, or of a machine. No more than the caller has.',
    toldOnce: true,
  })
    .input(z.strictObject({ ...scope, kind: z.enum(['organization', 'machine']), role: z.enum(roles), ...wish }))
    .output(made)
    .mutation(async ({ ctx, input }) => {
      const { actor, organizationId } = ctx;
      const { kind, role } = input;
      const own = roleOf(actor, organizationId);
      if (own === undefined || !atLeast(own, role)) throw forbidden('The new token would have a role above yours.');
      if (!atLeast(mostOf[kind], role)) throw forbidden(`A token of kind ${kind} is at most ${mostOf[kind]}.`);
      checkScopes(actor, input.scopes);
      const { token: secret, ...row } = await createToken(ctx.services.store, {
        owner: { kind, organizationId, role },
        name: input.name,
        scopes: [...new Set(input.scopes)],
        expiresAt: expiry(actor, input.expiresInDays),
        createdBy: ctx.by,
      });
      return { token: shown(row), secret };
    }),

  revoke: procedure({
    action: 'token.manage',
    method: 'DELETE',
    path: '/tokens/{id}',
    summary: 'Ends a token of the organization at once.',
  })
    .input(z.strictObject({ ...scope, id }))
    .output(z.object({ id }))
    .mutation(async ({ ctx, input }) => {
      const { organizationId } = ctx;
      if (!(await revokeToken(ctx.services.store, { organizationId }, input.id, ctx.by))) throw notFound();
      return { id: input.id };
    }),

  listOwn: signedIn({ method: 'GET', path: '/user/tokens', summary: 'The caller’s own tokens, newest first.' })
    .input(z.strictObject({ ...page }).prefault({}))
    .output(listOf(token))
    .query(async ({ ctx, input }) => {
      const userId = await personOf(ctx);
      const rows = await listTokens(
        ctx.services.store,
        { userId },
        { limit: input.limit + 1, ...beforeOf(input.cursor) },
      );
      const { items, nextCursor } = pageOf(rows, input.limit, atOf);
      return { items: items.map(shown), nextCursor };
    }),

  createOwn: signedIn({
    method: 'POST',
    path: '/user/tokens',
    status: 201,
    summary: 'Makes a token of the caller’s own, which may do no more than they may.',
  })
    .input(z.strictObject({ ...scope, ...wish }))
    .output(made)
    .mutation(async ({ ctx, input }) => {
      const userId = await personOf(ctx);
      checkScopes(ctx.actor, input.scopes);
      const { store } = ctx.services;
      const limited =
        input.organization === undefined
          ? undefined
          : await authorizedOrganization(ctx.services, ctx.actor, 'organization.read', input.organization);
      const { token: secret, ...row } = await createToken(store, {
        owner: { kind: 'user', userId, ...(limited !== undefined && { organizationId: limited }) },
        name: input.name,
        scopes: [...new Set(input.scopes)],
        expiresAt: expiry(ctx.actor, input.expiresInDays),
        createdBy: ctx.by,
      });
      return { token: shown(row), secret };
    }),

  revokeOwn: signedIn({ method: 'DELETE', path: '/user/tokens/{id}', summary: 'Ends a token of the caller’s own.' })
    .input(z.strictObject({ id }))
    .output(z.object({ id }))
    .mutation(async ({ ctx, input }) => {
      const userId = await personOf(ctx);
      if (!(await revokeToken(ctx.services.store, { userId }, input.id, ctx.by))) throw notFound();
      return { id: input.id };
    }),
});
