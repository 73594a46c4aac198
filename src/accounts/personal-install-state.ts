/**
 * Which repositories lack the App or a webhook, as one person sees it: those that they may push to, asked of each forge with
 * their own connection. Where they have none, or the forge does not answer in time, it is what the organization knows of that
 * host, and it is said that nobody was asked.
 */
import { messageOf } from '../lib/errors.js';
import { redactText } from '../lib/redact.js';
import {
  type Coverage,
  coverages,
  type InstallState,
  type InstallStateOptions,
  installState,
  type RepositoryState,
  type VisibleRepositories,
} from './install-state.js';

export interface PersonalInstallStateOptions extends Omit<InstallStateOptions, 'visible'> {
  userId: string;
  /** What the person may see, with a connection of theirs. @throws Error saying why the forge did not tell */
  visibleWith(organizationId: string, connectionId: string): Promise<VisibleRepositories>;
  /** Longest time that one forge may take. */
  withinMs: number;
}

/** A forge account of the person. */
export interface Account {
  forge: string;
  host: string;
  login: string;
}

export interface PersonalInstallState extends InstallState {
  /** Accounts with which forges were asked. */
  asked: readonly Account[];
  /** Accounts of the person on hosts that could not be asked, and why. */
  notAsked: readonly (Account & { reason: string })[];
}

interface OwnConnection extends Account {
  id: string;
  status: string;
  reason: string | null;
}

const NO_CONNECTION =
  'You have no connection of your own there, so this is what the organization knows. You make one at /account.';

const hostKey = ({ forge, host }: { forge: string; host: string }) => `${forge}\n${host}`;

async function ownAccounts(
  o: PersonalInstallStateOptions,
): Promise<{ connections: OwnConnection[]; identities: Account[] }> {
  const { store, organizationId, userId } = o;
  return store.tenant(organizationId, async (tx) => ({
    connections: (
      await tx.query<OwnConnection>(
        `SELECT id, forge, host, coalesce(account_login, '') AS login, status, status_reason AS reason FROM connection
         WHERE organization_id = $1 AND user_id = $2 AND kind IN ('oauth', 'pat') ORDER BY created_at, id`,
        [organizationId, userId],
      )
    ).rows,
    identities: (
      await tx.query<Account>('SELECT forge, host, login FROM identity WHERE user_id = $1 ORDER BY created_at, id', [
        userId,
      ])
    ).rows,
  }));
}

type Answer =
  | { connection: OwnConnection; visible: VisibleRepositories }
  | { connection: OwnConnection; reason: string };

async function ask(o: PersonalInstallStateOptions, connection: OwnConnection): Promise<Answer> {
  if (connection.status !== 'active' && connection.status !== 'unreachable')
    return { connection, reason: connection.reason ?? `Your connection is ${connection.status}: connect it again.` };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(
      () => resolve({ connection, reason: `${connection.host} did not answer within ${o.withinMs / 1_000} s.` }),
      o.withinMs,
    );
  });
  try {
    const asking = o
      .visibleWith(o.organizationId, connection.id)
      .then((visible): Answer => ({ connection, visible }))
      .catch((error: unknown): Answer => ({ connection, reason: redactText(messageOf(error)) }));
    return await Promise.race([asking, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** For a person who may see the organization. Forges are asked beside each other. */
export async function personalInstallState(o: PersonalInstallStateOptions): Promise<PersonalInstallState> {
  const { connections, identities } = await ownAccounts(o);
  const answers = await Promise.all(connections.map((connection) => ask(o, connection)));
  const told = answers.flatMap((answer) => ('visible' in answer ? [answer] : []));
  const hosts = new Set(told.map(({ connection }) => hostKey(connection)));
  const failed = answers.flatMap((answer) =>
    'reason' in answer && !hosts.has(hostKey(answer.connection))
      ? [{ ...answer.connection, reason: answer.reason }]
      : [],
  );
  const tried = new Set(connections.map(hostKey));
  const never = identities
    .filter((identity) => !tried.has(hostKey(identity)))
    .map((identity) => ({ ...identity, reason: NO_CONNECTION }));

  const visible = told.map(({ visible: place }) => ({
    ...place,
    repositories: place.repositories.filter(({ mayPush, mayHook }) => mayPush !== false || mayHook === true),
  }));
  const { banner, repositories: known } = await installState(o);
  const own = visible.length === 0 ? [] : (await installState({ ...o, visible })).repositories;
  const others = known.filter((one) => !hosts.has(hostKey(one)));
  return {
    banner,
    repositories: bestOfEach([...own, ...others]),
    asked: told.map(({ connection }) => accountOf(connection)),
    notAsked: [...failed, ...never].map((one) => ({ ...accountOf(one), reason: one.reason })),
  };
}

const accountOf = ({ forge, host, login }: Account): Account => ({ forge, host, login });

/**
 * A repository that is listed twice is as well off as it is in the better of the two: two accounts of a person may see it, and two
 * organizations know it. Those that lack something come first.
 */
export function bestOfEach(repositories: readonly RepositoryState[]): RepositoryState[] {
  const best = new Map<string, RepositoryState>();
  for (const one of repositories) {
    const key = `${hostKey(one)}\n${one.remoteId}`;
    const known = best.get(key);
    if (known === undefined || coverages.indexOf(one.state) > coverages.indexOf(known.state)) best.set(key, one);
  }
  return [...best.values()].sort((left, right) => coverages.indexOf(left.state) - coverages.indexOf(right.state));
}

/** Repositories of all organizations of one person of which nothing is heard. */
export interface Lacking {
  number: number;
  /** The first of them. */
  repositories: readonly RepositoryState[];
  /** Where the person has an account and nobody could be asked what they may push to. */
  notAsked: PersonalInstallState['notAsked'];
}

const NOT_HEARD: ReadonlySet<Coverage> = new Set(['lacks-app', 'lacks-hook', 'suspended']);

/** @param o.organizationIds those in which the person may see repositories */
export async function lackingIn(
  o: Omit<PersonalInstallStateOptions, 'organizationId'> & { organizationIds: readonly string[]; most: number },
): Promise<Lacking> {
  const { organizationIds, most, ...rest } = o;
  const states = await Promise.all(
    organizationIds.map((organizationId) => personalInstallState({ ...rest, organizationId })),
  );
  const lacking = bestOfEach(states.flatMap(({ repositories }) => repositories)).filter(({ state }) =>
    NOT_HEARD.has(state),
  );
  const asked = new Set(states.flatMap((state) => state.asked.map(hostKey)));
  const notAsked = new Map(
    states
      .flatMap((state) => state.notAsked)
      .filter((one) => !asked.has(hostKey(one)))
      .map((one) => [hostKey(one), one]),
  );
  return { number: lacking.length, repositories: lacking.slice(0, most), notAsked: [...notAsked.values()] };
}
