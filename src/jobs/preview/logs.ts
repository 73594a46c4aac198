/** What the build of a preview and the preview itself printed, as far as it is kept on this machine. */
import { BUILD_LOG, LOG } from '../../effects/process/captured-log.js';
import { type LogPage, type LogPosition, readLogPage } from '../../effects/process/log-page.js';
import { runDirectoryOf } from '../../effects/process/sandbox.js';
import type { Place } from './driver.js';
import { workspaceDirectories } from './open-driver.js';
import { placesOf } from './preview-record.js';

export const logStages = ['build', 'run'] as const;
export type LogStage = (typeof logStages)[number];

/** Where to read on: in one stage of one commit's place. `run` tells one start of it from the next. */
export interface LogCursor {
  place: string;
  stage: LogStage;
  run: string;
  at: LogPosition | null;
}

export interface PreviewLog {
  /** The commit that it is of; null: nothing was built, or it is gone. */
  sha: string | null;
  stage: LogStage;
  lines: string[];
  /** Null: there is nothing to go on with. */
  next: LogCursor | null;
  more: boolean;
  /** Nothing is added to it any more. */
  ended: boolean;
  /** What came before the lines is not kept any more. */
  gap: boolean;
}

export interface PreviewLogRequest {
  /** Column `driver_state` of the preview, as it is now. */
  driverState: unknown;
  /** Undefined: of the build while it builds, else of the run. */
  stage: LogStage | undefined;
  lines: number;
  after: LogCursor | undefined;
}

export type ReadPreviewLog = (request: PreviewLogRequest) => Promise<PreviewLog>;

/** Which start of the place's command it is; the build has one. */
function runOf({ handle }: Place): string {
  const process: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'process') : undefined;
  if (typeof process !== 'object' || process === null) return '';
  return `${String(Reflect.get(process, 'pid'))}-${String(Reflect.get(process, 'started'))}`;
}

const nothing = (stage: LogStage): PreviewLog => ({
  ...{ sha: null, stage, lines: [], next: null, more: false, ended: true, gap: false },
});

const unread: LogPage = { lines: [], next: null, more: false, gap: false };

/** Reads where previews of this machine keep their logs. Of a place that is gone there are none. */
export function createPreviewLogs(o: { dataDir: string; workspacesDir?: string }): ReadPreviewLog {
  const directories = workspaceDirectories(o);
  return async ({ driverState, stage: wanted, lines, after }) => {
    const { candidate, serving } = placesOf(driverState);
    const place =
      after === undefined ? (candidate ?? serving) : [candidate, serving].find((one) => one?.id === after.place);
    if (!place) return nothing(after?.stage ?? wanted ?? 'build');
    const stage = after?.stage ?? wanted ?? (place.built ? 'run' : 'build');
    const isBuilt = place.built || place.failure !== null;
    const ended = stage === 'build' ? isBuilt : place.port === null || place.failure !== null;
    const run = stage === 'build' ? '' : runOf(place);
    // Until it is built, what is printed is the build's.
    const hasLog = stage === 'build' || place.built;
    const name = stage === 'build' && place.built ? BUILD_LOG : LOG;
    const position = after?.run === run ? (after.at ?? undefined) : undefined;
    const isAnotherRun = after !== undefined && after.run !== run;
    let page = unread;
    for (const directory of hasLog ? directories : []) {
      page = await readLogPage(runDirectoryOf(directory, place.id), name, { after: position, lines, isWhole: ended });
      if (page.next !== null) break;
    }
    const next = { place: place.id, stage, run, at: page.next };
    return { sha: place.sha, stage, lines: page.lines, next, more: page.more, ended, gap: page.gap || isAnotherRun };
  };
}
