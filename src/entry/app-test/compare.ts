/**
 * Plays every story on every forge, and says where the outcomes differ. Forges differ without any app too, in how they keep
 * a review or a draft; so each story is played without apps as well, and what is compared is what the apps have changed.
 */
import type { ForgeDescriptor } from '../../forges/forge.js';
import { NOT_PLAYED } from '../../forges/kit/fake/routing.js';
import type { Logger } from '../../lib/logger.js';
import type { App } from '../../translate/bridge.js';
import { isGiven } from '../app-support.js';
import { requestLines, runLine, stateLines } from './lines.js';
import { type Played, playOn } from './stage.js';
import type { Story } from './stories.js';

/** Lines that one forge has and the first one has not, and the other way round. */
export interface Difference {
  forge: string;
  what: 'runs' | 'requests' | 'effect';
  /** `-` is only on the first forge, `+` only on this one. */
  lines: readonly string[];
}

export interface StoryResult {
  story: string;
  /** By the forge's label. */
  counts: Readonly<Record<string, { runs: number; requests: number }>>;
  /** Failures of apps, requests that a real forge would refuse, and why a story broke off. */
  problems: readonly string[];
  differences: readonly Difference[];
  /**
   * Runs that one forge has and the first one has not only because it tells of what was done by other events: of what people did, or,
   * by the app's own doing, by an event that the other one has not. What such a run asks and leaves behind is compared all the same.
   */
  toldOtherwise: readonly Omit<Difference, 'what'>[];
}

export interface CompareOptions {
  forges: readonly ForgeDescriptor[];
  apps: () => Promise<readonly App[]>;
  stories: readonly Story[];
  files: Readonly<Record<string, string>>;
  log: Logger;
  handlerTimeoutMs?: number | undefined;
}

function countsOf(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

/** How often each line is in the one and not in the other. */
function surplus(lines: readonly string[], than: readonly string[]): Map<string, number> {
  const others = countsOf(than);
  return new Map(
    [...countsOf(lines)].flatMap(([line, count]): [string, number][] => {
      const more = count - (others.get(line) ?? 0);
      return more > 0 ? [[line, more]] : [];
    }),
  );
}

const signed = (sign: string, surplus: ReadonlyMap<string, number>): string[] =>
  [...surplus].map(([line, more]) => `${sign} ${line}${more > 1 ? ` (${more} times)` : ''}`);

/** In whatever order they came: forges tell of one thing sooner or later than of another. */
const difference = (first: readonly string[], other: readonly string[]): string[] => [
  ...signed('-', surplus(first, other)),
  ...signed('+', surplus(other, first)),
];

/** One story on one forge, with the apps and without. */
interface Pair {
  forge: ForgeDescriptor;
  played: Played;
  alone: Played;
}

/** In place of the apps: it hears all that is told, and does nothing. */
const LISTENER: App = {
  name: 'listener',
  load: (app) => {
    app.onAny(() => undefined);
  },
};

const eventsTold = ({ alone }: Pair): string[] => alone.runs.map(({ event }) => event);

interface RunSurplus {
  /** Runs that the other one would have had as well, had it told the same. */
  unlike: Map<string, number>;
  told: Map<string, number>;
}

/** Runs of the one that the other has not. Whoever is told of something once more is run once more. */
function runSurplus(one: Pair, other: Pair): RunSurplus {
  const unlike = surplus(one.played.runs.map(runLine), other.played.runs.map(runLine));
  const told = new Map<string, number>();
  const apps = new Set(one.played.runs.map(({ app }) => app));
  for (const [event, more] of surplus(eventsTold(one), eventsTold(other)))
    for (const app of apps) {
      const line = runLine({ app, event, outcome: 'done' });
      const count = unlike.get(line) ?? 0;
      if (count > 0) told.set(line, Math.min(count, more));
      if (count > more) unlike.set(line, count - more);
      else unlike.delete(line);
    }
  for (const run of one.played.runs) {
    const line = runLine(run);
    const count = unlike.get(line);
    if (count === undefined || run.outcome !== 'done' || isGiven(other.forge, run.event)) continue;
    told.set(line, (told.get(line) ?? 0) + count);
    unlike.delete(line);
  }
  return { unlike, told };
}

function differencesOf(forge: string, first: Pair, other: Pair) {
  const [less, more] = [runSurplus(first, other), runSurplus(other, first)];
  const effect = ({ played, alone }: Pair) => difference(stateLines(alone), stateLines(played));
  const found: Difference[] = [
    { forge, what: 'runs', lines: [...signed('-', less.unlike), ...signed('+', more.unlike)] },
    { forge, what: 'requests', lines: difference(requestLines(first.played), requestLines(other.played)) },
    { forge, what: 'effect', lines: difference(effect(first), effect(other)) },
  ];
  const told = [...signed('-', less.told), ...signed('+', more.told)];
  return {
    differences: found.filter(({ lines }) => lines.length > 0),
    toldOtherwise: told.length === 0 ? [] : [{ forge, lines: told }],
  };
}

function problemsOf(forge: string, { runs, strays, violations, broken }: Played): string[] {
  const failed = runs.filter(({ outcome }) => outcome === 'failed');
  return [
    ...failed.map(({ app, event, reason }) => `${forge}: ${app} failed on ${event}: ${reason}`),
    ...strays.map(
      ({ app, event, reason }) =>
        `${forge}: a promise that ${app} did not await was rejected after it had run on ${event}: ${reason}`,
    ),
    ...violations.map((violation) =>
      violation.endsWith(NOT_PLAYED) ? `${forge}: ${violation}` : `${forge} would not understand: ${violation}`,
    ),
    ...(broken === undefined ? [] : [`${forge}: the story broke off: ${broken}`]),
  ];
}

/** One result for each story, as soon as it is there. */
export async function* compareForges(o: CompareOptions): AsyncGenerator<StoryResult> {
  for (const story of o.stories) {
    const pairs = new Map<string, Pair>();
    // One after another: apps may keep something in their module.
    for (const forge of o.forges) {
      const stage = { forge, files: o.files, log: o.log, handlerTimeoutMs: o.handlerTimeoutMs };
      pairs.set(forge.label, {
        forge,
        alone: await playOn({ ...stage, apps: [LISTENER] }, story.play),
        played: await playOn({ ...stage, apps: await o.apps() }, story.play),
      });
    }
    const [first, ...others] = pairs;
    if (first === undefined) return;
    const compared = others.map(([label, pair]) => differencesOf(label, first[1], pair));
    yield {
      story: story.name,
      counts: Object.fromEntries(
        [...pairs].map(([label, { played }]) => [
          label,
          { runs: played.runs.length, requests: played.requests.length },
        ]),
      ),
      problems: [...pairs].flatMap(([label, { played }]) => problemsOf(label, played)),
      differences: compared.flatMap(({ differences }) => differences),
      toldOtherwise: compared.flatMap(({ toldOtherwise }) => toldOtherwise),
    };
  }
}
