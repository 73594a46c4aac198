/** The files at a commit as one archive. */
import type { Route, RouteTable } from '../../kit/route.js';
import { param, placeOf } from './place.js';

function archive(ending: 'tar.gz' | 'zip', contentType: string): Route {
  return {
    support: 'emulated',
    note: 'The bytes themselves, where GitHub redirects to them.',
    retry: 'read',
    source: 'repositories: GET /projects/:id/repository/archive',
    async run(request, context) {
      const ref = param(request, 'ref').replace(/^refs\/(?:heads|tags)\//, '');
      const { data } = await context.native.send('GET', `${placeOf(request).api}/repository/archive.${ending}`, {
        // Without one it is the default branch, as on GitHub.
        query: { sha: ref || undefined },
        as: 'bytes',
      });
      return { body: { contentType, bytes: data as Buffer } };
    },
  };
}

export const archives: RouteTable = {
  'GET /repos/{owner}/{repo}/tarball/{ref}': archive('tar.gz', 'application/x-gzip'),
  'GET /repos/{owner}/{repo}/zipball/{ref}': archive('zip', 'application/zip'),
};
