/**
 * Parts of the protection of a branch that are written by themselves. No other forge has addresses for them: the whole is read,
 * the part is changed in it, and the whole is written.
 */
import { z } from 'zod';
import type { JsonObject } from '../forge.js';
import { accept } from './accept.js';
import { invalid, notFound, type Route, type RouteContext, type RouteRequest, type RouteTable } from './route.js';

const PROTECTION = '/repos/{owner}/{repo}/branches/{branch}/protection';

/**
 * Asked for in the query of the whole: also one that was taken away to be made anew, since a write that was stopped in between goes
 * on from there. To everybody else the branch is not protected meanwhile, which is so.
 */
export const EVEN_UNMADE = 'even_unmade';

const switched = z.looseObject({ enabled: z.boolean() }).nullish();
const named = z.looseObject({ login: z.string().optional(), slug: z.string().optional() });

/** As it is read; what is not named here is a switch, or only an address. */
const whole = z.looseObject({
  required_status_checks: z
    .looseObject({ strict: z.boolean().nullish(), contexts: z.array(z.string()).nullish() })
    .nullish(),
  required_pull_request_reviews: z.looseObject({}).nullish(),
  restrictions: z
    .looseObject({
      users: z.array(named).nullish(),
      teams: z.array(named).nullish(),
      apps: z.array(named).nullish(),
    })
    .nullish(),
});

/** As it is written. */
interface Wish extends JsonObject {
  required_status_checks: { strict: boolean; contexts: string[] } | null;
  required_pull_request_reviews: JsonObject | null;
  restrictions: Record<'users' | 'teams' | 'apps', string[]> | null;
}

const SWITCHES = [
  'required_linear_history',
  'allow_force_pushes',
  'allow_deletions',
  'block_creations',
  'required_conversation_resolution',
  'lock_branch',
  'allow_fork_syncing',
];

const isOn = (value: unknown): boolean => switched.safeParse(value).data?.enabled === true;
const keysOf = (list: readonly z.output<typeof named>[] | null | undefined): string[] =>
  (list ?? []).flatMap(({ login, slug }) => login ?? slug ?? []);

/** Addresses stand in what is read, and not in what is written. */
const withoutAddresses = (part: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(part).filter(([key]) => key !== 'url'));

/** What has to be written to leave everything as it is. @throws RouteFailure 404 where the branch is not protected */
async function asItIs(request: RouteRequest, context: RouteContext): Promise<Wish> {
  const read = (await context.github(`GET ${PROTECTION}`, { ...request.params, [EVEN_UNMADE]: 'true' })) as JsonObject;
  const { required_status_checks: checks, required_pull_request_reviews: reviews, restrictions } = whole.parse(read);
  return {
    ...Object.fromEntries(SWITCHES.map((name) => [name, isOn(read[name])])),
    enforce_admins: isOn(read.enforce_admins),
    required_status_checks: checks ? { strict: checks.strict === true, contexts: checks.contexts ?? [] } : null,
    required_pull_request_reviews: reviews ? withoutAddresses(reviews) : null,
    restrictions: restrictions
      ? { users: keysOf(restrictions.users), teams: keysOf(restrictions.teams), apps: keysOf(restrictions.apps) }
      : null,
  };
}

const write = async (request: RouteRequest, context: RouteContext, wish: Wish): Promise<JsonObject> =>
  (await context.github(`PUT ${PROTECTION}`, { ...request.params, ...wish })) as JsonObject;

type Change = (request: RouteRequest, wish: Wish) => Wish;

/** `answer`: where in the whole stands what is answered; undefined for nothing. */
const changing = (change: Change, answer?: (whole: JsonObject) => unknown): Route => ({
  support: 'emulated',
  retry: 'idempotent',
  source: `Forgeway: PUT ${PROTECTION}`,
  note: 'Written with the rest of the protection, which is read before.',
  async run(request, context) {
    const after = await write(request, context, change(request, await asItIs(request, context)));
    return answer === undefined ? { status: 204 } : { data: answer(after) };
  },
});

