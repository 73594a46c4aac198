/** The one table of coded errors. `docs/errors.md` is generated from it. */

/** What a caller may do about it: `never` fails again unchanged, `backoff` may succeed later. */
export type RetryClass = 'never' | 'backoff';

export interface ErrorDescription {
  status: number;
  retry: RetryClass;
  /** One sentence for a person: what it means. */
  meaning: string;
  /** One sentence for a person: what to do. */
  fix: string;
}

const describe = (status: number, retry: RetryClass, meaning: string, fix: string): ErrorDescription => ({
  status,
  retry,
  meaning,
  fix,
});

export const errorTable = {
  FORGEWAY_CONFIG_INVALID: describe(
    500,
    'never',
    'The configuration has problems; all of them are listed together.',
    'Correct the named variables and start again; `forgeway doctor` shows the same table.',
  ),
  FORGEWAY_PORT_IN_USE: describe(
    500,
    'never',
    'Another program already listens on a port that Forgeway was told to use.',
    'Stop that program, or choose another PORT, HEALTH_PORT or PREVIEW_PORT.',
  ),
  FORGEWAY_DATABASE_IN_USE: describe(
    500,
    'never',
    'Another Forgeway server already runs on this data directory.',
    'Stop the process that is named, or give this server its own FORGEWAY_DATA_DIR.',
  ),
  FORGEWAY_DATABASE_UNAVAILABLE: describe(
    503,
    'backoff',
    'PostgreSQL cannot be reached or did not start.',
    'Start the server if it does not run. If it does: check DATABASE_URL, and what the message quotes of PostgreSQL’s log.',
  ),
  FORGEWAY_DATABASE_UNSUPPORTED: describe(
    500,
    'never',
    'There is no embedded PostgreSQL for this machine.',
    'Set DATABASE_URL to a PostgreSQL of your own (13 or newer).',
  ),
  FORGEWAY_MIGRATION_FAILED: describe(
    500,
    'never',
    'A database migration could not be applied.',
    'Nothing was changed by the failed migration; mend the cause that the message names and start again.',
  ),
  FORGEWAY_KEY_MISSING: describe(
    500,
    'never',
    'An encryption key for stored secrets is missing, or it is not the one they were sealed with.',
    'Set FORGEWAY_ENCRYPTION_KEY to the key of this database (32 bytes, base64 or hex); `forgeway vault` and docs/guides/rotating-keys.md change it.',
  ),
  FORGEWAY_KEY_NOT_RECORDED: describe(
    500,
    'never',
    'No server was started with the new encryption key yet, so nothing may be sealed with it.',
    'Restart every Forgeway process, which makes the new key known, then run `forgeway vault rotate`; nothing was changed.',
  ),
  FORGEWAY_SECRET_UNREADABLE: describe(
    500,
    'never',
    'A stored secret could not be opened: it was changed, moved to another row, or sealed with another key.',
    'Restore the row from a backup, or enter the secret again.',
  ),
  FORGEWAY_PAYLOAD_INVALID: describe(
    422,
    'never',
    'A webhook payload does not have the fields its event needs.',
    'Correct the file where a command names one. Nothing to do for a single delivery; if it repeats, report the forge version and the event name.',
  ),
  FORGEWAY_HANDLER_TIMEOUT: describe(
    504,
    'backoff',
    'A handler did not finish in the time it may hold its lane.',
    'It is parked and tried again; a handler that always hangs is dead-lettered after its last attempt.',
  ),
  FORGEWAY_WORKER_DIED: describe(
    500,
    'backoff',
    'The worker process ended while this handler was running.',
    'It is tried again alone; if the handler ends the process each time it is dead-lettered.',
  ),
  FORGEWAY_FORGE_UNREACHABLE: describe(
    502,
    'backoff',
    'The forge did not answer, or not in time.',
    'It is tried again; check the network between this machine and the forge.',
  ),
  FORGEWAY_FORGE_DOWN: describe(
    503,
    'backoff',
    'The forge has not answered lately, so it is not asked for a while.',
    'Nothing to do once the forge is back: what waits for it is tried again by itself, for three days, and loses no attempt.',
  ),
  FORGEWAY_FORGE_LIMIT: describe(
    429,
    'backoff',
    'The forge allows no more requests for a while.',
    'Nothing to do: what waits for it is tried again by itself, for three days, and loses no attempt. If it happens often, raise the limit on the forge for the account of the token.',
  ),
  FORGEWAY_WRITE_OUTCOME_UNKNOWN: describe(
    409,
    'never',
    'A write was sent and its answer never came; whether it arrived cannot be found out, so it is not sent again.',
    'Look on the forge whether it arrived. If it did not, replay the delivery: what was answered is not sent again, this write is.',
  ),
  FORGEWAY_LEASE_LOST: describe(
    409,
    'backoff',
    'A handler wanted to write after the time in which it may, or after another worker had taken over its delivery.',
    'Nothing to do: the write was not sent, and the delivery runs again where it belongs now.',
  ),
  FORGEWAY_APP_UNUSABLE: describe(
    500,
    'never',
    'A Probot app failed while it was loaded.',
    'Mend the app, or take it out of the list of apps; the message names it.',
  ),
  FORGEWAY_APP_OUTCOME_UNKNOWN: describe(
    502,
    'never',
    'An app in a process of its own was given an event, and failed or did not answer; what it had done by then is unknown.',
    'The app’s own log says why. It is not given the event again by itself, since what it did would be done twice; `forgeway deliveries replay` gives it again.',
  ),
  FORGEWAY_APP_REFUSED: describe(
    502,
    'backoff',
    'The forge does not accept the App’s signature.',
    'Check that APP_ID and PRIVATE_KEY belong to the same App, and that this machine’s clock is right.',
  ),
  FORGEWAY_ORIGIN_REFUSED: describe(
    403,
    'never',
    'A handler asked for an address outside the forge that its credential belongs to.',
    'Use the forge’s own API addresses; fetch other addresses without Octokit.',
  ),
  FORGEWAY_ADDRESS_REFUSED: describe(
    502,
    'backoff',
    'An address was to be connected to that this server may not connect to: a private one, or one of the machine’s own.',
    'Check the address. Where it is right, the administrator adds the host to ALLOWED_PRIVATE_NETWORKS and starts again.',
  ),
  FORGEWAY_ANSWER_TOO_LARGE: describe(
    502,
    'never',
    'A forge’s answer was larger than a handler may read.',
    'Ask for less at a time, with a smaller page or a single file; use git for archives.',
  ),
  FORGEWAY_INSTALLATION_UNKNOWN: describe(
    404,
    'never',
    'No active installation of the App covers this repository.',
    'Install the App on the account that owns the repository, or unsuspend it.',
  ),
  FORGEWAY_CONNECTION_UNUSABLE: describe(
    424,
    'backoff',
    'A connection to a forge cannot be used: it was removed, its token was refused, or it has none.',
    'Run `forgeway connections test`, and connect the forge again with a fresh token where it says so.',
  ),
  FORGEWAY_CONNECTION_UNKNOWN: describe(
    404,
    'never',
    'There is no connection to this forge for the person or organization that was named, or more than one.',
    'Connect the forge first, or name the account; `forgeway connections list` shows what there is.',
  ),
  FORGEWAY_MEMBER_REFUSED: describe(
    409,
    'never',
    'A role could not be given or taken away.',
    'Do what the message says; an organization keeps one owner at least.',
  ),
  FORGEWAY_SOURCE_REFUSED: describe(
    422,
    'never',
    'An organization of a forge could not be linked: it was not found, or nobody here may speak for it.',
    'Do what the message says; `forgeway organizations list` shows what is linked.',
  ),
  FORGEWAY_SOURCE_TAKEN: describe(
    409,
    'never',
    'An organization of a forge is linked to another organization of this Forgeway.',
    'Ask who administers that one to unlink it: the first verified claim has it.',
  ),
  FORGEWAY_CONNECTION_REFUSED: describe(
    422,
    'never',
    'A forge could not be connected with this address and token.',
    'Do what the message says and run the command again; nothing was changed.',
  ),
  FORGEWAY_SIGN_IN_CLIENT_REFUSED: describe(
    422,
    'never',
    'A client for signing in could not be registered as given.',
    'Do what the message says; nothing was changed. `forgeway sign-in clients add --help` shows what a forge must be told.',
  ),
  FORGEWAY_SIGN_IN_FAILED: describe(
    502,
    'backoff',
    'A forge did not complete a sign-in.',
    'Sign in again; if it stays so, check the client’s id and secret and its callback address on the forge.',
  ),
  FORGEWAY_PERSON_UNKNOWN: describe(
    404,
    'never',
    'There is no such person, or several fit.',
    'Use the id that `forgeway admin list` shows.',
  ),
  FORGEWAY_REPOSITORY_UNKNOWN: describe(
    404,
    'never',
    'A command names a repository that is not known here, or that is not the only one of its name.',
    'Write owner/name as the forge does, add --forge or --host, and connect the repository first if it is new.',
  ),
  FORGEWAY_REPOSITORY_CLAIMED: describe(
    409,
    'never',
    'Another organization on this server already owns this repository; the first verified claim does.',
    'Let that organization disconnect the repository, or serve it from there.',
  ),
  FORGEWAY_REPOSITORY_CONFIG_INVALID: describe(
    422,
    'never',
    'The repository’s .forgeway.yml has mistakes.',
    'Correct the lines that the pull request comment names, on the default branch.',
  ),
  FORGEWAY_SANDBOX_UNAVAILABLE: describe(
    501,
    'never',
    'Code of a repository cannot be isolated on this machine.',
    'Run as root, or install bubblewrap (`apt-get install bubblewrap`). Otherwise have what is refused elsewhere: previews off or on a cluster, agents with an image on a cluster.',
  ),
  FORGEWAY_PREVIEW_FAILED: describe(
    422,
    'never',
    'The preview’s own build or start command failed.',
    'Read the log lines in the pull request comment, mend the commands in .forgeway.yml, and push.',
  ),
  FORGEWAY_CLUSTER_UNUSABLE: describe(
    500,
    'never',
    'A Kubernetes cluster cannot be connected to as configured.',
    'Mend the kubeconfig or the variable that the message names; `forgeway clusters test` tries it.',
  ),
  FORGEWAY_CLUSTER_UNREACHABLE: describe(
    502,
    'backoff',
    'The Kubernetes API server did not answer, or not in time.',
    'It is tried again; check the network between this machine and the cluster.',
  ),
  FORGEWAY_CLUSTER_FAILED: describe(
    502,
    'backoff',
    'The Kubernetes API server failed, or has too much to do.',
    'It is tried again; look at the API server if it stays so.',
  ),
  FORGEWAY_CLUSTER_FORBIDDEN: describe(
    403,
    'backoff',
    'The cluster does not let Forgeway do this.',
    'Apply the ClusterRole of docs/guides/kubernetes-previews.md to the account that Forgeway uses; it is tried again.',
  ),
  FORGEWAY_CLUSTER_QUOTA: describe(
    403,
    'backoff',
    'A quota of the cluster leaves no room.',
    'Remove previews that nobody needs, or raise the quota that the message names; it is tried again.',
  ),
  FORGEWAY_CLUSTER_ADMISSION: describe(
    403,
    'backoff',
    'A policy of the cluster (an admission webhook) refused an object.',
    'Ask who runs the cluster to let it through, the message names the policy; it is tried again.',
  ),
  FORGEWAY_CLUSTER_INVALID: describe(
    422,
    'never',
    'The Kubernetes API server did not accept an object.',
    'Correct what the message names; a cluster that is too old may not know a field.',
  ),
  FORGEWAY_CLUSTER_CONFLICT: describe(
    409,
    'backoff',
    'Somebody else changed an object of the cluster at the same time.',
    'Nothing to do: it is read again and tried again.',
  ),
  FORGEWAY_CLUSTER_EXPIRED: describe(
    410,
    'backoff',
    'The cluster no longer keeps what has changed since a list was read.',
    'Nothing to do: the list is read again.',
  ),
  FORGEWAY_NAMESPACE_FOREIGN: describe(
    409,
    'never',
    'A namespace has the name of a preview and does not belong to it.',
    'Nothing in it was touched. Remove or rename it, or annotate it as the message says, then write `/preview rebuild`.',
  ),
  FORGEWAY_NAMESPACE_TERMINATING: describe(
    409,
    'backoff',
    'A namespace is still being removed.',
    'It is looked at again. Where it stays so, the message names what holds it: a finalizer whose controller is gone.',
  ),
  FORGEWAY_ARCHIVE_REFUSED: describe(
    422,
    'never',
    'An archive of files is damaged, too large, or holds something that no configuration should.',
    'Take what the message names out of the repository or the upload; for size raise ARCHIVE_MAX_MB or RUN_DISK_MB.',
  ),
  FORGEWAY_RUN_FAILED: describe(
    422,
    'never',
    'A plan or an apply did not succeed.',
    'Read its log, mend the configuration, and start another run.',
  ),
  FORGEWAY_RUN_STATE: describe(
    409,
    'never',
    'A run is not in a state in which this can be done.',
    'Look at the run again: the message says what may be done with it now.',
  ),
  FORGEWAY_TERRAFORM_MISSING: describe(
    501,
    'never',
    'There is no Terraform and no OpenTofu on this machine.',
    'Install `terraform` or `tofu`, or set RUN_BINARY to where it is.',
  ),
  FORGEWAY_AGENT_SECRET_MISSING: describe(
    409,
    'never',
    'An agent needs a key that its organization has not given it.',
    'Set it with `forgeway agents secrets set NAME`, then have the agent try again.',
  ),
  FORGEWAY_AGENT_FENCED: describe(
    409,
    'never',
    'The work on this session went to another start of it, which alone may touch it now.',
    'Nothing to do: the newer start goes on. `forgeway sessions list` shows it.',
  ),
  FORGEWAY_AGENT_RUNNING: describe(
    409,
    'backoff',
    'The agent still runs, so what it changed cannot be collected yet.',
    'Wait until it ends, or stop it with `/cancel`.',
  ),
  FORGEWAY_GIT_REFUSED: describe(
    422,
    'never',
    'What was to be written with git names something that is not there, or cannot be.',
    'Correct what the message names.',
  ),
  FORGEWAY_GIT_FAILED: describe(
    502,
    'backoff',
    'git could not fetch or check out the commit.',
    'It is tried again; check that the App may read the repository’s contents.',
  ),
  FORGEWAY_PUSH_REFUSED: describe(
    409,
    'never',
    'The forge does not take what was pushed.',
    'The message says why, in the words of the forge or of its hook. When that is mended, `/retry` pushes it again.',
  ),
  FORGEWAY_UNAUTHENTICATED: describe(
    401,
    'never',
    'A request to the API says not who asks: it carries no token, or one that is unknown, expired or revoked.',
    'Send `Authorization: Bearer` and a token; `forgeway tokens create` makes one.',
  ),
  FORGEWAY_FORBIDDEN: describe(
    403,
    'never',
    'Whoever asks may not do this, by their role, or by the scopes of the token.',
    'Use a token with the scope that the message names, or ask an administrator of the organization for the role.',
  ),
  FORGEWAY_NOT_FOUND: describe(
    404,
    'never',
    'There is nothing here for whoever asks; what belongs to others is answered in the same way.',
    'Check the id and the organization, and which organization the token belongs to.',
  ),
  FORGEWAY_CONFLICT: describe(
    409,
    'never',
    'The request does not fit what is there now.',
    'Read it again, and do what the message says.',
  ),
  FORGEWAY_TOO_LARGE: describe(
    413,
    'never',
    'What was sent, or what a run left, is larger than what may be stored.',
    'Leave out what does not belong to the configuration, such as with a .terraformignore file, or split it.',
  ),
  FORGEWAY_RATE_LIMITED: describe(
    429,
    'backoff',
    'A caller of the API, or an address that says not who it is, has asked more often than it may.',
    'Wait for the seconds of Retry-After; RateLimit-Remaining says beforehand how many are left. The limits are API_REQUESTS_PER_MINUTE and API_ANONYMOUS_REQUESTS_PER_MINUTE.',
  ),
  FORGEWAY_REQUEST_UNDER_WAY: describe(
    409,
    'backoff',
    'The same request, by its Idempotency-Key, has not ended yet.',
    'Send it again after the seconds of Retry-After: the answer is then the one that the first is given.',
  ),
  FORGEWAY_IDEMPOTENCY_KEY_REUSED: describe(
    422,
    'never',
    'The Idempotency-Key was sent before, with another request.',
    'Make a new key for each request, and use it again only to repeat the very same one.',
  ),
  FORGEWAY_REQUEST_INVALID: describe(
    422,
    'never',
    'A request to the API has fields that are missing, unknown or wrong; all of them are named together.',
    'Correct the fields that the answer names; /openapi.json describes every one.',
  ),
  FORGEWAY_STREAMS_EXHAUSTED: describe(
    429,
    'backoff',
    'There are as many streams of events open, or exports under way, as this server, one organization or one caller may have.',
    'Close some, and come back with the last id that was seen: nothing is lost. An export is asked for again when the other has ended.',
  ),
  FORGEWAY_QUEUE_UNAVAILABLE: describe(
    503,
    'backoff',
    'The job queue cannot be reached.',
    'Nothing is lost: work is found again in the database. Check REDIS_URL or PostgreSQL.',
  ),
} as const satisfies Record<string, ErrorDescription>;

export type ErrorCode = keyof typeof errorTable;

export interface ForgewayErrorOptions {
  cause?: unknown;
  /** Facts for logs and API answers; never a secret, never a payload. */
  details?: Record<string, unknown>;
}

/** An error with a code from {@link errorTable}. Match on `code`, never on the message. */
export class ForgewayError extends Error {
  override readonly name = 'ForgewayError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly retry: RetryClass;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: ForgewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = errorTable[code].status;
    this.retry = errorTable[code].retry;
    this.details = options.details ?? {};
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
