/**
 * Which repositories Forgeway hears of, and what to do about those it does not: install the App, let it reach the repository,
 * make a webhook. Read anew at each request, so that uninstalling shows in the next one.
 */
import type { ForgeRepository } from '../forges/administration.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import type { Store } from '../store/database.js';
import { installBannerState } from './installations.js';

/** What needs most comes first. */
export const coverages = [
  /** The App does not reach it. */
  'lacks-app',
  /** It is connected, or could be, and no webhook tells of it. */
  'lacks-hook',
  /** Its installation is suspended. */
  'suspended',
  /** The forge is asked now and then, and tells nothing by itself. */
  'polled',
  /** Events arrive. */
  'covered',
] as const;
export type Coverage = (typeof coverages)[number];

/** Page of the App that serves a host, such as `https://github.com/apps/forgeway`; undefined where there is none. */
export type AppPage = (forge: string, host: string) => string | undefined;

/** What mends it: a page for a person, or a command on the machine. */
export type Fix = { link: string } | { command: string };

export interface RepositoryState {
  forge: string;
  host: string;
  remoteId: bigint;
  owner: string;
  name: string;
  url: string;
  state: Coverage;
  /** Absent where nothing is to be done, and where nobody could say how. */
  fix?: Fix;
}

/** Repositories of one instance that a person may see, read with their own token. */
export interface VisibleRepositories {
  forge: string;
  host: string;
  /** Base URL as people write it. */
  baseUrl: string;
  repositories: readonly ForgeRepository[];
}

export interface InstallStateOptions {
  /** As a role that may read the organization. */
  store: Store;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  organizationId: string;
  /** Without them: those that the organization knows. */
  visible?: readonly VisibleRepositories[];
  appPage: AppPage;
}

export interface InstallState {
  banner: Awaited<ReturnType<typeof installBannerState>>;
  /** Those that lack something first. */
  repositories: readonly RepositoryState[];
}

interface KnownRow {
  forge: string;
  host: string;
  remoteId: bigint;
  owner: string;
  name: string;
  url: string;
  instanceUrl: string | null;
  status: 'active' | 'paused' | 'removed';
  installation: bigint | null;
  installationStatus: 'active' | 'suspended' | 'deleted' | null;
  accountLogin: string | null;
  accountType: string | null;
  connectionId: string | null;
  mode: string | null;
  hooked: boolean;
}

const KNOWN = `SELECT r.forge, r.host, r.remote_id AS "remoteId", r.remote_owner AS owner, r.remote_name AS name,
  r.remote_url AS url, r.remote_instance_url AS "instanceUrl", r.status, i.installation_id AS installation,
  i.status AS "installationStatus", i.account_login AS "accountLogin", i.account_type AS "accountType",
  i.connection_id AS "connectionId", c.sync_mode AS mode,
  EXISTS (SELECT FROM hook h WHERE h.connection_id = i.connection_id AND h.enabled AND h.remote_hook_id IS NOT NULL
    AND (h.scope = 'system' OR (h.scope = 'repository' AND h.target = r.remote_owner || '/' || r.remote_name)
      OR (h.scope = 'organization' AND (r.remote_owner = h.target OR starts_with(r.remote_owner, h.target || '~'))))) AS hooked
  FROM repository r LEFT JOIN installation i ON i.id = r.installation_id LEFT JOIN connection c ON c.id = i.connection_id
  WHERE r.organization_id = $1`;

/** An organization's App, whichever repositories it reaches: where a person lets it reach more. */
interface InstallationRow {
  forge: string;
  host: string;
  installation: bigint;
  accountLogin: string;
  accountType: string | null;
}

const key = (forge: string, host: string, id: bigint | string): string => `${forge}\n${host}\n${id}`;

function coverageOf(known: KnownRow | undefined, hasApps: boolean): Coverage {
  const lacking = hasApps ? 'lacks-app' : 'lacks-hook';
  if (known === undefined || known.installationStatus === null || known.status === 'removed') return lacking;
  if (known.installationStatus === 'suspended') return 'suspended';
  if (known.installationStatus === 'deleted') return lacking;
  if (known.connectionId === null || known.hooked) return 'covered';
  return known.mode === 'webhook' ? 'lacks-hook' : 'polled';
}

