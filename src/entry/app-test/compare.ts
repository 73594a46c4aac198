/**
 * Plays every story on every forge, and says where the outcomes differ. Forges differ without any app too, in how they keep
 * a review or a draft; so each story is played without apps as well, and what is compared is what the apps have changed.
 */
import type { ForgeDescriptor } from '../../forges/forge.js';
import { NOT_PLAYED } from '../../forges/kit/fake/routing.js';
import type { Logger } from '../../lib/logger.js';
import type { App } from '../../translate/bridge.js';
import { requestLines, runLines, stateLines } from './lines.js';
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
}

export interface CompareOptions {
  forges: readonly ForgeDescriptor[];
  apps: () => Promise<readonly App[]>;
  stories: readonly Story[];
  files: Readonly<Record<string, string>>;
  log: Logger;
}

function countsOf(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

/** In whatever order they came: forges tell of one thing sooner or later than of another. */
function difference(first: readonly string[], other: readonly string[]): string[] {
  const surplus = (lines: readonly string[], than: ReadonlyMap<string, number>, sign: string) =>
    [...countsOf(lines)].flatMap(([line, count]) => {
      const more = count - (than.get(line) ?? 0);
      return more > 0 ? [`${sign} ${line}${more > 1 ? ` (${more} times)` : ''}`] : [];
    });
  return [...surplus(first, countsOf(other), '-'), ...surplus(other, countsOf(first), '+')];
}

/** One story on one forge, with the apps and without. */
interface Pair {
  played: Played;
  alone: Played;
}

const PARTS: readonly (readonly [Difference['what'], (pair: Pair) => string[]])[] = [
  ['runs', ({ played }) => runLines(played)],
  ['requests', ({ played }) => requestLines(played)],
  ['effect', ({ played, alone }) => difference(stateLines(alone), stateLines(played))],
];

function problemsOf(forge: string, { runs, violations, broken }: Played): string[] {
  const failed = runs.filter(({ outcome }) => outcome === 'failed');
  return [
    ...failed.map(({ app, event, reason }) => `${forge}: ${app} failed on ${event}: ${reason}`),
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
      const stage = { forge, files: o.files, log: o.log };
      pairs.set(forge.label, {
        alone: await playOn({ ...stage, apps: [] }, story.play),
        played: await playOn({ ...stage, apps: await o.apps() }, story.play),
      });
    }
    const [first, ...others] = pairs;
    if (first === undefined) return;
    yield {
      story: story.name,
      counts: Object.fromEntries(
        [...pairs].map(([label, { played }]) => [
          label,
          { runs: played.runs.length, requests: played.requests.length },
        ]),
      ),
      problems: [...pairs].flatMap(([label, { played }]) => problemsOf(label, played)),
      differences: others.flatMap(([label, pair]) =>
        PARTS.flatMap(([what, linesOf]) => {
          const lines = difference(linesOf(first[1]), linesOf(pair));
          return lines.length === 0 ? [] : [{ forge: label, what, lines }];
        }),
      ),
    };
  }
}
