/** Which statements this process has the database run: what takes the same ones takes the same time. */
import pg from 'pg';

const BEGIN = /^\s*begin/i;
const END = /^(commit|rollback)/i;
/** What was waited for is over: a transaction of which only a part was seen is another's. */
const isWhole = (texts: readonly string[]): boolean =>
  BEGIN.test(texts[0] ?? '') ? END.test(texts.at(-1) ?? '') : !texts.some((text) => END.test(text));

/**
 * Texts of what the database was asked while `work` ran, without values, transaction by transaction. Those in which something
 * says `without` are of others, who work in between. One at a time.
 */
export async function statementsOf<T>(
  work: () => Promise<T>,
  without: string,
): Promise<{ result: T; statements: string[] }> {
  const transactions: string[][] = [];
  const current = new Map<pg.Client, string[]>();
  const original = pg.Client.prototype.query;
  pg.Client.prototype.query = function query(this: pg.Client, ...call: unknown[]) {
    const [first] = call;
    const text = typeof first === 'string' ? first : (first as { text?: string } | undefined)?.text;
    if (text !== undefined) {
      const known = BEGIN.test(text) ? undefined : current.get(this);
      const transaction = known ?? [];
      if (known === undefined) transactions.push(transaction);
      current.set(this, transaction);
      transaction.push(text.replace(/\s+/g, ' ').trim());
    }
    return Reflect.apply(original, this, call) as never;
  } as typeof original;
  try {
    const result = await work();
    const own = transactions.filter((texts) => isWhole(texts) && !texts.some((text) => text.includes(without)));
    return { result, statements: own.flat() };
  } finally {
    pg.Client.prototype.query = original;
  }
}
