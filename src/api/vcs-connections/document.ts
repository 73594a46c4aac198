/** VCS connections as documents of JSON:API. No attribute is, or holds, a secret. */
import type { ForgeDescriptor } from '../../forges/forge.js';
import { API_PREFIX, idForm } from '../json-api/document.js';
import type { ListedConnection, Shown } from '../procedures/connection-list.js';

export const TYPE = 'vcs-connections';
export const { external: externalId, internal: internalId } = idForm('vcs');

/** Such as `server-url` for the API of a GitHub Enterprise Server, which is how its own documentation writes it. */
function serverUrlOf(row: ListedConnection, forge: ForgeDescriptor | undefined): string | null {
  if (row.instanceUrl === null) return null;
  return row.kind === 'github-app' && forge !== undefined ? forge.endpoint(row.instanceUrl).apiUrl : row.instanceUrl;
}

export function resource(row: ListedConnection & Shown, forges: ReadonlyMap<string, ForgeDescriptor>) {
  const id = externalId(row.id);
  return {
    id,
    type: TYPE,
    attributes: {
      name: row.name,
      provider: row.forge,
      'server-url': serverUrlOf(row, forges.get(row.forge)),
      status: row.status,
      'status-reason': row.statusReason,
      'status-advice': row.advice,
      'has-token': row.sealed,
      certificates: row.certificates,
      proxy: row.proxy,
      ...(row.kind === 'github-app' && {
        'github-app-id': row.appId === null ? null : Number(row.appId),
        'github-installation-id': row.installationId === null ? null : Number(row.installationId),
        'github-account-login': row.account,
        'github-account-type': row.accountType,
      }),
      ...(row.kind !== 'github-app' && { 'account-login': row.account, capabilities: row.capabilities }),
      'expires-at': row.expiresAt?.toISOString() ?? null,
      'last-checked-at': row.checkedAt?.toISOString() ?? null,
      'next-try-at': row.nextTryAt?.toISOString() ?? null,
      'created-at': row.createdAt.toISOString(),
      'updated-at': row.updatedAt.toISOString(),
    },
    links: { self: `${API_PREFIX}/${TYPE}/${id}` },
  };
}
