/** Whose a delivery is, and whether it may run at all: hook, installation, repository and claim. */
import type pg from 'pg';
import { type Newcomer, whyNotServed } from '../accounts/newcomers.js';
import type { Classification } from '../forges/forge.js';
import { isOwn } from '../lib/delivery-source.js';
import { together } from '../store/together.js';
import { laneOf, shardOf } from './lane.js';
import type { Received } from './received.js';

type Events = Extract<Classification, { kind: 'events' }>;

/** A received delivery that is about something. */
export interface Subject {
  delivery: Received;
  events: Events;
}

export interface Owner {
  organizationId: string;
  /** The connection whose hook it came through. */
  connectionId: string | null;
  /** The App whose hook it is. */
  hookAppId: string | null;
}

export type Ownership = Owner | { reason: string };

interface Installation {
  organizationId: string;
  status: string;
}

const repositoryKey = (forge: string, host: string, id: bigint | string) => `${forge}\n${host}\n${id}`;
const installationKey = (forge: string, host: string, appId: string, id: bigint | string) =>
  `${forge}\n${host}\n${appId}\n${id}`;

/** Events by which the forge itself changes what is installed where; they must reach us while all else is stopped. */
const concernsInstallation = (events: Events): boolean =>
  events.events.every((event) => event.name.startsWith('installation'));

async function installationsOf(
  client: pg.PoolClient,
  subjects: readonly Subject[],
): Promise<Map<string, Installation>> {
  const about = subjects.filter(({ events }) => events.installationId !== undefined);
  if (about.length === 0) return new Map();
  const { rows } = await client.query<{
    forge: string;
    host: string;
    app_id: string;
    installation_id: bigint | string;
    organization_id: string;
    status: string;
  }>({
    name: 'inbox_installations',
    text: `SELECT DISTINCT i.forge, i.host, i.app_id, i.installation_id, i.organization_id, i.status
      FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(forge, host, id)
      JOIN installation i ON i.forge = k.forge AND i.host = k.host AND i.installation_id = k.id`,
    values: [
      about.map(({ delivery }) => delivery.forge),
      about.map(({ delivery }) => delivery.host),
      about.map(({ events }) => events.installationId),
    ],
  });
  return new Map(
    rows.map((row) => [
      installationKey(row.forge, row.host, row.app_id, row.installation_id),
      { organizationId: row.organization_id, status: row.status },
    ]),
  );
}

type Claims = Map<string, string>;

async function claimsOf(client: pg.PoolClient, subjects: readonly Subject[]): Promise<Claims> {
  const about = subjects.filter(({ events }) => events.repositoryId !== undefined);
  if (about.length === 0) return new Map();
  const { rows } = await client.query<{
    forge: string;
    host: string;
    remote_id: bigint | string;
    organization_id: string;
  }>({
    name: 'inbox_claims',
    text: `SELECT DISTINCT c.forge, c.host, c.remote_id, c.organization_id
      FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(forge, host, id)
      JOIN repository_claim c ON c.forge = k.forge AND c.host = k.host AND c.remote_id = k.id`,
    values: [
      about.map(({ delivery }) => delivery.forge),
      about.map(({ delivery }) => delivery.host),
      about.map(({ events }) => events.repositoryId),
    ],
  });
  return new Map(rows.map((row) => [repositoryKey(row.forge, row.host, row.remote_id), row.organization_id]));
}

const actAs = (client: pg.PoolClient, organizationId: string) =>
  client.query("SELECT set_config('app.organization_id', $1, true)", [organizationId]);

/** The first verified delivery about a repository claims it for the organization it came through. */
async function claim(client: pg.PoolClient, wanted: ReadonlyMap<string, { subject: Subject; organizationId: string }>) {
  for (const { subject, organizationId } of wanted.values()) {
    await actAs(client, organizationId);
    await client.query(
      `INSERT INTO repository_claim (forge, host, remote_id, organization_id) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING`,
      [subject.delivery.forge, subject.delivery.host, subject.events.repositoryId, organizationId],
    );
  }
}

