/**
 * Where visitors of a private preview are sent to sign in: whoever is signed in here and may see the organization's previews goes
 * on to it with a link of their own, which is good for a day or two. The preview's own domain never has a session of ours.
 */
import type { FastifyInstance } from 'fastify';
import type { Access } from '../accounts/access/access.js';
import type { AuthRoutesOptions } from './auth.js';
import { organizationsOf } from './authorize.js';
import { sendPage } from './page.js';
import { messagePage } from './sign-in-page.js';

export const VISIT_PATH = '/preview-visits';

/** What is known of previews by whoever leads visitors to them. */
export interface PreviewVisits {
  /** By the first label of its host; undefined where there is none. */
  find(label: string): Promise<{ id: string; organizationId: string; stranger: boolean } | undefined>;
  /** Where its host begins, with a link for one visitor. @param path begins with one slash */
  linkTo(label: string, preview: { id: string; stranger: boolean }, path: string): string;
}

export interface PreviewVisitOptions extends Pick<AuthRoutesOptions, 'sessionActor'> {
  access: Pick<Access, 'check'>;
  visits: PreviewVisits;
}

/** Of the preview's own: nothing that could be read as the address of another server. */
const ownPath = (given: unknown): string =>
  typeof given === 'string' && /^\/(?![/\\])[^\\\s]*$/.test(given) ? given.slice(0, 2_000) : '/';

export function addPreviewVisit(app: FastifyInstance, { sessionActor, access, visits }: PreviewVisitOptions): void {
  app.get<{ Params: { label: string }; Querystring: { to?: unknown } }>(
    `${VISIT_PATH}/:label`,
    async (request, reply) => {
      const person = await sessionActor(request.headers);
      if (person === undefined || person.suspended)
        return reply.redirect(`/sign-in?return_to=${encodeURIComponent(request.url)}`, 303);
      const { label } = request.params;
      const found = await visits.find(label);
      // Of an organization that they do not belong to nothing is decided, and nothing is said that tells it from none.
      if (found !== undefined && organizationsOf(person).includes(found.organizationId)) {
        const thing = { organizationId: found.organizationId, name: `preview ${found.id}` };
        if ((await access.check(person, 'preview.read', thing)).allowed)
          return reply
            .headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
            .redirect(visits.linkTo(label, found, ownPath(request.query.to)), 303);
      }
      return sendPage(
        reply.code(404),
        messagePage('No such preview', 'It was removed, or it is not of an organization of yours.'),
      );
    },
  );
}
