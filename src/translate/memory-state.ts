/** The bridge's state without a database: one connection, and what happened since it was made. For rehearsals and embedding. */
import type { OpenConnection } from '../accounts/connections.js';
import type { ForgeRecord, Records } from '../forges/kit/records.js';
import type { Clock } from '../lib/clock.js';
import { ForgewayError } from '../lib/errors.js';
import type { BridgeState } from './bridge-state.js';
import type { ServedRepository } from './connection-repositories.js';
import type { KnownInstallation } from './installation-lookup.js';
import type { LoopTraces, OwnWrite } from './loop-traces.js';

const FIRST_RECORD = 7_000_000_001;
const MOST_LISTED = 1_000;

function memoryRecords(clock: Clock): Records {
  const kept = new Map<string, ForgeRecord>();
  const placeOf = (kind: string, key: string) => `${kind}\n${key}`;
  const put = (kind: string, key: string, data: ForgeRecord['data']): ForgeRecord => {
    const before = kept.get(placeOf(kind, key));
    const now = clock.now();
    const id = before?.id ?? FIRST_RECORD + kept.size;
    const record = { id, kind, key, data: structuredClone(data), createdAt: before?.createdAt ?? now, updatedAt: now };
    kept.set(placeOf(kind, key), record);
    return record;
  };
  const isGone = ({ data }: ForgeRecord) => Object.hasOwn(data, GONE);
  const present = (record: ForgeRecord | undefined) => (record === undefined || isGone(record) ? undefined : record);
  return {
    get: async (kind, key) => present(kept.get(placeOf(kind, key))),
    byId: async (kind, id) => present([...kept.values()].find((record) => record.kind === kind && record.id === id)),
    put: async (kind, key, data) => put(kind, key, data),
    async add(kind, key, data) {
      const before = present(kept.get(placeOf(kind, key)));
      return before === undefined ? { record: put(kind, key, data), added: true } : { record: before, added: false };
    },
    async putAll(kind, entries) {
      for (const { key, data } of entries) put(kind, key, data);
    },
    list: async (kind, prefix) =>
      [...kept.values()]
        .filter((record) => record.kind === kind && record.key.startsWith(prefix) && !isGone(record))
        .sort((a, b) => a.id - b.id)
        .slice(0, MOST_LISTED),
    async delete(kind, key) {
      // Its number is never given again.
      if (kept.has(placeOf(kind, key))) put(kind, key, { [GONE]: true });
    },
  };
}
const GONE = 'forgeway:gone';

function memoryTraces(): LoopTraces {
  const writes = new Map<string, OwnWrite>();
  return {
    async note(_place, traces, write) {
      for (const trace of traces) writes.set(trace, write);
    },
    async causeOf(_place, traces) {
      const found = traces.flatMap((trace) => writes.get(trace) ?? []);
      return found.sort((a, b) => b.depth - a.depth)[0];
    },
  };
}

export interface MemoryState extends BridgeState {
  /** From now on it is one of the connection's. */
  add(repository: ServedRepository): void;
}

const unknown = (what: string) => new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', `There is no ${what} here.`);

/** What is the same for an App and for a connection by token. */
function memoryOf(installation: KnownInstallation, clock: Clock) {
  const served = new Map<bigint, ServedRepository>();
  const records = memoryRecords(clock);
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  return {
    add: (repository: ServedRepository) => void served.set(repository.remoteId, repository),
    loops: memoryTraces(),
    recordsOf: () => records,
    repositories: {
      async list(_connection, { page, perPage }) {
        const all = [...served.values()];
        return { total: all.length, repositories: all.slice((page - 1) * perPage, page * perPage) };
      },
      has: async (_connection, owner, name) =>
        [...served.values()].some((one) => same(one.owner, owner) && same(one.name, name)),
      hasOwner: async (_connection, owner) => [...served.values()].some((one) => same(one.owner, owner)),
    },
    lookup: {
      appOf: async () => undefined,
      connected: async () => [],
      byVirtualId: async () => undefined,
      async ofRepository(_organizationId, id) {
        throw unknown(`repository ${id}`);
      },
      ofRemoteRepository: async () => installation,
      connectionOf: async () => undefined,
      hookNumberOf: async () => undefined,
      tellsConfidential: async () => true,
      isEnabled: async () => true,
      ensure: async (_organizationId, _installation, virtualId) => virtualId,
    },
    directory: undefined,
  } satisfies MemoryState;
}

/** Of a connection by token. */
export function memoryState(connection: OpenConnection, clock: Clock): MemoryState {
  const installation: KnownInstallation = {
    organizationId: connection.organizationId,
    connectionId: connection.id,
    forge: connection.forge.id,
    host: connection.host,
    appId: 'rehearsal',
    installationId: connection.virtualId,
  };
  const memory = memoryOf(installation, clock);
  return {
    ...memory,
    directory: {
      open: async () => connection,
      openInAnyState: async () => connection,
      speaker: async () => connection,
      app: async () => undefined,
      forget: () => undefined,
    },
    lookup: {
      ...memory.lookup,
      connected: async () => [connection.virtualId],
      async byVirtualId(id) {
        if (id === connection.virtualId) return installation;
        throw unknown(`installation ${id}`);
      },
      connectionOf: async () => connection.id,
    },
  };
}

/** Of an installation of the App whose key the bridge is given: every delivery comes through the App's own hook. */
export function memoryOfApp(installation: KnownInstallation, clock: Clock): MemoryState {
  const memory = memoryOf(installation, clock);
  return { ...memory, lookup: { ...memory.lookup, appOf: async () => installation.appId } };
}
