/** The way back of connecting a forge: the apps hear of it while everything is still there, then it goes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { ForgewayError } from '../../lib/errors.js';
import type { Store } from '../../store/database.js';
import { audit } from '../audit.js';
import { listHooks, removeHook, targetName, targetOf } from '../connection-hooks.js';
import { type CoveredRepository, coveredRepositories, isSeenByApps, removeConnection } from '../connection-rows.js';
import type { ConnectionDirectory, OpenApp, OpenConnection } from '../connections.js';
import type { ConnectionNews } from './connection-news.js';
import { deleteHeldData, runningPreviews } from './held-data.js';
import { administrationOf, hookRefusal, isForgeFailure, isSilent, type NativeOf, refused } from './probe.js';
import type { EndedConnection } from './revocations.js';
import { placeName } from './write-hook.js';

export interface DisconnectOptions {
  store: Store;
  news: ConnectionNews;
  organizationId: string;
  directory: ConnectionDirectory;
  nativeOf: NativeOf;
  /** See `endToken`. */
  endToken(ended: EndedConnection): Promise<string | undefined>;
  /** Lines for a person. */
  progress(line: string): void;
  /** Who asked for it, for the audit trail; absent: whoever runs the machine. */
  by?: string;
  /** How long the apps may take to hear of it before nothing is removed; default 30 s. 0: they are not waited for. */
  toldWithinMs?: number;
  /** How long the forge may take to remove a webhook; default 10 s. */
  hookWithinMs?: number;
  /** It is removed all the same when they have not heard of it by then. */
  removesAnyway?: boolean;
}

export interface DisconnectRequest {
  connectionId: string;
  /** `owner/name` as people write it; empty: the whole connection. */
  repositories: readonly string[];
  /** Leave the webhooks at the forge. */
  keepHooks: boolean;
  /** Also delete what is held of it: deliveries, the mirror, records. Only with the whole connection. */
  withData?: boolean;
}

export interface Disconnected {
  id: string;
  /** `owner/name`; those that are no longer served. */
  repositories: readonly string[];
  /** Whether the connection itself is gone. */
  removed: boolean;
  /** Webhooks that are still at the forge, and what else a person may want to know. */
  problems: readonly string[];
}

const BY_HAND = 'Delete it on the forge’s own page.';
/** Of one webhook. A forge that hangs would hold up whoever disconnects for as long as any request to it may take. */
const HOOK_MS = 10_000;
const TOLD_MS = 30_000;
const POLL_MS = 250;

function chosen(covered: readonly CoveredRepository[], names: readonly string[]): CoveredRepository[] {
  return names.map((text) => {
    const slash = text.lastIndexOf('/');
    const name = `${text.slice(0, slash).replaceAll('/', '~')}/${text.slice(slash + 1)}`.toLowerCase();
    const found = covered.find((one) => `${one.owner}/${one.name}`.toLowerCase() === name);
    if (found === undefined) {
      const known = covered.map((one) => `${one.owner}/${one.name}`.replaceAll('~', '/')).join(', ');
      throw refused(`${text} is not served by this connection, which has ${known || 'no repositories'}.`);
    }
    return found;
  });
}

async function tell(
  o: DisconnectOptions,
  connection: OpenConnection | OpenApp,
  repositories: readonly CoveredRepository[] | 'all',
  problem: (text: string) => void,
): Promise<void> {
  const told = await o.news.removed(connection, repositories);
  const ms = o.toldWithinMs ?? TOLD_MS;
  const outcome = await o.news.outcome(told, ms);
  if (outcome?.status === 'dead') problem(`An app failed when it was told: ${outcome.reason ?? 'it gave no reason'}.`);
  if (outcome !== undefined) return;
  if (ms > 0 && !o.removesAnyway)
    throw refused(
      `The apps have not dealt with it in ${ms / 1_000} s, so nothing was removed. Is a worker running (\`forgeway up\`), and is nothing paused (\`forgeway holds\`)? Run this again, or add --now to remove it all the same.`,
    );
  problem('The apps were not waited for, and may not learn of it.');
}

