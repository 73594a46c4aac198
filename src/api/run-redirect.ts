/** Where the Terraform CLI says that a run can be seen in a browser: for whoever is signed in and may see it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Access } from '../accounts/access/access.js';
import type { PageLinks } from '../accounts/page-links.js';
import type { Store } from '../store/database.js';
import { getRun } from '../store/workspace/runs.js';
import type { AuthRoutesOptions } from './auth.js';
import { organizationsOf } from './authorize.js';
import { sendPage } from './page.js';
import { messagePage } from './sign-in-page.js';
import { runIds } from './workspaces/ids.js';

export interface RunRedirectOptions extends Pick<AuthRoutesOptions, 'sessionActor'> {
  store: Store;
  access: Pick<Access, 'check'>;
  links: PageLinks;
}

/** The names in the address are for people: only the id of the run says which it is. */
const PATH = '/app/:organization/:workspace/runs/:id';

/** To where people sign in, and back here. */
export const toSignIn = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  reply.redirect(`/sign-in?return_to=${encodeURIComponent(request.url)}`, 303);

export function addRunRedirect(app: FastifyInstance, o: RunRedirectOptions): void {
  app.get<{ Params: { id: string } }>(PATH, async (request, reply) => {
    const person = await o.sessionActor(request.headers);
    if (person === undefined || person.suspended) return toSignIn(request, reply);
    const id = runIds.internal(request.params.id);
    for (const organizationId of id === undefined ? [] : organizationsOf(person)) {
      const run = await o.store.tenant(organizationId, (tx) => getRun(tx, id ?? ''));
      if (run === undefined) continue;
      const thing = { organizationId, name: `run ${run.id}` };
      if (!(await o.access.check(person, 'workspace.read', thing)).allowed) continue;
      return reply.header('cache-control', 'no-store').redirect(o.links.pathOf(organizationId, run.id), 303);
    }
    return sendPage(
      reply.code(404),
      messagePage('No such run', 'It was removed, or it is not of an organization of yours.'),
    );
  });
}
