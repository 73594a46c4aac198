/** `npm run demo`: the whole way of a pull request on each forge through the normal program, on this machine. */
import { messageOf } from '../src/lib/errors.js';
import { agentSteps } from './agent-story.js';
import { type DemoOptions, help, readOptions } from './options.js';
import { Progress } from './progress.js';
import { openRunFolder, type RunFolder } from './run-folder.js';
import { type Step, Story } from './story.js';
import type { StoryForge } from './story-forge.js';
import { WorkspaceStory } from './workspace-story.js';
import { startWorld, type World } from './world.js';

const logLines = 15;

interface Outcome {
  ok: number;
  failed: number;
  total: number;
  /** What did not happen, with its reason. */
  failures: string[];
}

/** Runs the steps in order; after one that did not happen the rest cannot. */
async function runSteps(
  steps: readonly Step[],
  progress: Progress,
  world: World,
  stopped: AbortSignal,
): Promise<Outcome> {
  const outcome: Outcome = { ok: 0, failed: 0, total: steps.length, failures: [] };
  for (const step of steps) {
    if (stopped.aborted) break;
    progress.waiting(step.name);
    try {
      progress.done(step.name, await step.run());
      outcome.ok += 1;
    } catch (error) {
      if (stopped.aborted) break;
      outcome.failed += 1;
      outcome.failures.push(`${step.name}: ${messageOf(error)}`);
      progress.failed(step.name, messageOf(error));
      for (const { label, problems } of world.forges)
        for (const problem of problems()) progress.line(`         emulated ${label}: ${problem}`);
      progress.line(`\nLast lines of ${world.folder.log}:`);
      for (const line of await world.server.logTail(logLines)) progress.line(`  ${line}`);
      break;
    }
  }
  return outcome;
}

function printUrls(world: World, forge: StoryForge, story: Story, progress: Progress): void {
  const rows = {
    'pull request': forge.pullRequestUrl(story.number),
    preview: story.previewUrl ?? 'none',
    server: world.server.url,
    'log file': world.folder.log,
    'look inside': `FORGEWAY_DATA_DIR=${world.folder.data} npx forgeway deliveries list`,
  };
  progress.line();
  for (const [name, value] of Object.entries(rows)) progress.line(`  ${name.padEnd(14)}${value}`);
  progress.line('\nCtrl-C to stop');
}

async function runDemo(
  options: DemoOptions,
  folder: RunFolder,
  progress: Progress,
  stopped: AbortSignal,
): Promise<number> {
  progress.line('Forgeway demo: a pull request, the whole way, on three forges.\n');
  progress.waiting('starting');
  const world = await startWorld(options, folder, stopped, (what) => progress.done('started', what));
  progress.done('started', `Forgeway at ${world.server.url}, log ${folder.log}`);
  try {
    const sum: Outcome = { ok: 0, failed: 0, total: 0, failures: [] };
    const tell = async (label: string, steps: readonly Step[]) => {
      progress.line(`\n${label}`);
      const { ok, failed, total, failures } = await runSteps(steps, progress, world, stopped);
      sum.ok += ok;
      sum.failed += failed;
      sum.total += total;
      sum.failures.push(...failures.map((failure) => `${label}, ${failure}`));
    };
    for (const forge of world.forges)
      await tell(forge.label, [
        ...new Story(world, forge, 'new-headline', stopped).steps(),
        ...new WorkspaceStory(world, forge, stopped).steps(),
      ]);
    if (world.hasAgents) await tell('An agent, on all of them', agentSteps(world, stopped));
    else progress.line('\nAn agent: not run, since this machine gives agents no network of their own.');
    const skipped = sum.total - sum.ok - sum.failed;
    const rest = skipped === 0 ? '' : `, ${skipped} not reached`;
    progress.line(`\ndemo: ${sum.total} steps, ${sum.ok} ok, ${sum.failed} failed${rest}`);
    for (const failure of sum.failures) progress.line(`  ${failure}`);
    if (sum.ok < sum.total) return stopped.aborted ? 130 : 1;
    if (options.once) return 0;

    progress.line('\nAnother pull request, to look at:');
    const [forge] = world.forges;
    if (forge === undefined) throw new Error('There is no forge to tell the story on.');
    const open = new Story(world, forge, 'another-headline', stopped);
    const again = await runSteps(open.shortSteps(), progress, world, stopped);
    if (again.failed > 0) return 1;
    if (!stopped.aborted) printUrls(world, forge, open, progress);
    await new Promise<void>((resolve) => {
      const signal = AbortSignal.any([stopped, world.server.ended]);
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    if (stopped.aborted) return 0;
    progress.line(`\n${messageOf(world.server.ended.reason)} See ${folder.log}.`);
    return 1;
  } finally {
    progress.waiting('stopping');
    await world.stop();
    progress.quiet('stopped: server, database, previews, emulated forges; no process is left');
  }
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(`${help}\n`);
    return 0;
  }
  if ('problem' in options) {
    process.stderr.write(`${options.problem}\n\n${help}\n`);
    return 2;
  }
  const stopped = new AbortController();
  // A terminal and npm both pass the signal on, so it may come more than once.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.abort());
  const progress = new Progress(process.stdout, process.env);
  const folder = await openRunFolder(options);
  try {
    return await runDemo(options, folder, progress, stopped.signal);
  } catch (error) {
    // Stopped before everything ran: there is nothing to explain.
    if (error !== stopped.signal.reason) throw error;
    return 130;
  } finally {
    await folder.release();
    progress.line(`The files of this run stay in ${folder.path}; to remove them: rm -rf '${folder.path}'`);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`\ndemo: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