/** What a preview runs as is known by its row alone, which therefore outlives it. */
async function previewsGone({ store, organizationId, toldWithinMs }: DisconnectOptions, id: string): Promise<void> {
  const end = performance.now() + (toldWithinMs ?? TOLD_MS);
  for (;;) {
    const running = await runningPreviews(store, organizationId, id);
    if (running === 0) return;
    if (performance.now() >= end)
      throw refused(
        `${running} of its previews are not cleared away yet, so nothing was deleted. Run this again when a worker has done it, or leave --with-data out.`,
      );
    await sleep(POLL_MS);
  }
}

/** What is asked goes on, and nobody waits for it any more. @throws ForgewayError FORGEWAY_FORGE_UNREACHABLE */
async function inTime(asked: Promise<void>, ms: number): Promise<void> {
  const over = new AbortController();
  const late = sleep(ms, undefined, { signal: over.signal }).then(() => {
    throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', `The forge has not answered in ${ms / 1_000} s.`);
  });
  try {
    await Promise.race([asked, late]);
  } finally {
    over.abort();
  }
}

/** @throws ForgewayError FORGEWAY_CONNECTION_REFUSED saying why nothing was removed */
export async function disconnectForge(o: DisconnectOptions, request: DisconnectRequest): Promise<Disconnected> {
  const { store, organizationId, progress } = o;
  const { connectionId } = request;
  const problems: string[] = [];
  const problem = (text: string) => {
    problems.push(text);
    progress(`! ${text}`);
  };
  if (request.withData && request.repositories.length > 0)
    throw refused('The data goes with the whole connection only, not with some of its repositories.');
  const covered = await coveredRepositories(store, organizationId, connectionId);
  const whole = request.repositories.length === 0;
  const leaving = whole ? covered : chosen(covered, request.repositories);
  const names = leaving.map(({ owner, name }) => `${owner}/${name}`);

  let opened: OpenConnection | OpenApp | undefined;
  try {
    // No app knows of one that no forge has confirmed.
    if (await isSeenByApps(store, organizationId, connectionId))
      opened = await o.directory.speaker(organizationId, connectionId, { inAnyState: true });
  } catch (error) {
    if (!isForgeFailure(error)) throw error;
    problem(`The connection cannot be opened, so neither apps nor forge are told: ${error.message}`);
  }
  if (opened !== undefined) await tell(o, opened, whole ? 'all' : leaving, problem);
  const connection = opened !== undefined && !('app' in opened) ? opened : undefined;

  if (request.withData) await previewsGone(o, connectionId);

  // A forge that is away would be waited for at every webhook.
  let isAway = false;
  for (const hook of await listHooks(store, organizationId, connectionId)) {
    const target = targetOf(hook);
    if (!whole && !(target.level === 'repository' && names.includes(targetName(target)))) continue;
    if (!request.keepHooks && hook.remoteHookId !== null && connection !== undefined) {
      const administration = administrationOf(connection.forge);
      const left = `The webhook at ${placeName(target) || hook.host} is still there:`;
      try {
        if (isAway) problem(`${left} the forge does not answer. ${BY_HAND}`);
        else {
          await inTime(
            administration.deleteHook(o.nativeOf(connection), target, hook.remoteHookId),
            o.hookWithinMs ?? HOOK_MS,
          );
          progress(`removed the webhook at ${placeName(target) || hook.host}`);
        }
      } catch (error) {
        if (!isForgeFailure(error)) throw error;
        isAway = isSilent(error);
        // The owner wants to be rid of it, whatever the forge says by now. What it still sends is refused.
        problem(`${left} ${hookRefusal(administration, error, target)} ${BY_HAND}`);
      }
    }
    if (!whole) await removeHook(store, organizationId, hook.id);
  }
  if (whole) {
    await removeConnection(store, organizationId, connectionId, {
      ...(o.by !== undefined && { by: o.by }),
      ...(request.withData && { beforehand: (tx) => deleteHeldData(tx, connectionId) }),
    });
    const left = await o.endToken({ organizationId, connectionId });
    if (left !== undefined) problem(left);
  } else
    await store.tenant(organizationId, (tx) =>
      audit(tx, organizationId, 'connection.repositories_removed', connectionId, { repositories: names }, o.by),
    );
  return { id: connectionId, repositories: names, removed: whole, problems };
}
