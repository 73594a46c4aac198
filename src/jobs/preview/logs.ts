/** What the build of a preview and the preview itself printed, as far as it is kept: in files of this machine, or by a cluster. */
import { BUILD_LOG, LOG } from '../../effects/process/captured-log.js';
import { type LogPage, type LogPosition, readLogPage } from '../../effects/process/log-page.js';
import { positionSince } from '../../effects/process/log-times.js';
import { runDirectoryOf } from '../../effects/process/sandbox.js';
import type { Place } from './driver.js';
import { workspaceDirectories } from './open-driver.js';
import { placesOf } from './preview-record.js';
import { createSecretsKnown, type ReadsSecrets } from './secrets-known.js';

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
  preview: {
    organizationId: string;
    repositoryId: string;
    name: string;
    /** Null: it is on this machine. */
    cluster: string | null;
  };
  /** Column `driver_state` of the preview, as it is now. */
  driverState: unknown;
  /** Undefined: of the build while it builds, else of the run. */
  stage?: LogStage | undefined;
  lines: number;
  after?: LogCursor | undefined;
  /** Undefined: of the run that of the service that has the preview's own address; of builds, all. */
  service?: string | undefined;
  /** Only what was printed from then on; on this machine to within a second or two, and never too little. */
  since?: Date | undefined;
}

export type ReadPreviewLog = (request: PreviewLogRequest) => Promise<PreviewLog>;

/** A page of one place, in whatever keeps it. */
export interface PlaceLogRequest extends Omit<PreviewLogRequest, 'driverState' | 'stage'> {
  place: Place;
  stage: LogStage;
  ended: boolean;
}
export type PlaceLogPage = LogPage & { run: string };
export type ReadPlaceLog = (request: PlaceLogRequest) => Promise<PlaceLogPage>;

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

/** Reads where previews of this machine keep their logs. */
function createFileLogs(directories: readonly string[]): ReadPlaceLog {
  return async ({ place, stage, lines, after, ended, since }) => {
    const run = stage === 'build' ? '' : runOf(place);
    // Until it is built, what is printed is the build's.
    const hasLog = stage === 'build' || place.built;
    const name = stage === 'build' && place.built ? BUILD_LOG : LOG;
    const position = after?.run === run ? (after.at ?? undefined) : undefined;
    const isAnotherRun = after !== undefined && after.run !== run;
    let page = unread;
    for (const directory of hasLog ? directories : []) {
      const folder = runDirectoryOf(directory, place.id);
      const start = after === undefined && since !== undefined ? await positionSince(folder, name, since) : position;
      page = await readLogPage(folder, name, { after: start, lines, isWhole: ended });
      if (page.next !== null) break;
    }
    // Between a build and its run the file takes another name: nothing is missed, and the place stays.
    if (page.next === null && position !== undefined) page = { ...page, next: position, gap: false };
    return { ...page, run, gap: page.gap || isAnotherRun };
  };
}

/** Of a place that is gone there are none. @param o.ofCluster reads what a cluster keeps */
export function createPreviewLogs(o: {
  dataDir: string;
  workspacesDir?: string;
  ofCluster?: ReadPlaceLog;
  /** Absent: no preview is given a secret. */
  secretsOf?: ReadsSecrets;
}): ReadPreviewLog {
  const knowSecrets = createSecretsKnown(o.secretsOf ?? (async () => undefined));
  const ofMachine = createFileLogs(workspaceDirectories(o));
  return async ({ driverState, stage: wanted, ...request }) => {
    const { after, preview } = request;
    const { candidate, serving } = placesOf(driverState);
    const place =
      after === undefined ? (candidate ?? serving) : [candidate, serving].find((one) => one?.id === after.place);
    if (!place) return nothing(after?.stage ?? wanted ?? 'build');
    const stage = after?.stage ?? wanted ?? (place.built ? 'run' : 'build');
    await knowSecrets(preview, [place]);
    const isBuilt = place.built || place.failure !== null;
    const isOnCluster = preview.cluster !== null;
    // A cluster goes on trying what has failed.
    const hasEnded = place.port === null || (place.failure !== null && !isOnCluster);
    const ended = stage === 'build' ? isBuilt : hasEnded;
    const read = isOnCluster ? o.ofCluster : ofMachine;
    const page = read && (await read({ ...request, place, stage, ended }));
    if (page === undefined) return nothing(stage);
    const next = { place: place.id, stage, run: page.run, at: page.next };
    return { sha: place.sha, stage, lines: page.lines, next, more: page.more, ended, gap: page.gap };
  };
}
