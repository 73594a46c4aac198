import { z } from 'zod';
import { roles } from '../../accounts/access/roles.js';
import { organizationsOf } from '../authorize.js';
import { afterPlace, id, instant, listOf, microsecondsOf, page, pageOf, placeOf, scope } from './fields.js';
import { procedure, router, signedIn } from './procedure.js';
import type { Services } from './services.js';

const organization = z.object({
  id,
  slug: z.string(),
  name: z.string(),
  installBannerSince: instant.nullable().describe('Set while the App is not installed: show how to install it.'),
  createdAt: instant,
});
type Row = z.input<typeof organization>;

const member = z.object({ id, userId: z.string(), name: z.string(), role: z.enum(roles), since: instant });

async function readOrganization({ store }: Services, organizationId: string): Promise<Row[]> {
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<Row>(
      `SELECT id, slug, name, install_banner_since AS "installBannerSince", created_at AS "createdAt" FROM organization`,
    ),
  );
  return rows;
}

/** More than anybody belongs to; the rest is asked for by name. */
const MOST = 100;

export const organizations = router({
  list: signedIn({ method: 'GET', path: '/organizations', summary: 'Organizations that the caller belongs to.' })
    .input(z.strictObject({}).prefault({}))
    .output(z.object({ items: z.array(organization) }))
    .query(async ({ ctx }) => {
      const { access } = ctx.services;
      const items: Row[] = [];
      for (const organizationId of organizationsOf(ctx.actor).slice(0, MOST))
        if ((await access.check(ctx.actor, 'organization.read', { organizationId, name: 'organization' })).allowed)
          items.push(...(await readOrganization(ctx.services, organizationId)));
      return { items };
    }),

  get: procedure({
    action: 'organization.read',
    method: 'GET',
    path: '/organization',
    summary: 'The organization that is named.',
  })
    .input(z.strictObject({ ...scope }).prefault({}))
    .output(organization)
    .query(async ({ ctx }) => {
      const [found] = await readOrganization(ctx.services, ctx.organizationId);
      if (found === undefined) throw new Error('an organization that one may see is not there');
      return found;
    }),

  listMembers: procedure({
    action: 'organization.read',
    method: 'GET',
    path: '/members',
    summary: 'Who belongs to the organization, newest first.',
  })
    .input(z.strictObject({ ...scope, role: z.enum(roles).optional(), ...page }).prefault({}))
    .output(listOf(member))
    .query(async ({ ctx, input }) => {
      const place = placeOf(input.cursor);
      const { rows } = await ctx.services.store.tenant(ctx.organizationId, (tx) =>
        tx.query<z.input<typeof member> & { place: string }>(
          `SELECT m.id, m.user_id AS "userId", u.name, m.role, m.created_at AS since, ${microsecondsOf('m.created_at')} AS place
           FROM member m JOIN "user" u ON u.id = m.user_id
           WHERE m.role = ANY($5::text[]) AND ($1::text IS NULL OR m.role = $1) AND ${afterPlace('m.created_at', 'm.id', 2)}
           ORDER BY m.created_at DESC, m.id DESC LIMIT $4`,
          [input.role ?? null, ...place, input.limit + 1, roles],
        ),
      );
      return pageOf(rows, input.limit, (row) => [row.place, row.id]);
    }),
});
