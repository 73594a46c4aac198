import { z } from 'zod';
import { notFound } from '../authorize.js';
import { id, instant, scope } from './fields.js';
import { procedure, router } from './procedure.js';

const secret = z.object({
  id,
  name: z.string(),
  repositoryId: id.nullable().describe('null: for every repository of the organization.'),
  setBy: z.string(),
  createdAt: instant,
  updatedAt: instant,
});

/** Whether the name may be a variable of a preview is said where it is used, in `.forgeway.yml`; here only what a name is. */
const name = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'is not the name of a variable');

export const previewSecrets = router({
  list: procedure({
    action: 'preview-secret.read',
    method: 'GET',
    path: '/preview-secrets',
    summary: 'Names of the secrets that previews are given, never their values.',
  })
    .input(
      z
        .strictObject({
          ...scope,
          repositoryId: id.optional().describe('Only those that previews of this repository can be given.'),
        })
        .prefault({}),
    )
    .output(z.object({ items: z.array(secret) }))
    .query(async ({ ctx, input }) => ({
      items: await ctx.services.previewSecrets.list(ctx.organizationId, input.repositoryId),
    })),

  set: procedure({
    action: 'preview-secret.manage',
    method: 'PUT',
    path: '/preview-secrets',
    summary: 'Sets a secret, or another value of it. The value is sealed and never shown again.',
  })
    .input(
      z.strictObject({
        ...scope,
        name,
        value: z.string().min(1).max(32_768),
        repositoryId: id.nullable().default(null).describe('null: for every repository of the organization.'),
      }),
    )
    .output(secret)
    .mutation(({ ctx, input }) => {
      const { name: called, value, repositoryId } = input;
      return ctx.services.previewSecrets.set(ctx.organizationId, { name: called, value, repositoryId, by: ctx.by });
    }),

  delete: procedure({
    action: 'preview-secret.manage',
    method: 'DELETE',
    path: '/preview-secrets/{id}',
    summary: 'Deletes a secret. Previews that run keep what they were started with.',
  })
    .input(z.strictObject({ ...scope, id }))
    .output(z.object({ id }))
    .mutation(async ({ ctx, input }) => {
      if (!(await ctx.services.previewSecrets.delete(ctx.organizationId, input.id, ctx.by))) throw notFound();
      return { id: input.id };
    }),
});
