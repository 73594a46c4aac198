import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { EVEN_UNMADE } from '../../kit/protection-writes.js';
import { notFound, type Route, type RouteContext, type RouteTable } from '../../kit/route.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { read } from '../convert/read.js';
import { accept, type Place, param, placeOf, projectAt } from './place.js';

const level = z.looseObject({ access_level: z.number().nullish() });
/** Who else an entry may be for than a role. */
const HOLDERS = ['user_id', 'group_id', 'deploy_key_id', 'member_role_id'];

const nativeProtection = z.looseObject({
  name: z.string(),
  push_access_levels: z.array(level).nullish(),
  merge_access_levels: z.array(level).nullish(),
  allow_force_push: z.boolean().optional(),
});
type NativeProtection = z.output<typeof nativeProtection>;

/** What GitLab cannot enforce is kept, so that an app reads back what it wrote. */
const PROTECTION = 'branch_protection';
/** In what is kept: the protection is taken away, and not made again yet. */
const BEING_MADE = 'being_made';
const part = z.record(z.string(), z.unknown()).nullish();
const wish = z.looseObject({
  required_status_checks: part,
  enforce_admins: z.boolean().nullish(),
  required_pull_request_reviews: part,
  restrictions: part,
  allow_force_pushes: z.boolean().nullish(),
});

const NOBODY = 0;
const MAINTAINER = 40;

const pathOf = (place: Place, branch: string): string => `${place.api}/protected_branches/${segment(branch)}`;
const keyOf = async (context: RouteContext, place: Place, branch: string): Promise<string> =>
  `${(await projectAt(context, place.api)).id}:${branch}`;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textsIn = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];

/** Written by the names of the checks or by checks that have one; GitHub tells both. */
function shownChecks(url: string, written: JsonObject): JsonObject {
  const { contexts, checks, ...rest } = written;
  const given = Array.isArray(checks) ? checks.filter(isObject) : [];
  const names = [...new Set([...textsIn(contexts), ...textsIn(given.map(({ context }) => context))])];
  const told = names.map((context) => ({ app_id: null, ...given.find((one) => one.context === context), context }));
  return { url, strict: false, ...rest, contexts: names, contexts_url: `${url}/contexts`, checks: told };
}

/** Written by login and slug; GitHub tells accounts and teams. */
function shownPushers(url: string, { users, teams, apps }: JsonObject): JsonObject {
  const bySlug = (slug: string) => ({ slug, name: slug });
  return {
    url,
    users_url: `${url}/users`,
    teams_url: `${url}/teams`,
    apps_url: `${url}/apps`,
    users: textsIn(users).map((login) => ({ login })),
    teams: textsIn(teams).map(bySlug),
    apps: textsIn(apps).map(bySlug),
  };
}

async function shown(context: RouteContext, place: Place, branch: string, native: NativeProtection) {
  const kept = (await context.records.get(PROTECTION, await keyOf(context, place, branch)))?.data ?? {};
  const url = `${apiOf(context.base, place.owner, place.repo)}/branches/${segment(branch)}/protection`;
  const enabled = (value: boolean) => ({ enabled: value });
  // Where nobody may push, changes come by merge request only.
  const byMergeRequest = (native.push_access_levels ?? []).every(
    (entry) => (entry.access_level ?? MAINTAINER) === NOBODY,
  );
  const reviews = kept.required_pull_request_reviews ?? (byMergeRequest ? {} : undefined);
  return {
    url,
    ...(isObject(kept.required_status_checks) && {
      required_status_checks: shownChecks(`${url}/required_status_checks`, kept.required_status_checks),
    }),
    ...(reviews !== undefined &&
      reviews !== null && {
        required_pull_request_reviews: {
          url: `${url}/required_pull_request_reviews`,
          dismiss_stale_reviews: false,
          require_code_owner_reviews: false,
          required_approving_review_count: 0,
          ...(reviews as object),
        },
      }),
    ...(isObject(kept.restrictions) && { restrictions: shownPushers(`${url}/restrictions`, kept.restrictions) }),
    enforce_admins: { url: `${url}/enforce_admins`, enabled: kept.enforce_admins === true },
    required_linear_history: enabled(kept.required_linear_history === true),
    allow_force_pushes: enabled(native.allow_force_push ?? false),
    allow_deletions: enabled(false),
    block_creations: enabled(false),
    required_conversation_resolution: enabled(kept.required_conversation_resolution === true),
    lock_branch: enabled(false),
    allow_fork_syncing: enabled(false),
    required_signatures: { url: `${url}/required_signatures`, enabled: false },
  };
}