/** The subjects that are about a repository, by the organization that `of` names. */
function byOrganization<T>(
  subjects: readonly T[],
  of: (one: T) => { subject: Subject; organizationId: string | undefined },
): Map<string, Subject[]> {
  const found = new Map<string, Subject[]>();
  for (const one of subjects) {
    const { subject, organizationId } = of(one);
    if (organizationId === undefined || subject.events.repositoryId === undefined) continue;
    const theirs = found.get(organizationId) ?? [];
    found.set(organizationId, theirs);
    theirs.push(subject);
  }
  return found;
}

/** Paused and removed repositories, with that word, by organization and repository. */
type Stopped = ReadonlyMap<string, string>;

const stoppedKey = (organizationId: string, repository: string) => `${organizationId}\n${repository}`;

async function stoppedOf(client: pg.PoolClient, subjects: ReadonlyMap<string, readonly Subject[]>): Promise<Stopped> {
  const found = await together(
    [...subjects].map(([organizationId, theirs]) => stoppedRepositories(client, organizationId, theirs)),
  );
  return new Map(found.flatMap((statuses) => [...statuses]));
}

/** Repositories among these that are paused or removed. */
async function stoppedRepositories(
  client: pg.PoolClient,
  organizationId: string,
  subjects: readonly Subject[],
): Promise<Stopped> {
  const acting = actAs(client, organizationId);
  const asked = client.query<{ forge: string; host: string; remote_id: bigint | string; status: string }>({
    name: 'inbox_stopped_repositories',
    text: `SELECT r.forge, r.host, r.remote_id, r.status
      FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(forge, host, id)
      JOIN repository r ON r.forge = k.forge AND r.host = k.host AND r.remote_id = k.id
      WHERE r.status <> 'active' AND r.organization_id = $4`,
    values: [
      subjects.map(({ delivery }) => delivery.forge),
      subjects.map(({ delivery }) => delivery.host),
      subjects.map(({ events }) => events.repositoryId),
      organizationId,
    ],
  });
  const [, { rows }] = await together([acting, asked]);
  return new Map(
    rows.map((row) => [stoppedKey(organizationId, repositoryKey(row.forge, row.host, row.remote_id)), row.status]),
  );
}

/** True when an event of this installation waits to be handled, which may lift what stops the repository now. */
async function changesSoon(client: pg.PoolClient, { delivery, events }: Subject): Promise<boolean> {
  if (events.installationId === undefined) return false;
  const lane = laneOf(delivery, { kind: 'events', events: [], installationId: events.installationId });
  const { rowCount } = await client.query(
    `SELECT FROM dispatch WHERE shard = $1 AND lane = $2 AND status IN ('pending', 'parked', 'paused')
       AND writes <> 'rehearsal' LIMIT 1`,
    [shardOf(lane), lane],
  );
  return rowCount === 1;
}

interface Source {
  subject: Subject;
  installation: Installation | undefined;
  through: Omit<Owner, 'organizationId'>;
}

const uninstalls = ({ events }: Events): boolean =>
  events.some(({ name, action }) => name === 'installation' && action === 'deleted');

/**
 * Why installations that are not known here are not served, by their key; absent: they are. What we made ourselves is about
 * what is known.
 */
async function refusedNewcomers(client: pg.PoolClient, sources: readonly Source[]): Promise<Map<string, string>> {
  const newcomers = new Map<string, Newcomer>();
  for (const source of sources) {
    const key = newcomerKey(source);
    if (key === undefined) continue;
    const { delivery, events } = source.subject;
    const before = newcomers.get(key);
    newcomers.set(key, {
      forge: delivery.forge,
      host: delivery.host,
      appId: source.through.hookAppId ?? '',
      hookId: delivery.hookId,
      installationId: events.installationId ?? 0n,
      account: events.account ?? before?.account,
      deliveries: (before?.deliveries ?? 0) + 1,
      leaves: uninstalls(events),
    });
  }
  const refused = new Map<string, string>();
  for (const [key, newcomer] of newcomers) {
    const reason = await whyNotServed(client, newcomer);
    if (reason !== undefined) refused.set(key, reason);
  }
  return refused;
}

