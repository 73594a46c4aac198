/** Parts of the protection of a branch, each of which has an address of its own. They are read from the whole. */
import { notFound, type Route, type RouteTable } from './route.js';

const PROTECTION = 'GET /repos/{owner}/{repo}/branches/{branch}/protection';

/** As they lie below the whole, in its address and in its answer alike. */
const PARTS = [
  'enforce_admins',
  'required_pull_request_reviews',
  'required_signatures',
  'required_status_checks',
  'required_status_checks/contexts',
  'restrictions',
  'restrictions/apps',
  'restrictions/teams',
  'restrictions/users',
] as const;

function within(whole: unknown, path: string): unknown {
  let value = whole;
  for (const name of path.split('/')) value = Object(value)[name];
  return value;
}

const part = (path: string): Route => ({
  support: 'emulated',
  retry: 'read',
  source: `Forgeway: ${PROTECTION}`,
  note: 'A part of the protection as a whole, where it has one.',
  async run(request, context) {
    const value = within(await context.github(PROTECTION, request.params), path);
    if (typeof value !== 'object' || value === null) throw notFound();
    return { data: value };
  },
});

export const protectionParts: RouteTable = Object.fromEntries(
  PARTS.map((path) => [`${PROTECTION}/${path}`, part(path)]),
);
