/** One app in a Probot of its own, and what it was seen to listen to. */
import { randomBytes } from 'node:crypto';
import { type ApplicationFunction, Probot, type ProbotOctokit } from 'probot';
import { placeOf } from '../lib/error-place.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { runOutside } from '../lib/left-behind.js';
import type { Logger } from '../lib/logger.js';
import type { PageHandler } from './app-pages.js';
import { unwrap } from './failures.js';
import { legacyHint } from './legacy/hint.js';
import { appLog } from './probot-log.js';
import { createSubscriptions, type Subscriptions } from './subscriptions.js';

export interface App {
  /** Stable: dispatch rows are kept under it. */
  name: string;
  /** Probot's own form of an app; options beyond `app` are those of Probot's `load`. */
  load: ApplicationFunction;
  /** May be switched off for single repositories; our own apps may not. */
  optional?: boolean;
  /** Its requests do not come through us as part of the delivery, so that its writes cannot be held back. */
  apart?: boolean;
  /** Only for deliveries of these forges, by id; absent: of all. */
  forges?: readonly string[];
  /**
   * Fields of payloads beyond the small core that it reads, as `pull_request.additions`; asked for where a forge does not
   * send them. An app that does not say may read anything, and gets all of them.
   */
  hydrate?: readonly string[];
  /**
   * Events on which it does something that no pause holds up, and whether that may be in what was received. It is then run with
   * `urgent` in its scope, and must do no more.
   */
  urgent?: { events: readonly string[]; isIn(received: string): boolean };
}

export interface LoadedApp {
  probot: Probot;
  optional: boolean;
  apart: boolean;
  forges: ReadonlySet<string> | undefined;
  wanted: ReadonlySet<string>;
  urgent: App['urgent'];
  subscriptions: Subscriptions;
  /** What answers its HTTP routes, in the order in which it added them. */
  handlers: readonly PageHandler[];
}

/** Has every field. */
const EVERYTHING: ReadonlySet<string> = Object.assign(new Set(['*']), { has: () => true });

/** Whoever starts an app is told when it never ends to load. */
const LOAD_MS = 30_000;

async function inTime(loading: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const told = `it did not return within ${LOAD_MS / 1_000} s. An app registers its listeners and returns`;
    // An app that waits for nothing that can happen lets the process end, which is told by itself.
    timer = setTimeout(() => reject(new Error(told)), LOAD_MS).unref();
  });
  try {
    await Promise.race([loading, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What other people's apps begin when they are loaded, as a schedule of their own does, ends no worker when it fails. */
const strayOf = (app: string, log: Logger) => (error: unknown) => {
  const at = placeOf(error);
  const details = { app, err: unwrap(error).message, ...(at !== undefined && { at }) };
  log.error(details, 'a promise was rejected that the app did not await, outside of any delivery');
};

/** @throws ForgewayError FORGEWAY_APP_UNUSABLE naming the app */
export async function loadApp(app: App, Octokit: typeof ProbotOctokit | undefined, log: Logger): Promise<LoadedApp> {
  const ownLog = appLog(log, app.name);
  // Probot asks for these three, and uses none: our Octokit signs, and deliveries are verified before they get here.
  const identity = { appId: 1, privateKey: 'not used', secret: randomBytes(32).toString('hex') };
  const probot = new Probot({ ...identity, Octokit, log: ownLog });
  const subscriptions = createSubscriptions();
  const handlers: PageHandler[] = [];
  try {
    const load = () =>
      probot.load((original, options) => app.load(subscriptions.recording(original), options), {
        cwd: process.cwd(),
        addHandler: (handler) => void handlers.push(handler),
      });
    await inTime(app.optional ? runOutside({ rejected: strayOf(app.name, log) }, load) : load());
  } catch (error) {
    const place = placeOf(error);
    const level = error instanceof Error ? legacyHint(error) : undefined;
    const hint = level && ` If the app was written for an older Probot, run it with --legacy ${level}.`;
    const told = `${messageOf(error)}${place === undefined ? '' : ` (${place})`}${hint ? `.${hint}` : ''}`;
    throw new ForgewayError('FORGEWAY_APP_UNUSABLE', `The app ${app.name} did not load: ${told}`, { cause: error });
  }
  return {
    probot,
    subscriptions,
    handlers,
    optional: app.optional ?? false,
    apart: app.apart ?? false,
    urgent: app.urgent,
    forges: app.forges && new Set(app.forges),
    wanted: app.hydrate === undefined ? EVERYTHING : new Set(app.hydrate),
  };
}