/** Of a delivery of an App's hook about an installation that is not known; else undefined. */
function newcomerKey({ subject: { delivery, events }, installation, through }: Source): string | undefined {
  if (installation !== undefined || through.hookAppId === null || events.installationId === undefined) return undefined;
  if (isOwn(delivery.source)) return undefined;
  return installationKey(delivery.forge, delivery.host, through.hookAppId, events.installationId);
}

/**
 * Why a delivery says more than its hook may; undefined when it does not. Whoever administers a repository may see the secret of
 * its hook, on some forges, and could sign with it what happened elsewhere. By number: a rename and a transfer keep it.
 */
function beyondItsHook({ delivery, events }: Subject): string | undefined {
  const only = delivery.hook?.repositoryId ?? null;
  if (only === null || isOwn(delivery.source) || events.repositoryId === only) return undefined;
  const about = events.repositoryId === undefined ? 'no repository' : `repository ${events.repositoryId}`;
  return `its hook is of repository ${only} alone, and it tells of ${about}`;
}

/**
 * Answers for each subject, in order, whose it is or why it is ignored, and claims repositories that nobody owns yet.
 * Runs in the assigner's transaction, where it sets the organization as it goes.
 */
export async function findOwners(client: pg.PoolClient, subjects: readonly Subject[]): Promise<Ownership[]> {
  // Most are the hook's organization's, so that is asked before it is known.
  const [installations, claimed, stoppedOfHooks] = await together([
    installationsOf(client, subjects),
    claimsOf(client, subjects),
    stoppedOf(
      client,
      byOrganization(subjects, (subject) => ({ subject, organizationId: subject.delivery.hook?.organizationId })),
    ),
  ]);
  let claims = claimed;

  const found = subjects.map((subject) => {
    const { delivery, events } = subject;
    const { hook } = delivery;
    const installation =
      hook && events.installationId !== undefined
        ? installations.get(installationKey(delivery.forge, delivery.host, hook.appId ?? '', events.installationId))
        : undefined;
    const repository =
      events.repositoryId === undefined ? undefined : repositoryKey(delivery.forge, delivery.host, events.repositoryId);
    const through = { connectionId: hook?.connectionId ?? null, hookAppId: hook?.appId ?? null };
    return { subject, installation, repository, through, organizationId: (installation ?? hook)?.organizationId };
  });
  const refused = await refusedNewcomers(client, found);
  // Nobody owns what is refused, so that nothing of it is claimed either.
  const sources = found.map((source) => {
    const refusal = beyondItsHook(source.subject) ?? refused.get(newcomerKey(source) ?? '');
    return refusal === undefined ? { ...source, refusal } : { ...source, refusal, organizationId: undefined };
  });

  const wanted = new Map<string, { subject: Subject; organizationId: string }>();
  for (const { subject, repository, organizationId } of sources) {
    if (repository === undefined || organizationId === undefined) continue;
    if (!claims.has(repository) && !wanted.has(repository)) wanted.set(repository, { subject, organizationId });
  }
  if (wanted.size > 0) {
    await claim(client, wanted);
    claims = await claimsOf(client, subjects);
  }

  const elsewhere = sources.filter(
    ({ subject, organizationId }) => organizationId !== subject.delivery.hook?.organizationId,
  );
  const stopped = new Map([
    ...stoppedOfHooks,
    ...(await stoppedOf(
      client,
      byOrganization(elsewhere, (source) => source),
    )),
  ]);

  const answers: Ownership[] = [];
  for (const { subject, installation, repository, through, organizationId, refusal } of sources) {
    if (refusal !== undefined) answers.push({ reason: refusal });
    else if (organizationId === undefined) answers.push({ reason: 'its hook no longer exists' });
    else if (repository !== undefined && claims.get(repository) !== organizationId) {
      answers.push({ reason: 'repository belongs to another organization' });
    } else {
      const status = installation && installation.status !== 'active' ? installation.status : undefined;
      const paused = repository === undefined ? undefined : stopped.get(stoppedKey(organizationId, repository));
      const reason = status ? `the installation is ${status}` : paused ? `the repository is ${paused}` : undefined;
      const stops = reason && !concernsInstallation(subject.events) && !(await changesSoon(client, subject));
      answers.push(reason && stops ? { reason } : { organizationId, ...through });
    }
  }
  return answers;
}
