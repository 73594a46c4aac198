/**
 * What people ask of a check run on its page: one of its actions, or to be run again. No forge but GitHub has a place for that, so
 * the event is ours; it enters the inbox like a delivery and goes to the app that made the check run.
 */
import { z } from 'zod';
import type { Access } from '../accounts/access/access.js';
import { forgeActor } from '../accounts/access/access.js';
import type { Person } from '../accounts/access/actor.js';
import { type Decision, decide } from '../accounts/access/decide.js';
import { createPermissions, type PermissionAnswer, type PermissionQuestion } from '../accounts/permissions.js';
import type { CheckRunRef, CheckRunRequests, CheckRunRight } from '../api/check-run-requests.js';
import type { JsonObject } from '../forges/forge.js';
import { CHECK_RUN, makerIn, repositoryOfKey } from '../forges/kit/check-run-maker.js';
import { inboxForRoutes } from '../inbox/for-routes.js';
import { systemClock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { redactText } from '../lib/redact.js';
import type { Store } from '../store/database.js';
import type { ForgeOctokit } from '../translate/forge-octokit.js';
import type { LazyBridge } from './lazy-bridge.js';

const ACTION = 'check-run.write';
/** Somebody looks at a page, or has pressed a button. */
const PATIENCE_MS = 10_000;

export interface CheckRunRequestsOptions {
  /** As the worker role: the role of the API may not put anything into the inbox. */
  store: Store;
  access: Pick<Access, 'check'>;
  bridge: LazyBridge;
  log: Logger;
}

/** A check run of a repository that a connection serves. */
interface Subject {
  forge: string;
  host: string;
  /** The one app that hears of it; undefined where it is not known which made it. */
  app: string | undefined;
  actions: readonly string[];
  repository: { id: string; remoteId: bigint; owner: string; name: string; connectionId: string };
}

interface Account {
  id: bigint;
  login: string;
}

const actionsOf = z.looseObject({ actions: z.array(z.looseObject({ identifier: z.string() })).nullish() });
const objects = z.array(z.record(z.string(), z.unknown()));
const object = z.record(z.string(), z.unknown());
const side = z.looseObject({ ref: z.string(), sha: z.string() });
const pull = z.looseObject({
  id: z.number(),
  number: z.number(),
  state: z.string(),
  url: z.string(),
  head: side,
  base: side,
});
/** GitHub's simple user, as it stands in webhooks. */
const sender = z.object({
  login: z.string(),
  id: z.number(),
  node_id: z.string(),
  avatar_url: z.string(),
  gravatar_id: z.string().nullish(),
  url: z.string(),
  html_url: z.string(),
  followers_url: z.string(),
  following_url: z.string(),
  gists_url: z.string(),
  starred_url: z.string(),
  subscriptions_url: z.string(),
  organizations_url: z.string(),
  repos_url: z.string(),
  events_url: z.string(),
  received_events_url: z.string(),
  type: z.string(),
  site_admin: z.boolean(),
});

async function subjectOf(store: Store, { organizationId, recordId }: CheckRunRef): Promise<Subject | undefined> {
  return store.tenant(organizationId, async (tx) => {
    const records = await tx.query<{ key: string; data: unknown; forge: string; host: string }>(
      'SELECT key, data, forge, host FROM forge_record WHERE id = $1 AND kind = $2',
      [recordId, CHECK_RUN],
    );
    const [record] = records.rows;
    const remoteId = record && repositoryOfKey(record.key);
    if (record === undefined || remoteId === undefined) return undefined;
    const { forge, host, data } = record;
    const { rows } = await tx.query<{ id: string; owner: string; name: string; connectionId: string }>(
      `SELECT r.id, r.remote_owner AS owner, r.remote_name AS name, i.connection_id AS "connectionId"
       FROM repository r JOIN installation i ON i.id = r.installation_id AND i.forge = r.forge AND i.host = r.host
       WHERE r.forge = $1 AND r.host = $2 AND r.remote_id = $3 AND i.connection_id IS NOT NULL AND i.status = 'active'`,
      [forge, host, remoteId],
    );
    const [repository] = rows;
    if (repository === undefined) return undefined;
    const actions = (actionsOf.parse(data).actions ?? []).map(({ identifier }) => identifier);
    return { forge, host, app: makerIn(data).app, actions, repository: { ...repository, remoteId } };
  });
}

/** The person's own account there: one that they sign in with, or one that they connected with consent. */
async function accountOf(
  store: Store,
  organizationId: string,
  { forge, host }: Pick<Subject, 'forge' | 'host'>,
  { userId }: Person,
): Promise<Account | undefined> {
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<{ id: bigint | string; login: string }>(
      `SELECT remote_id AS id, login, 1 AS rank FROM identity WHERE user_id = $1 AND forge = $2 AND host = $3
       UNION ALL
       SELECT provider_account_id::bigint, coalesce(account_login, ''), 2 FROM connection
       WHERE user_id = $1 AND forge = $2 AND host = $3 AND kind = 'oauth' AND status = 'active'
         AND provider_account_id ~ '^[0-9]{1,18}$'
       ORDER BY rank LIMIT 1`,
      [userId, forge, host],
    ),
  );
  const [found] = rows;
  return found && { id: BigInt(found.id), login: found.login };
}

