/** The order of test files; see scripts/longest-first.mjs. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import LongestFirst, { SLOW, type TestFile } from '../scripts/longest-first.mjs';

let cacheDirectory: string;
beforeEach(() => {
  cacheDirectory = mkdtempSync(join(tmpdir(), 'forgeway-order-'));
});
afterEach(() => rmSync(cacheDirectory, { recursive: true, force: true }));

/** Files of a clone at /clone, of so many bytes. */
function files(sizes: Record<string, number>): TestFile[] {
  const context = {
    config: { rootDir: '/clone', cacheDirectory, cache: true, id: 'order', haste: {} },
    hasteFS: { getSize: (path: string) => sizes[path.slice('/clone/'.length)] ?? null },
  };
  return Object.keys(sizes).map((name) => ({ path: `/clone/${name}`, context }));
}

const order = (tests: TestFile[]) =>
  new LongestFirst(options).sort(tests).map(({ path }) => path.slice('/clone/'.length));
const options = { contexts: [], globalConfig: {} };

/** A run of some of them, each with the milliseconds it took. */
function run(tests: TestFile[], took: Record<string, number>, failed: readonly string[] = []): void {
  const testResults = Object.entries(took).map(([name, runtime]) => ({
    testFilePath: `/clone/${name}`,
    perfStats: { runtime },
    numFailingTests: failed.includes(name) ? 1 : 0,
  }));
  new LongestFirst(options).cacheResults(tests, { testResults });
}

const DEMO = 'test/e2e/demo.test.ts';
const sizes = { 'src/small.test.ts': 100, [DEMO]: 5_000, 'src/large.test.ts': 400_000, 'test/run/any.test.ts': 9_000 };

describe('the order of test files', () => {
  it('begins with what is slow where nothing has run yet, then goes by size', () => {
    expect(order(files(sizes))).toEqual([DEMO, 'src/large.test.ts', 'test/run/any.test.ts', 'src/small.test.ts']);
  });

  it('does not leave for the end what alone has run before', () => {
    const tests = files(sizes);
    run(tests, { [DEMO]: 300_000 });
    expect(order(tests)[0]).toBe(DEMO);
  });

  it('goes by what was measured, and begins with what failed', () => {
    const tests = files(sizes);
    const took = { 'src/small.test.ts': 9_000, [DEMO]: 8_000, 'src/large.test.ts': 7_000, 'test/run/any.test.ts': 10 };
    run(tests, took, ['test/run/any.test.ts']);
    expect(order(tests)).toEqual(['test/run/any.test.ts', 'src/small.test.ts', DEMO, 'src/large.test.ts']);
  });

  it('names files that there are', () => {
    expect(Object.keys(SLOW).filter((name) => !existsSync(join(process.cwd(), name)))).toEqual([]);
  });
});