/** For a person who may see the organization; what they may see on the forge is theirs to know. */
export async function installState(o: InstallStateOptions): Promise<InstallState> {
  const { store, organizationId } = o;
  const { banner, known, installations } = await store.tenant(organizationId, async (tx) => ({
    banner: await installBannerState(tx, organizationId),
    known: (await tx.query<KnownRow>(KNOWN, [organizationId])).rows,
    installations: (
      await tx.query<InstallationRow>(
        `SELECT forge, host, installation_id AS installation, account_login AS "accountLogin", account_type AS "accountType"
         FROM installation WHERE organization_id = $1 AND connection_id IS NULL AND status <> 'deleted'
           AND account_login IS NOT NULL`,
        [organizationId],
      )
    ).rows,
  }));
  const rows = new Map(known.map((row) => [key(row.forge, row.host, row.remoteId), row]));
  const apps = new Map(installations.map((row) => [key(row.forge, row.host, row.accountLogin.toLowerCase()), row]));

  const stateOf = (
    place: { forge: string; host: string; baseUrl: string | undefined },
    repository: Pick<ForgeRepository, 'id' | 'owner' | 'name' | 'url'>,
  ): RepositoryState => {
    const { forge, host } = place;
    const descriptor = o.forges.get(forge);
    const row = rows.get(key(forge, host, repository.id));
    const state = coverageOf(row, descriptor?.appPages !== undefined && row?.connectionId == null);
    const app = row?.installation != null && row.connectionId === null ? row : undefined;
    const fix = fixOf(o, place, repository, state, app ?? apps.get(key(forge, host, repository.owner.toLowerCase())));
    const { id: remoteId, owner, name, url } = repository;
    return { forge, host, remoteId, owner, name, url, state, ...(fix && { fix }) };
  };
  const repositories =
    o.visible === undefined
      ? known.map((row) =>
          stateOf(
            { ...row, baseUrl: row.instanceUrl ?? o.forges.get(row.forge)?.cloudUrl },
            { ...row, id: row.remoteId },
          ),
        )
      : o.visible.flatMap((place) => place.repositories.map((repository) => stateOf(place, repository)));
  return {
    banner,
    repositories: repositories.sort((left, right) => coverages.indexOf(left.state) - coverages.indexOf(right.state)),
  };
}

function fixOf(
  o: InstallStateOptions,
  place: { forge: string; host: string; baseUrl: string | undefined },
  repository: { owner: string; name: string },
  state: Coverage,
  app: Pick<InstallationRow, 'installation' | 'accountLogin' | 'accountType'> | KnownRow | undefined,
): Fix | undefined {
  const { forge, host, baseUrl } = place;
  const pages = o.forges.get(forge)?.appPages;
  if (state === 'covered') return undefined;
  if (state === 'lacks-hook' || state === 'polled') {
    const at = baseUrl === undefined || baseUrl === o.forges.get(forge)?.cloudUrl ? '' : ` --url ${baseUrl}`;
    const name = `${repository.owner.replaceAll('~', '/')}/${repository.name}`;
    return { command: `forgeway connections add --forge ${forge}${at} --repo ${name}` };
  }
  if (pages === undefined) return undefined;
  if (app?.installation != null && app.accountLogin !== null && baseUrl !== undefined)
    return {
      link: pages.settings(baseUrl, {
        id: app.installation,
        accountLogin: app.accountLogin,
        ofOrganization: app.accountType === 'Organization',
      }),
    };
  const page = o.appPage(forge, host);
  return page === undefined ? undefined : { link: pages.install(page) };
}

/** What a person may see on an instance, by their own token. @throws RouteFailure */
export async function visibleRepositories(
  descriptor: ForgeDescriptor,
  native: Parameters<NonNullable<ForgeDescriptor['roles']>['repositories']>[0],
  most = 1_000,
): Promise<readonly ForgeRepository[]> {
  const found: ForgeRepository[] = [];
  for await (const one of descriptor.roles?.repositories(native) ?? []) {
    found.push(one);
    if (found.length >= most) break;
  }
  return found;
}