const refused = (status: 403 | 404 | 503, message: string) => ({ kind: 'refused', status, message }) as const;

const GONE = refused(404, 'No connection serves the repository of this check run any more.');

const withoutAccount = (host: string) =>
  refused(
    403,
    `Whoever may write in the repository may do that. You have no account on ${host} here: sign in with it, or connect it at /account.`,
  );

/** For a person, why not. */
function refusalOf({ host, repository }: Subject, account: Account, decision: Decision & { allowed: false }) {
  if (decision.because === 'unknown-level')
    return refused(
      503,
      `${host} did not say what ${account.login} may do in the repository. Try again in a moment; if it stays so, sign in once more, since an account may have another name by now.`,
    );
  return refused(
    403,
    `It takes the right to write in ${repository.owner}/${repository.name}: ${account.login} has none.`,
  );
}

export function createCheckRunRequests(o: CheckRunRequestsOptions): CheckRunRequests {
  const { store, access, log } = o;
  const permissions = createPermissions({ clock: systemClock });
  const octokitFor = async (organizationId: string, { repository }: Subject) =>
    (await o.bridge()).octokitFor(organizationId, repository.id);

  const questionOf = (subject: Subject, user: Account, octokit: ForgeOctokit): PermissionQuestion => {
    const { forge, host, repository } = subject;
    const { remoteId, owner, name } = repository;
    return {
      repository: { forge, host, remoteId, owner, name },
      user,
      octokit: {
        request: (route, parameters) =>
          octokit.request(route, { ...parameters, request: { signal: AbortSignal.timeout(PATIENCE_MS) } }),
      },
    };
  };

  /** What is found out about a person and a check run; a refusal where it ends before anything is decided. */
  async function find(run: CheckRunRef, person: Person) {
    const subject = await subjectOf(store, run);
    if (subject === undefined) return GONE;
    const account = await accountOf(store, run.organizationId, subject, person);
    if (account === undefined) return withoutAccount(subject.host);
    try {
      const octokit = await octokitFor(run.organizationId, subject);
      const question = questionOf(subject, account, octokit);
      const answer: PermissionAnswer = await permissions.levelOf(question);
      if (answer.level === undefined && answer.because === 'error')
        log.warn({ host: subject.host, err: redactText(answer.message) }, 'the forge could not be asked for a right');
      return { kind: 'found', subject, account, octokit, actor: forgeActor(question, answer) } as const;
    } catch (error) {
      log.warn({ host: subject.host, err: redactText(messageOf(error)) }, 'a repository could not be spoken for');
      return refused(
        503,
        `The connection to ${subject.host} does not work now. \`forgeway connections list\` says why.`,
      );
    }
  }

  return {
    async rightOf(run, person): Promise<CheckRunRight> {
      const found = await find(run, person);
      if (found.kind === 'refused') return found;
      const decision = decide(found.actor, ACTION, { organizationId: run.organizationId });
      return decision.allowed ? { kind: 'may' } : refusalOf(found.subject, found.account, decision);
    },

    async ask(run, person, { identifier, press }) {
      const found = await find(run, person);
      if (found.kind === 'refused') return found;
      const { subject, account, octokit, actor } = found;
      const { organizationId, recordId } = run;
      const thing = { organizationId, name: `check run ${recordId}` };
      const decision = await access.check(actor, ACTION, thing);
      if (!decision.allowed) return refusalOf(subject, account, decision);
      if (identifier !== undefined && !subject.actions.includes(identifier))
        return refused(404, 'The app has taken that action away. Open the page again.');
      let payload: JsonObject;
      try {
        payload = await payloadOf(octokit, subject, run, account);
      } catch (error) {
        log.warn({ host: subject.host, err: redactText(messageOf(error)) }, 'a check run could not be read');
        return refused(503, `${subject.host} could not be asked about the check run. Try again in a moment.`);
      }
      const what = identifier === undefined ? 'rerequested' : 'requested_action';
      const { id, connectionId } = { id: recordId.toString(), connectionId: subject.repository.connectionId };
      const { forge, host, app } = subject;
      // The same button of the same page is one press, however often it is sent.
      await inboxForRoutes(store)({ id: connectionId, organizationId, forge: { id: forge }, host }).tell([
        {
          name: 'check_run',
          key: `check-run:${id}:${person.userId}:${press}`,
          payload: {
            action: what,
            ...payload,
            ...(identifier !== undefined && { requested_action: { identifier } }),
          },
          ...(app !== undefined && { app }),
        },
      ]);
      return { kind: 'asked' };
    },
  };
}

