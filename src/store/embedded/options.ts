/** What callers of the embedded PostgreSQL hand in and get back. */

export interface EmbeddedPostgresOptions {
  /** Belongs to one server, for example `/var/lib/forgeway/pg` or `~/.local/share/forgeway`. Created when missing. */
  dataDir: string;
  /** Gets one readable line per thing worth telling a person. */
  log?: (line: string) => void;
  /** As root only: holds the copied binaries, and clusters whose data directory the database's user cannot enter. */
  systemDir?: string;
  /** Where the server binaries lie (`bin`, `lib`, `share`); by default the npm package of this platform. */
  binariesDir?: string;
  /** For tests of what is not durability: nothing waits for the disk, and a machine that crashes may lose all of it. */
  volatile?: boolean;
}

export interface AttachOptions {
  dataDir: string;
  /** How long to keep trying, in milliseconds, while the server may still be starting; 0 (the default) asks once. */
  waitMs?: number;
}

export interface EmbeddedPostgresLocation {
  /** Directory of the unix socket, as `pg` and libpq take it for `host`. */
  host: string;
  port: number;
  database: string;
  /** The bootstrap superuser: for setting up roles and migrations, not for serving. */
  user: string;
  passwordFile: string;
  password: string;
}

export interface EmbeddedPostgres {
  location: EmbeddedPostgresLocation;
  /** True when a postmaster left behind by a killed server was adopted instead of started. */
  attached: boolean;
  /** Fast shutdown of PostgreSQL, then the lock on the data directory is let go. May be called twice. */
  stop(): Promise<void>;
}

export const DEFAULT_SYSTEM_DIR = '/var/lib/forgeway';
export const BOOTSTRAP_USER = 'postgres';
/** Sessions that must not block `CREATE DATABASE … TEMPLATE forgeway` connect to this one. */
export const MAINTENANCE_DATABASE = 'postgres';
export const FORGEWAY_DATABASE = 'forgeway';
/** Only names the socket file; nothing listens on TCP. */
export const SOCKET_PORT = 5432;