type Wish = z.output<typeof wish>;

const rulesFor = (body: Pick<Wish, 'required_pull_request_reviews' | 'allow_force_pushes'>) => ({
  push_access_level: body.required_pull_request_reviews ? NOBODY : MAINTAINER,
  allow_force_push: body.allow_force_pushes ?? false,
});

const isOnly = (levels: NativeProtection['push_access_levels'], role: number): boolean =>
  levels?.length === 1 && levels.every((one) => one.access_level === role && HOLDERS.every((key) => one[key] == null));

const hasRules = (native: NativeProtection, { push_access_level, allow_force_push }: ReturnType<typeof rulesFor>) =>
  isOnly(native.push_access_levels, push_access_level) &&
  isOnly(native.merge_access_levels, MAINTAINER) &&
  (native.allow_force_push ?? false) === allow_force_push;

/** A protection that was taken away to be made anew, as it is to become; undefined where none is. */
async function beingMade(context: RouteContext, place: Place, branch: string): Promise<JsonObject | undefined> {
  const kept = (await context.records.get(PROTECTION, await keyOf(context, place, branch)))?.data;
  if (kept?.[BEING_MADE] !== true) return undefined;
  const { push_access_level, allow_force_push } = rulesFor(wish.parse(kept));
  return { name: branch, push_access_levels: [{ access_level: push_access_level }], allow_force_push };
}

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'protected_branches: GET /projects/:id/protected_branches/:name',
  note: 'Rules that GitLab does not have are those that were written through Forgeway.',
  async run(request, context) {
    const place = placeOf(request);
    const branch = param(request, 'branch');
    const isAWrite = request.query[EVEN_UNMADE] === 'true';
    const native =
      (await context.native.find(pathOf(place, branch))) ??
      (isAWrite ? await beingMade(context, place, branch) : undefined);
    if (native === undefined) throw notFound('Branch not protected');
    return { data: await shown(context, place, branch, read(nativeProtection, native, 'protected branch')) };
  },
};

const put: Route = {
  support: 'partial',
  retry: 'idempotent',
  source: 'protected_branches: DELETE /projects/:id/protected_branches/:name, POST /projects/:id/protected_branches',
  note: 'Who may push and force pushes are set; required checks, review counts and restrictions to people are kept and not enforced.',
  async run(request, context) {
    const place = placeOf(request);
    const branch = param(request, 'branch');
    const body = accept('BranchProtection', wish, request.body);
    const path = pathOf(place, branch);
    const key = await keyOf(context, place, branch);
    const rules = rulesFor(body);
    const before = await context.native.find(path);
    if (before !== undefined && hasRules(read(nativeProtection, before, 'protected branch'), rules)) {
      await context.records.put(PROTECTION, key, request.body);
      return { data: await shown(context, place, branch, read(nativeProtection, before, 'protected branch')) };
    }
    // On GitLab Free a protection cannot be changed, only made anew: whoever is stopped in between finds here what is to be made.
    await context.records.put(PROTECTION, key, { ...request.body, [BEING_MADE]: true });
    if (before !== undefined) await context.native.send('DELETE', path);
    const json = { name: branch, merge_access_level: MAINTAINER, ...rules };
    const { data } = await context.native.send('POST', `${place.api}/protected_branches`, { json });
    await context.records.put(PROTECTION, key, request.body);
    return { data: await shown(context, place, branch, read(nativeProtection, data, 'protected branch')) };
  },
};

const remove: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'protected_branches: DELETE /projects/:id/protected_branches/:name',
  async run(request, context) {
    const place = placeOf(request);
    const branch = param(request, 'branch');
    await context.native.send('DELETE', pathOf(place, branch));
    await context.records.delete(PROTECTION, await keyOf(context, place, branch));
    return { status: 204 };
  },
};

export const branchProtection: RouteTable = {
  'GET /repos/{owner}/{repo}/branches/{branch}/protection': get,
  'PUT /repos/{owner}/{repo}/branches/{branch}/protection': put,
  'DELETE /repos/{owner}/{repo}/branches/{branch}/protection': remove,
};
