import type pg from 'pg';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';

/** A row of table `hook`: where deliveries enter, and whose they are. */
export interface HookRow {
  id: string;
  organizationId: string;
  forge: string;
  host: string;
  appId: string | null;
  /** `environment`: the secret is WEBHOOK_SECRET; `sealed`: it is in {@link columns}. */
  secretSource: string;
  /** Every column of the row as stored, for the vault. */
  columns: Readonly<Record<string, unknown>>;
}

/** A hook with what its signatures are checked against. */
export interface OpenHook {
  hook: HookRow;
  secrets: readonly string[];
}

const KNOWN_FOR_MS = 5_000;
const UNKNOWN_FOR_MS = 1_000;
/** Shorter than a forge takes to be told of a new secret and to use it. */
const RECHECK_MS = 100;
const MOST_ENTRIES = 10_000;

export interface Entry {
  found: OpenHook | undefined;
  since: number;
  until: number;
}

/**
 * Looks hooks up by id and remembers the answer for a moment, also that there is none, so that a flood of requests is
 * not a flood of queries. A disabled hook takes effect within {@link KNOWN_FOR_MS}, and a new secret at once: see
 * {@link mayBeOutdated}.
 */
export function createHookDirectory(
  pool: pg.Pool,
  secretsOf: (hook: HookRow) => Promise<readonly string[]>,
  log: Logger,
) {
  const entries = new Map<string, Entry>();
  const running = new Map<string, Promise<OpenHook | undefined>>();

  /** A secret that can never be opened closes its hook like a missing one, so that the answer does not tell which. */
  const open = async (hook: HookRow): Promise<readonly string[]> => {
    try {
      return await secretsOf(hook);
    } catch (error) {
      if (!(error instanceof ForgewayError) || error.retry !== 'never') throw error;
      log.error({ hook: hook.id, code: error.code }, 'the secret of a hook cannot be opened; it refuses everything');
      return [];
    }
  };

  const load = async (id: string, forge: string): Promise<OpenHook | undefined> => {
    const { rows } = await pool.query<Record<string, unknown>>({
      name: 'hook_by_id',
      text: 'SELECT * FROM hook WHERE id = $1 AND forge = $2 AND enabled',
      values: [id, forge],
    });
    const columns = rows[0];
    if (!columns) return undefined;
    const hook: HookRow = {
      id,
      forge,
      organizationId: String(columns.organization_id),
      host: String(columns.host),
      appId: typeof columns.app_id === 'string' ? columns.app_id : null,
      secretSource: String(columns.secret_source),
      columns,
    };
    // An empty secret would make every signature under the empty key valid.
    const secrets = (await open(hook)).filter((secret) => secret !== '');
    return secrets.length === 0 ? undefined : { hook, secrets };
  };

  return {
    /** The remembered answer: undefined when it must be asked for, `{ found: undefined }` when there is no such hook. */
    peek(id: string, forge: string): Entry | undefined {
      const entry = entries.get(`${forge}/${id}`);
      return entry && entry.until > Date.now() ? entry : undefined;
    },

    /** @throws what the database or the vault throws; nothing is remembered then. */
    find(id: string, forge: string): Promise<OpenHook | undefined> {
      const key = `${forge}/${id}`;
      const already = running.get(key);
      if (already) return already;
      const started = load(id, forge)
        .then((found) => {
          const oldest = entries.size >= MOST_ENTRIES ? entries.keys().next().value : undefined;
          if (oldest !== undefined) entries.delete(oldest);
          entries.delete(key);
          const since = Date.now();
          entries.set(key, { found, since, until: since + (found ? KNOWN_FOR_MS : UNKNOWN_FOR_MS) });
          return found;
        })
        .catch((error: unknown) => {
          log.error({ err: messageOf(error) }, 'a hook could not be looked up');
          throw error;
        })
        .finally(() => running.delete(key));
      running.set(key, started);
      return started;
    },
  };
}

/**
 * Whether an answer is worth asking for again when a signature does not fit it: forges do not deliver twice, so that a
 * delivery signed with a secret of this moment must not be refused. Hooks that do not exist are treated in the same way,
 * so that neither the time nor the load tells which of them there are.
 */
export const mayBeOutdated = (entry: Entry | undefined): boolean =>
  entry !== undefined && Date.now() - entry.since >= RECHECK_MS;