/** As GitHub tells of a check run, with the pull requests that are at its commit. */
async function payloadOf(
  octokit: ForgeOctokit,
  { repository: { owner, name } }: Subject,
  { recordId }: CheckRunRef,
  account: Account,
): Promise<JsonObject> {
  const request = { signal: AbortSignal.timeout(PATIENCE_MS) };
  const place = { owner, repo: name, request };
  const [checkRun, repository, person] = await Promise.all([
    octokit.request('GET /repos/{owner}/{repo}/check-runs/{check_run_id}', {
      ...place,
      check_run_id: Number(recordId),
    }),
    octokit.request('GET /repos/{owner}/{repo}', place),
    octokit.request('GET /users/{username}', { username: account.login, request }),
  ]);
  const check = object.parse(checkRun.data);
  const shown = object.parse(repository.data);
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls', {
    ...place,
    commit_sha: String(check.head_sha),
  });
  const at = objects
    .parse(data)
    .map((one) => pull.parse(one))
    .filter(({ state, head }) => state === 'open' && head.sha === check.head_sha);
  const repo = { id: shown.id, url: shown.url, name: shown.name };
  const pullRequests = at.map(({ id, number, url, head, base }) => ({
    ...{ id, number, url },
    head: { ref: head.ref, sha: head.sha, repo },
    base: { ref: base.ref, sha: base.sha, repo },
  }));
  const suite = object.parse(check.check_suite);
  const { organization } = shown;
  // The API answers an account here, and a webhook its name.
  const login = typeof organization === 'object' && organization !== null && Reflect.get(organization, 'login');
  return {
    check_run: {
      ...check,
      pull_requests: pullRequests,
      check_suite: { ...suite, head_branch: at[0]?.head.ref ?? suite.head_branch, pull_requests: pullRequests },
    },
    repository: typeof login === 'string' ? { ...shown, organization: login } : shown,
    sender: sender.parse(person.data),
  };
}
