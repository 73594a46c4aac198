/** Release notes from pull requests. */
import { releaseNotes as written } from '../../kit/release-notes.js';
import type { RouteTable } from '../../kit/route.js';
import { emulated } from './row.js';

export const releaseNotes: RouteTable = {
  'POST /repos/{owner}/{repo}/releases/generate-notes': emulated(
    'idempotent',
    'repository: GET /repos/{owner}/{repo}/compare/{basehead}',
    'Written by Forgeway, by the categories of .github/release.yml; new contributors are looked for among twenty authors.',
    (request, context) =>
      written(request, context, {
        between: (from, to) => `compare/${from}...${to}`,
        until: (tag) => `commits/tag/${tag}`,
      }),
  ),
};
