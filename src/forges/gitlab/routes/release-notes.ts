/** Release notes from merge requests. */
import { releaseNotes as written } from '../../kit/release-notes.js';
import type { Route, RouteTable } from '../../kit/route.js';

const generate: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'repositories: GET /projects/:id/repository/compare; merge_requests: GET /projects/:id/merge_requests',
  note: 'Written by Forgeway, by the categories of .github/release.yml; new contributors are looked for among twenty authors.',
  run: (request, context) =>
    written(request, context, {
      between: (from, to) => `-/compare/${from}...${to}`,
      until: (tag) => `-/commits/${tag}`,
    }),
};

export const releaseNotes: RouteTable = { 'POST /repos/{owner}/{repo}/releases/generate-notes': generate };
