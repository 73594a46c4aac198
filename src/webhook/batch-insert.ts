import type { Duplex } from 'node:stream';
import pg from 'pg';

/** The parts of a `pg` connection that a query uses when it is submitted; its types leave some of them out. */
interface QueryConnection {
  readonly stream: Duplex;
  /** Statements that the server has prepared on this connection, by name. */
  readonly parsedStatements: Readonly<Record<string, string | undefined>>;
  parse(statement: { name: string; text: string; types: readonly number[] }): void;
  execute(config: { portal: string; rows: number }): void;
  sync(): void;
}

const TEXT = 0;
const BINARY = 1;

/** Bytes of the fixed fields of a Bind message that has no portal name. */
const BIND_FIXED = 1 + 4 + 1 + 1 + 2 + 2 + 2;

/**
 * A Bind message in pieces: text values are copied into small buffers, byte values are passed on as they are. The driver
 * would copy every body several times while its own buffer grows, which costs more than all else in the insert.
 */
export function bindMessage(statement: string, values: readonly (string | Buffer)[]): Buffer[] {
  let length = BIND_FIXED + Buffer.byteLength(statement) + values.length * (2 + 4);
  let small = length;
  for (const value of values) {
    if (typeof value !== 'string') length += value.length;
    else {
      const bytes = Buffer.byteLength(value);
      length += bytes;
      small += bytes;
    }
  }
  const buffer = Buffer.allocUnsafe(small);
  let at = buffer.write('B\0\0\0\0\0', 0, 'latin1');
  // The length does not count the letter before it.
  buffer.writeInt32BE(length - 1, 1);
  at += buffer.write(`${statement}\0`, at);
  at = buffer.writeInt16BE(values.length, at);
  for (const value of values) at = buffer.writeInt16BE(typeof value === 'string' ? TEXT : BINARY, at);
  at = buffer.writeInt16BE(values.length, at);
  const pieces: Buffer[] = [];
  let from = 0;
  for (const value of values) {
    if (typeof value === 'string') {
      const bytes = buffer.write(value, at + 4);
      buffer.writeInt32BE(bytes, at);
      at += 4 + bytes;
    } else {
      at = buffer.writeInt32BE(value.length, at);
      pieces.push(buffer.subarray(from, at), value);
      from = at;
    }
  }
  at = buffer.writeInt16BE(0, at);
  pieces.push(buffer.subarray(from, at));
  return pieces;
}

/** A prepared statement without result rows whose byte values go to the socket uncopied. */
class BytesQuery extends pg.Query {
  readonly #statement: { name: string; text: string; values: readonly (string | Buffer)[] };

  constructor(statement: { name: string; text: string; values: readonly (string | Buffer)[] }) {
    super({ name: statement.name, text: statement.text });
    this.#statement = statement;
    // An own property hides the prototype's method, which the types declare as a property.
    this.submit = (connection) => this.#submit(connection as unknown as QueryConnection);
  }

  #submit(connection: QueryConnection): void {
    const { name, text, values } = this.#statement;
    connection.stream.cork();
    if (connection.parsedStatements[name] === undefined) connection.parse({ name, text, types: [] });
    for (const piece of bindMessage(name, values)) connection.stream.write(piece);
    connection.execute({ portal: '', rows: 0 });
    connection.sync();
    connection.stream.uncork();
  }
}

/**
 * Runs the statement on a connection of `pool`. A connection that failed, or did not answer in `timeoutMs`, is closed.
 * @throws what the driver throws, or an Error when the time is over.
 */
export async function insertBytes(
  pool: pg.Pool,
  statement: { name: string; text: string; values: readonly (string | Buffer)[] },
  timeoutMs: number,
): Promise<void> {
  const client = await pool.connect();
  return new Promise((resolve, reject) => {
    let over = false;
    const finish = (error: Error | null | undefined) => {
      // The driver tells of a connection that was given up once more.
      if (over) return;
      over = true;
      clearTimeout(timer);
      client.release(error ?? undefined);
      if (error) reject(error);
      else resolve();
    };
    const timer = setTimeout(() => finish(new Error('the database did not answer in time')), timeoutMs);
    const query = Object.assign(new BytesQuery(statement), { callback: finish });
    client.query(query);
  });
}
