/** Parts of the protection of a branch, each of which has an address of its own. They are read from the whole. */
import type { JsonObject } from '../forge.js';
import { notFound, type Route, type RouteTable } from './route.js';

const PROTECTION = 'GET /repos/{owner}/{repo}/branches/{branch}/protection';

const part = (name: string): Route => ({
  support: 'emulated',
  retry: 'read',
  source: `Forgeway: ${PROTECTION}`,
  note: 'A part of the protection as a whole, where it has one.',
  async run(request, context) {
    const whole = (await context.github(PROTECTION, request.params)) as JsonObject;
    const value = whole[name];
    if (typeof value !== 'object' || value === null) throw notFound();
    return { data: value };
  },
});

export const protectionParts: RouteTable = Object.fromEntries(
  ['enforce_admins', 'required_pull_request_reviews', 'required_signatures', 'required_status_checks'].map((name) => [
    `${PROTECTION}/${name}`,
    part(name),
  ]),
);
