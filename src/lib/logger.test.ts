import { describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.js';

const TOKEN = `ghp_${'0123456789abcdef'.repeat(2)}01234567`;

function logTo(format: 'json' | 'pretty' = 'json') {
  const lines: string[] = [];
  const log = createLogger({ level: 'trace', format, destination: { write: (line: string) => void lines.push(line) } });
  return { log, lines };
}

function deep(depth: number): object {
  let value: object = { token: TOKEN };
  for (let at = 0; at < depth; at += 1) value = { value };
  return value;
}

/** Things that an app may log, each of which has ended some program. */
const hostile: readonly (readonly [string, () => unknown])[] = [
  [
    'a cycle',
    () => {
      const value: Record<string, unknown> = { token: TOKEN };
      value.self = value;
      return value;
    },
  ],
  [
    'a getter that throws',
    () => ({
      get token(): string {
        throw new Error(TOKEN);
      },
    }),
  ],
  [
    'a toJSON that throws',
    () => ({
      toJSON() {
        throw new Error(TOKEN);
      },
    }),
  ],
  [
    'an error whose parts throw',
    () =>
      Object.defineProperty(new Error(TOKEN), 'stack', {
        get() {
          throw new Error(TOKEN);
        },
      }),
  ],
  [
    'a proxy that throws at everything',
    () =>
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error(TOKEN);
          },
        },
      ),
  ],
  ['a depth of 100,000', () => deep(100_000)],
  ['a list nested 100,000 deep', () => JSON.parse(`${'['.repeat(100_000)}"${TOKEN}"${']'.repeat(100_000)}`) as unknown],
  ['10 MB of text', () => `${TOKEN} ${'x'.repeat(10_000_000)}`],
  ['10 MB that nearly looks like credentials', () => 'eyJaaaaaaaa.'.repeat(900_000)],
  ['10 MB of addresses', () => 'http://a:'.repeat(1_100_000)],
  ['10 MB of quotes and escapes', () => '"\\\n'.repeat(3_300_000)],
  ['a big number', () => ({ id: 10n ** 30n })],
  ['a symbol', () => ({ [Symbol('x')]: TOKEN, kind: Symbol('y') })],
];

describe('the log', () => {
  it.each(hostile)('takes %s: one line, no token, and no exception', (_what, make) => {
    for (const format of ['json', 'pretty'] as const) {
      const { log, lines } = logTo(format);
      const value = make();
      expect(() => log.error({ value }, 'a field')).not.toThrow();
      expect(() => log.error(value as object)).not.toThrow();
      expect(() => log.error({ err: value }, 'an error')).not.toThrow();
      expect(() => log.child({ part: 'x' }).warn('%o', value as object)).not.toThrow();
      expect(lines).toHaveLength(4);
      for (const line of lines) {
        expect(line).not.toContain(TOKEN);
        expect(line.length).toBeLessThan(140_000);
        expect(line.endsWith('\n')).toBe(true);
        if (format === 'json') expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number) });
      }
    }
  });

  it('cuts a long line and keeps its level and time', () => {
    const { log, lines } = logTo();
    log.warn({ text: 'x'.repeat(200_000) }, 'long');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 40,
      msg: 'a long line',
      cut: expect.stringContaining('200'),
    });
  });
});