const texts = z.array(z.string());

/** Libraries send a bare list, which the router puts under `labels`. @throws RouteFailure 422 */
function listed({ body }: RouteRequest, name: string): string[] {
  const parsed = texts.safeParse(body[name] ?? body.labels);
  if (!parsed.success) throw invalid('ProtectedBranch', name, body[name] === undefined ? 'missing_field' : 'invalid');
  return parsed.data;
}

type Combine = (before: readonly string[], given: readonly string[]) => string[];
const joined: Combine = (before, given) => [...new Set([...before, ...given])];
const replaced: Combine = (_before, given) => [...new Set(given)];
const without: Combine = (before, given) => before.filter((one) => !given.includes(one));

/** @throws RouteFailure 404 where no checks are required */
function checksOf({ required_status_checks: checks }: Wish) {
  if (checks === null) throw notFound('Required status checks not enabled');
  return checks;
}

const contexts = (combine: Combine): Change => {
  return (request, wish) => {
    const checks = checksOf(wish);
    const list = combine(checks.contexts, listed(request, 'contexts'));
    return { ...wish, required_status_checks: { ...checks, contexts: list } };
  };
};

const pushers = (combine: Combine): Change => {
  return (request, wish) => {
    const { restrictions } = wish;
    if (restrictions === null) throw notFound('Push restrictions not enabled');
    return { ...wish, restrictions: { ...restrictions, users: combine(restrictions.users, listed(request, 'users')) } };
  };
};

const checksWish = z.looseObject({
  strict: z.boolean().optional(),
  contexts: texts.optional(),
  checks: z.array(z.looseObject({ context: z.string() })).optional(),
});

const updatedChecks: Change = (request, wish) => {
  const before = checksOf(wish);
  const given = accept('ProtectedBranch', checksWish, request.body);
  const wanted = given.checks?.map(({ context }) => context) ?? given.contexts ?? before.contexts;
  return { ...wish, required_status_checks: { strict: given.strict ?? before.strict, contexts: wanted } };
};

const updatedReviews: Change = ({ body }, wish) => ({
  ...wish,
  required_pull_request_reviews: { ...wish.required_pull_request_reviews, ...body },
});

const partOf = (part: string, key?: string) => (of: JsonObject) => {
  const found = (of[part] ?? {}) as JsonObject;
  return key === undefined ? found : (found[key] ?? []);
};
const contextsIn = partOf('required_status_checks', 'contexts');
const usersIn = partOf('restrictions', 'users');

const CHECKS = `${PROTECTION}/required_status_checks`;
const REVIEWS = `${PROTECTION}/required_pull_request_reviews`;
const RESTRICTIONS = `${PROTECTION}/restrictions`;

export const protectionWrites: RouteTable = {
  [`PATCH ${CHECKS}`]: changing(updatedChecks, partOf('required_status_checks')),
  [`DELETE ${CHECKS}`]: changing((_request, wish) => ({ ...wish, required_status_checks: null })),
  [`POST ${CHECKS}/contexts`]: changing(contexts(joined), contextsIn),
  [`PUT ${CHECKS}/contexts`]: changing(contexts(replaced), contextsIn),
  [`DELETE ${CHECKS}/contexts`]: changing(contexts(without), contextsIn),
  [`PATCH ${REVIEWS}`]: changing(updatedReviews, partOf('required_pull_request_reviews')),
  [`DELETE ${REVIEWS}`]: changing((_request, wish) => ({ ...wish, required_pull_request_reviews: null })),
  [`DELETE ${RESTRICTIONS}`]: changing((_request, wish) => ({ ...wish, restrictions: null })),
  [`POST ${RESTRICTIONS}/users`]: changing(pushers(joined), usersIn),
  [`PUT ${RESTRICTIONS}/users`]: changing(pushers(replaced), usersIn),
  [`DELETE ${RESTRICTIONS}/users`]: changing(pushers(without), usersIn),
};
