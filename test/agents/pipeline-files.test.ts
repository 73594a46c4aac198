/** Pipelines of somebody who wants whoever reads them to be busy for ever, or to overlook something. */
import { describe, expect, it } from '@jest/globals';
import { pipelineFiles } from '../../src/effects/agents/pipeline-files.js';

const blob = (path: string, text: string) => ({
  path,
  text,
  sha: path,
  mode: '100644',
  type: 'blob',
  size: text.length,
});
function isLedBy(includes: readonly string[], others: readonly string[] = []) {
  const text = `include:\n${includes.map((one) => `  - local: ${JSON.stringify(one)}\n`).join('')}`;
  const files = [blob('.gitlab-ci.yml', text), ...others.map((path) => blob(path, 'x: {}\n'))];
  return pipelineFiles({
    entries: files.map(({ text: _, ...entry }) => entry) as never,
    read: async (sha) => files.find((one) => one.sha === sha)?.text ?? '',
  });
}

describe('patterns', () => {
  it.each([
    ['ci/*.yml', 'ci/a.yml', true],
    ['ci/*.yml', 'ci/a.yaml', false],
    ['ci/**/a.yml', 'ci/b/c/a.yml', true],
    ['ci/**/a.yml', 'ci/a.yml', true],
    ['ci/$KIND/${NAME}.yml', 'ci/b/c.yml', true],
    ['ci/a*a.yml', 'ci/a.yml', false],
    ['ci/(a|b).yml', 'ci/a.yml', false],
  ])('%s: %s', async (pattern, path, is) => {
    expect((await isLedBy([pattern]))(path)).toBe(is);
  });

  it('are done with, however many parts they have', async () => {
    const path = `${'a'.repeat(4_000)}b`;
    const isLed = await isLedBy([`${'*a'.repeat(2_000)}*c`, `${'**/a'.repeat(500)}`], [path]);
    expect(isLed(path)).toBe(false);
  });
});

it('of more places than anybody has, every file counts as one', async () => {
  const some = Array.from({ length: 200 }, (_, at) => `ci/${at}.yml`);
  expect((await isLedBy(some))('src/index.ts')).toBe(false);
  expect((await isLedBy([...some, 'ci/more.yml']))('src/index.ts')).toBe(true);
});
