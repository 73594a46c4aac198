/** Rules that protect a branch. A rule is named by the branch, or by a pattern that the branch fits. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { type RouteContext, RouteFailure, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { branchPath } from './branches.js';
import {
  countIn,
  flagIn,
  itemsOf,
  listOf,
  objectOf,
  param,
  repoPath,
  segments,
  textIn,
  textOf,
  textsOf,
  wishes,
} from './native.js';
import { apiBase } from './objects.js';
import { exact, partial } from './row.js';

const rulesPath = (request: RouteRequest): string => `${repoPath(request)}/branch_protections`;

/** The rule that holds for the branch: the server says which; undefined when none does. */
async function ruleOf(request: RouteRequest, context: RouteContext): Promise<JsonObject | undefined> {
  const branch = objectOf(await context.native.get(branchPath(request)));
  if (flagIn(branch, 'protected') !== true) return undefined;
  // A reader who may not see the rules gets no name.
  const name = textIn(branch, 'effective_branch_protection_name') ?? param(request, 'branch');
  const rule = await context.native.find(`${rulesPath(request)}/${segment(name)}`);
  return rule === undefined ? undefined : objectOf(rule);
}

const notProtected = (): RouteFailure => new RouteFailure(404, 'Branch not protected');

function asProtection(request: RouteRequest, context: RouteContext, rule: JsonObject): JsonObject {
  const url = `${apiBase(request, context)}/branches/${segments(param(request, 'branch'))}/protection`;
  const contexts = textsOf(listOf(rule.status_check_contexts));
  const approvals = countIn(rule, 'required_approvals') ?? 0;
  const restricted = flagIn(rule, 'enable_push_whitelist') === true;
  const named = (login: string) => ({ login });
  return {
    url,
    ...(flagIn(rule, 'enable_status_check') && {
      required_status_checks: {
        url: `${url}/required_status_checks`,
        strict: flagIn(rule, 'block_on_outdated_branch') ?? false,
        contexts,
        contexts_url: `${url}/required_status_checks/contexts`,
        checks: contexts.map((context) => ({ context, app_id: null })),
      },
    }),
    ...((approvals > 0 || flagIn(rule, 'dismiss_stale_approvals')) && {
      required_pull_request_reviews: {
        url: `${url}/required_pull_request_reviews`,
        dismiss_stale_reviews: flagIn(rule, 'dismiss_stale_approvals') ?? false,
        require_code_owner_reviews: false,
        required_approving_review_count: approvals,
        require_last_push_approval: false,
      },
    }),
    ...(restricted && {
      restrictions: {
        url: `${url}/restrictions`,
        users_url: `${url}/restrictions/users`,
        teams_url: `${url}/restrictions/teams`,
        apps_url: `${url}/restrictions/apps`,
        users: textsOf(listOf(rule.push_whitelist_usernames)).map(named),
        teams: textsOf(listOf(rule.push_whitelist_teams)).map((name) => ({ name, slug: name.toLowerCase() })),
        apps: [],
      },
    }),
    required_signatures: {
      url: `${url}/required_signatures`,
      enabled: flagIn(rule, 'require_signed_commits') ?? false,
    },
    enforce_admins: { url: `${url}/enforce_admins`, enabled: flagIn(rule, 'block_admin_merge_override') ?? false },
    required_linear_history: { enabled: false },
    allow_force_pushes: { enabled: flagIn(rule, 'enable_force_push') ?? false },
    allow_deletions: { enabled: false },
    block_creations: { enabled: false },
    required_conversation_resolution: { enabled: false },
    lock_branch: { enabled: false },
    allow_fork_syncing: { enabled: false },
  };
}

/** GitHub's whole rule as the forge's fields; null switches a part off. */
function fieldsOf(body: JsonObject): JsonObject {
  const [checks, reviews, restrictions] = [
    body.required_status_checks,
    body.required_pull_request_reviews,
    body.restrictions,
  ].map((part) => (part === null || part === undefined ? undefined : objectOf(part)));
  const contexts = checks && [
    ...textsOf(checks.contexts),
    ...itemsOf(checks.checks)
      .map(objectOf)
      .map((check) => textOf(check, 'context')),
  ];
  return {
    enable_status_check: checks !== undefined,
    status_check_contexts: [...new Set(contexts ?? [])],
    block_on_outdated_branch: checks?.strict === true,
    required_approvals: reviews ? (countIn(reviews, 'required_approving_review_count') ?? 1) : 0,
    dismiss_stale_approvals: reviews?.dismiss_stale_reviews === true,
    block_on_rejected_reviews: reviews !== undefined,
    enable_push: true,
    enable_push_whitelist: restrictions !== undefined,
    push_whitelist_usernames: textsOf(restrictions?.users),
    push_whitelist_teams: textsOf(restrictions?.teams),
  };
}

async function update(request: RouteRequest, context: RouteContext) {
  const rule = await ruleOf(request, context);
  const name = param(request, 'branch');
  const fields = fieldsOf(request.body);
  // A rule for a pattern holds for other branches, too: the branch gets one of its own.
  const isOwn = rule !== undefined && (textIn(rule, 'rule_name') ?? textOf(rule, 'branch_name')) === name;
  const { data } = isOwn
    ? await context.native.send('PATCH', `${rulesPath(request)}/${segment(name)}`, { json: fields })
    : await context.native.send('POST', rulesPath(request), { json: wishes({ ...fields, rule_name: name }) });
  return { data: asProtection(request, context, objectOf(data)) };
}

const SOURCE = 'repository: GET /repos/{owner}/{repo}/branch_protections/{name}';

export const branchProtection: RouteTable = {
  'GET /repos/{owner}/{repo}/branches/{branch}/protection': exact('read', SOURCE, async (request, context) => {
    const rule = await ruleOf(request, context);
    if (rule === undefined) throw notProtected();
    return { data: asProtection(request, context, rule) };
  }),
  'PUT /repos/{owner}/{repo}/branches/{branch}/protection': partial(
    'idempotent',
    'repository: POST /repos/{owner}/{repo}/branch_protections, PATCH /repos/{owner}/{repo}/branch_protections/{name}',
    'Status checks, reviews and who may push; administrators, linear history, code owners, deletions and force pushes are left alone.',
    update,
  ),
  'DELETE /repos/{owner}/{repo}/branches/{branch}/protection': exact(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/branch_protections/{name}',
    async (request, context) => {
      const rule = await ruleOf(request, context);
      if (rule === undefined) throw notProtected();
      const name = textIn(rule, 'rule_name') ?? textOf(rule, 'branch_name');
      await context.native.send('DELETE', `${rulesPath(request)}/${segment(name)}`);
      return { status: 204 };
    },
  ),
};
