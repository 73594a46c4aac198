import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { forges } from '../../forges/registry.js';
import { tellWhoEnds } from '../../lib/left-behind.js';
import { createLogger } from '../../lib/logger.js';
import { type AddedApps, importApps, legacyOption } from '../added-apps.js';
import type { StoryResult } from '../app-test/compare.js';
import { saysWhoEnded, timeoutOption } from '../app-trial.js';
import { formatJson } from '../table.js';

interface TestOptions {
  files?: string;
  story?: string;
  forge?: string[];
  legacy?: AddedApps['legacy'];
  verbose?: boolean;
  json?: boolean;
  timeout?: number;
}

const playable = [...forges.values()].filter(({ startFake }) => startFake !== undefined);

function filesBelow(folder: string): Record<string, string> {
  const read = (at: string): [string, string][] =>
    readdirSync(at).flatMap((name) => {
      const path = join(at, name);
      if (name === '.git') return [];
      if (statSync(path).isDirectory()) return read(path);
      return [[relative(folder, path).split(sep).join('/'), readFileSync(path, 'utf8')] as [string, string]];
    });
  return Object.fromEntries(read(folder));
}

function print({ story, counts, problems, differences, toldOtherwise }: StoryResult, first: string): void {
  const good = problems.length === 0 && differences.length === 0;
  console.log(`${good ? '✓' : '✗'} ${story}`);
  const counted = Object.entries(counts).map(
    ([label, { runs, requests }]) => `${label} ${runs} runs, ${requests} requests`,
  );
  console.log(`    ${counted.join(' · ')}`);
  for (const problem of problems) console.log(`    ! ${problem}`);
  for (const { forge, what, lines } of differences) {
    console.log(`    ${what} on ${forge}, beside ${first}:`);
    for (const line of lines) console.log(`      ${line}`);
  }
  for (const { forge, lines } of toldOtherwise) {
    console.log(
      `    ${forge} tells of what was done by other events than ${first}, which is no difference of the app:`,
    );
    for (const line of lines) console.log(`      ${line}`);
  }
}

function chosen(ids: readonly string[] | undefined): readonly ForgeDescriptor[] {
  return ids === undefined ? playable : playable.filter(({ id }) => ids.includes(id));
}

async function test(apps: string[], options: TestOptions): Promise<void> {
  const [{ compareForges }, { stories }] = await Promise.all([
    import('../app-test/compare.js'),
    import('../app-test/stories.js'),
  ]);
  const wanted = stories.filter(({ name }) => options.story === undefined || name.includes(options.story));
  if (wanted.length === 0) throw new InvalidArgumentError(`No story has "${options.story}" in its name.`);
  const on = chosen(options.forge);
  const [first] = on;
  if (first === undefined) throw new InvalidArgumentError('Name at least one forge.');
  // What an app throws is in the results.
  const log = createLogger({
    level: options.verbose ? 'debug' : 'fatal',
    format: process.stderr.isTTY ? 'pretty' : 'json',
  });
  tellWhoEnds(saysWhoEnded);
  const results: StoryResult[] = [];
  for await (const result of compareForges({
    forges: on,
    apps: () => importApps({ apps, legacy: options.legacy }),
    stories: wanted,
    files: options.files === undefined ? {} : filesBelow(options.files),
    log,
    handlerTimeoutMs: options.timeout,
  })) {
    results.push(result);
    if (!options.json) print(result, first.label);
  }
  const good = results.filter(({ problems, differences }) => problems.length === 0 && differences.length === 0).length;
  const silent = results.every(({ counts }) => Object.values(counts).every(({ runs }) => runs === 0));
  if (options.json) console.log(formatJson(results));
  else {
    if (silent) console.log('No app listened to anything that happened.');
    console.log(`${good} of ${results.length} stories went the same on ${on.map(({ label }) => label).join(', ')}.`);
  }
  // An app may have started timers or servers of its own.
  process.exit(good === results.length && !silent ? 0 : 1);
}

export function addAppTestCommand(app: Command): void {
  app
    .command('test')
    .description('play stories with an app on a double of each forge, and print where the outcomes differ')
    .argument('<apps...>', 'as for `app run`')
    .option('--files <folder>', 'what is in the repository, such as the app’s configuration in .github/')
    .option('--story <text>', 'only stories whose name has this in it')
    .addOption(
      new Option('--forge <forge...>', 'only these; the first is compared with').choices(playable.map(({ id }) => id)),
    )
    .addOption(legacyOption())
    .addOption(timeoutOption())
    .option('--verbose', 'what the app logs, too')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Nothing real is touched: the doubles are stateful servers on this machine, which know each forge's API and refuse what it would
refuse. The others are compared with the first, which is GitHub unless --forge says otherwise: there the app is an App with
tokens of its installation. Lines with - are only on the first forge, lines with + only on the one named. Numbers, hashes and
addresses are left out. Where a forge tells of the same by more or other events, whatever apps do, that is said and not counted:
to GitLab, what a review says is a comment. Exit codes: 0 the same everywhere; 1 something differed or failed.

Examples:
  $ forgeway app test ./app.js --files ./test/repository
  $ forgeway app test ./app.js --story issue`,
    )
    .action(test);
}
