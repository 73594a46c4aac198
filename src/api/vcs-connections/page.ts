/** Numbered pages of connections, filtered as JSON:API writes it. */
import { z } from 'zod';
import type { Store } from '../../store/database.js';
import { pageParameters } from '../json-api/document.js';
import { parseQuery } from '../problem.js';
import { connectionStatuses, type ListedConnection, numberedConnections } from '../procedures/connection-list.js';

const query = z.strictObject({
  ...pageParameters,
  'filter[name]': z.string().max(100).optional(),
  'filter[provider]': z.string().max(30).optional(),
  'filter[status]': z.enum(connectionStatuses).optional(),
});

export interface ConnectionsPage {
  rows: ListedConnection[];
  number: number;
  size: number;
  total: number;
  /** What was asked for, for the links to other pages. */
  query: URLSearchParams;
}

/** @throws InvalidRequest for a parameter that there is not */
export async function pageOfConnections(
  store: Store,
  organizationId: string,
  given: unknown,
): Promise<ConnectionsPage> {
  const parsed = parseQuery(query, given);
  const [number, size] = [parsed['page[number]'], parsed['page[size]']];
  const { rows, total } = await store.tenant(organizationId, (tx) =>
    numberedConnections(
      tx,
      { name: parsed['filter[name]'], forge: parsed['filter[provider]'], status: parsed['filter[status]'] },
      { offset: (number - 1) * size, limit: size },
    ),
  );
  const kept = Object.entries(parsed).filter(([name, value]) => name.startsWith('filter') && value !== undefined);
  return {
    rows,
    number,
    size,
    total,
    query: new URLSearchParams(Object.fromEntries(kept.map(([name, value]) => [name, String(value)]))),
  };
}
