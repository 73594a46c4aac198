/**
 * What a cluster has of ours, kept up to date by watches, so that looking at a thousand previews asks nothing of its API. A
 * list is read at the start and after each watch that ended, at most once a minute for each kind: a server whose store was put back
 * to an earlier state takes a version that it has not come to, and tells nothing until it has, so no watch is believed for long.
 */
import { createHash } from 'node:crypto';
import type { KubernetesObject, V1Deployment } from '@kubernetes/client-node';
import type { Cluster, Stored } from '../../../effects/kubernetes/cluster.js';
import { isExpired } from '../../../effects/kubernetes/failures.js';
import type { KindName } from '../../../effects/kubernetes/kinds.js';
import { pause } from '../../../lib/clock.js';
import { messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/logger.js';
import { LABEL, MANAGER } from './manifests/marks.js';

/** What is watched: what a preview cannot be without, and what somebody may change by hand. */
export const WATCHED = [
  'Namespace',
  'Deployment',
  'Service',
  'NetworkPolicy',
  'ResourceQuota',
] as const satisfies readonly KindName[];
export const OURS = `${LABEL.managedBy}=${MANAGER}`;

export interface Inventory {
  /** False until everything was listed, and again while of some kind it is not known what changed since. */
  isComplete(): boolean;
  get(kind: KindName, namespace: string | undefined, name: string): Stored | undefined;
  all(kind: KindName): Stored[];
  /** Resolves once everything was listed. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** Of labels and annotations, those that we write; controllers of a cluster write others. */
const MARKS = ['forgeway.dev/', 'app.kubernetes.io/', 'pod-security.kubernetes.io/'];

type Object = KubernetesObject & { spec?: Record<string, unknown>; data?: unknown };

/** Of what was written of an object, as the server keeps it: another one means that somebody changed it since. */
export function fingerprint(object: KubernetesObject): string {
  const { kind, metadata, spec, data } = object as Object;
  const ours = (marks: Record<string, string> | undefined) =>
    Object.entries(marks ?? {})
      .filter(([key]) => MARKS.some((prefix) => key.startsWith(prefix)))
      .sort();
  // Sleep and wake change it, and so do those who scale; what serves is told by its status.
  const { replicas: _, ...rest } = spec ?? {};
  const said = [
    kind,
    metadata?.uid,
    ours(metadata?.labels),
    ours(metadata?.annotations),
    kind === 'Namespace' ? null : rest,
    data,
  ];
  return createHash('sha256').update(stable(said)).digest('base64url').slice(0, 16);
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

export const isAvailable = ({ metadata, spec, status }: V1Deployment): boolean =>
  (spec?.replicas ?? 1) > 0 &&
  (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0) &&
  (status?.availableReplicas ?? 0) >= (spec?.replicas ?? 1);

const LIST_EVERY_MS = 60_000;
const AGAIN_MS = 1_000;
/** A watch that cannot be begun, or that breaks off before it has told anything, so many times in a row is not gone on with. */
const MOST_BREAKS = 10;
const keyOf = (namespace: string | undefined, name: string) => `${namespace ?? ''}/${name}`;

export function startInventory(o: {
  cluster: Cluster;
  log: Logger;
  listEveryMs?: number;
  /** Between two tries; default 1 s. */
  againMs?: number;
}): Inventory {
  const { cluster, log, listEveryMs = LIST_EVERY_MS, againMs = AGAIN_MS } = o;
  const stopped = new AbortController();
  const { signal } = stopped;
  const kept = new Map<KindName, Map<string, Stored>>(WATCHED.map((kind) => [kind, new Map()]));
  /** Kinds of which all is known that a watch has told. */
  const listed = new Set<KindName>();
  const everListed = new Set<KindName>();
  const waiting: (() => void)[] = [];
  const isComplete = () => listed.size === WATCHED.length;

  async function relist(kind: KindName): Promise<string> {
    const { items, resourceVersion } = await cluster.list(kind, { labels: OURS, signal });
    kept.set(kind, new Map(items.map((item) => [keyOf(item.metadata.namespace, item.metadata.name), item])));
    listed.add(kind);
    everListed.add(kind);
    if (isComplete()) for (const done of waiting.splice(0)) done();
    return resourceVersion;
  }

  /** Until it is time for another list: as soon as one may be read after the first watch has ended. */
  async function follow(kind: KindName, from: string, listedAt: number): Promise<void> {
    let resourceVersion = from;
    let breaks = 0;
    const over = new AbortController();
    let limit: NodeJS.Timeout | undefined;
    try {
      while (!signal.aborted && !over.signal.aborted) {
        const until = AbortSignal.any([signal, over.signal]);
        try {
          for await (const { type, object } of cluster.watch(kind, { labels: OURS, resourceVersion, signal: until })) {
            breaks = 0;
            resourceVersion = object.metadata.resourceVersion;
            const key = keyOf(object.metadata.namespace, object.metadata.name);
            if (type === 'DELETED') kept.get(kind)?.delete(key);
            else if (type !== 'BOOKMARK') kept.get(kind)?.set(key, { ...object, kind });
          }
        } catch (error) {
          if (over.signal.aborted && !signal.aborted) return;
          breaks += 1;
          if (signal.aborted || isExpired(error) || breaks >= MOST_BREAKS) throw error;
          log.debug({ cluster: cluster.name, kind, error: messageOf(error) }, 'a watch broke off; it goes on');
        }
        limit ??= setTimeout(() => over.abort(), Math.max(0, listedAt + listEveryMs - performance.now()));
        await pause(againMs, AbortSignal.any([signal, over.signal]));
      }
    } finally {
      clearTimeout(limit);
    }
  }

  async function keep(kind: KindName): Promise<void> {
    while (!signal.aborted) {
      let listedAt = performance.now();
      try {
        const from = await relist(kind).finally(() => {
          listedAt = performance.now();
        });
        await follow(kind, from, listedAt);
      } catch (error) {
        if (signal.aborted) return;
        listed.delete(kind);
        log.warn({ cluster: cluster.name, kind, error: messageOf(error) }, 'a kind is listed again soon');
      }
      // What was never listed is asked for sooner: until then nobody can be told anything.
      const rest = (everListed.has(kind) ? listEveryMs : againMs) - (performance.now() - listedAt);
      await pause(Math.max(againMs, rest), signal);
    }
  }

  const loops = WATCHED.map(keep);
  return {
    isComplete,
    get: (kind, namespace, name) => kept.get(kind)?.get(keyOf(namespace, name)),
    all: (kind) => [...(kept.get(kind)?.values() ?? [])],
    ready: () => (isComplete() || signal.aborted ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    async close() {
      stopped.abort();
      for (const done of waiting.splice(0)) done();
      await Promise.all(loops);
    },
  };
}

/** One for each cluster, begun when it is first asked for. */
export function createInventories(log: Logger): { of(home: { cluster: Cluster }): Inventory; close(): Promise<void> } {
  const begun = new Map<Cluster, Inventory>();
  return {
    of({ cluster }) {
      const known = begun.get(cluster) ?? startInventory({ cluster, log });
      begun.set(cluster, known);
      return known;
    },
    async close() {
      await Promise.all([...begun.values()].map((one) => one.close()));
    },
  };
}
