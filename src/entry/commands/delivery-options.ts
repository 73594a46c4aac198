/** What deliveries are chosen by on the command line, for the commands that take many of them. */
import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type NamedRepository, type RepositoryName, repositoryNamed } from '../../accounts/app-repositories.js';
import { forges } from '../../forges/registry.js';
import { type DeliveryFilter, deliveryStatuses, findDelivery, type Queryable } from '../../inbox/list.js';
import type { CommandSession } from '../session.js';

export interface FilterOptions {
  status?: string;
  forge?: string;
  host?: string;
  event?: string;
  app?: string;
  repository?: string;
  since?: Date;
  until?: Date;
}

/** The number in our list, or the id that the forge shows (X-GitHub-Delivery and the like). */
export const deliveryName = (text: string): string => {
  if (!/^[\x21-\x7e]{1,200}$/.test(text))
    throw new InvalidArgumentError('Use a number of `deliveries list`, or the forge’s id.');
  return text;
};

export async function deliveryIdOf(client: Queryable, name: string): Promise<bigint> {
  const id = await findDelivery(client, name);
  if (id === undefined) throw new InvalidArgumentError(`There is no delivery ${name}.`);
  return id;
}

/** A whole number within limits, for an option. */
export const numberFrom =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`Use a number from ${least} to ${most}.`);
    return value;
  };

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time as ISO 8601 writes it, or how long ago: `90m`, `12h`, `7d`. */
export function timeFrom(text: string): Date {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const time = count === undefined ? Date.parse(text) : Date.now() - Number(count) * (UNITS[unit] ?? 0);
  if (Number.isNaN(time) || (count === undefined && !/^\d{4}-\d\d-\d\d/.test(text)))
    throw new InvalidArgumentError('Use a time such as 2026-11-24T08:00Z, or how long ago: 90m, 12h, 7d.');
  return new Date(time);
}

export const forgeOption = (text: string): Option => new Option('--forge <forge>', text).choices([...forges.keys()]);

/** `owner/name`, as apps see it: nested groups are written `a~b/name`. */
export function readRepositoryName(text: string): Pick<RepositoryName, 'owner' | 'name'> {
  const [, owner, name] = /^([^/\s]+)\/([^/\s]+)$/.exec(text) ?? [];
  if (owner === undefined || name === undefined)
    throw new InvalidArgumentError(`"${text}" is no repository: write owner/name.`);
  return { owner, name };
}

export function addFilterOptions(command: Command, withStatus: boolean): Command {
  if (withStatus)
    command.addOption(new Option('--status <status>', 'only those with this status').choices([...deliveryStatuses]));
  return command
    .addOption(forgeOption('only from this kind of forge'))
    .option('--host <host>', 'with --repository, where several servers have one of that name')
    .option('--event <name>', 'only this event, such as issues or issues.opened')
    .option('--app <name>', 'only those that this app ran on, or is to')
    .option('--repo, --repository <owner/name>', 'only those about this repository')
    .option('--since <time>', 'received at this time or later: 2026-11-24T08:00Z, or 90m, 12h, 7d ago', timeFrom)
    .option('--until <time>', 'received before this time', timeFrom);
}

/** The repository that options name. @throws ForgewayError FORGEWAY_REPOSITORY_UNKNOWN */
export function repositoryOf(
  { store, organizationId }: CommandSession,
  { repository, forge, host }: { repository: string; forge?: string; host?: string },
): Promise<NamedRepository> {
  const place = { ...(forge !== undefined && { forge }), ...(host !== undefined && { host }) };
  return store.tenant(organizationId, (tx) => repositoryNamed(tx, { ...readRepositoryName(repository), ...place }));
}

/** @throws ForgewayError FORGEWAY_REPOSITORY_UNKNOWN */
export async function filterFrom(session: CommandSession, options: FilterOptions): Promise<DeliveryFilter> {
  const { repository, host: _, ...rest } = options;
  const { status, forge, event, app, since, until } = rest;
  const filter = { status, forge, event, app, since, until };
  return repository === undefined
    ? filter
    : { ...filter, repository: await repositoryOf(session, { ...options, repository }) };
}

/** Whom the audit trail names: who is signed in to this machine. */
export function actor(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    // A container's user may have no name.
    return `cli:${process.getuid?.() ?? 'unknown'}`;
  }
}
