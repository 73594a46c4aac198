import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import type { Route, RouteContext, RouteTable } from '../../kit/route.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { nativeCommit } from '../convert/commit.js';
import { read } from '../convert/read.js';
import { shownCommit } from './commit-people.js';
import { type Place, page, param, placeOf } from './place.js';

export const nativeBranch = z.looseObject({
  name: z.string(),
  protected: z.boolean(),
  default: z.boolean().optional(),
  web_url: z.string().optional(),
  commit: nativeCommit,
});
type NativeBranch = z.output<typeof nativeBranch>;

const api = (context: RouteContext, place: Place) => apiOf(context.base, place.owner, place.repo);

const short = (context: RouteContext, place: Place, branch: NativeBranch) => ({
  name: branch.name,
  commit: { sha: branch.commit.id, url: `${api(context, place)}/commits/${branch.commit.id}` },
  protected: branch.protected,
});

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'branches: GET /projects/:id/repository/branches',
  async run(request, context) {
    const place = placeOf(request);
    const { items, pages } = await page(request, context, `${place.api}/repository/branches`, nativeBranch);
    const wanted = request.query.protected;
    const kept = items.filter((branch) => wanted === undefined || String(branch.protected) === wanted);
    return { data: kept.map((branch) => short(context, place, branch)), pages };
  },
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source: 'branches: GET /projects/:id/repository/branches/:branch',
  async run(request, context) {
    const place = placeOf(request);
    const name = param(request, 'branch');
    const branch = read(
      nativeBranch,
      await context.native.get(`${place.api}/repository/branches/${segment(name)}`),
      'branch',
    );
    const self = `${api(context, place)}/branches/${segment(name)}`;
    const checks = { enforcement_level: 'off', contexts: [], checks: [] };
    return {
      data: {
        ...short(context, place, branch),
        commit: await shownCommit(context, place, branch.commit),
        _links: { self, html: branch.web_url ?? `${context.base.web}/${place.path}/-/tree/${segment(name)}` },
        protection: { enabled: branch.protected, required_status_checks: checks },
        protection_url: `${self}/protection`,
      },
    };
  },
};

export const branches: RouteTable = {
  'GET /repos/{owner}/{repo}/branches': list,
  'GET /repos/{owner}/{repo}/branches/{branch}': get,
};
