/**
 * Runs previews on a Kubernetes cluster (ADR 30): each has a namespace of its own, each commit in it a Deployment and a Service
 * per service. Whose a namespace is, is looked at before anything in it is written or deleted. Everything is applied and may be
 * applied again: a worker that died anywhere is followed by another that looks and goes on.
 */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { V1Deployment, V1Pod, V1ResourceQuota, V1StatefulSet } from '@kubernetes/client-node';
import type { Cluster } from '../../../effects/kubernetes/cluster.js';
import type { KindName } from '../../../effects/kubernetes/kinds.js';
import { refOf } from '../../../effects/kubernetes/kinds.js';
import type { Manifest } from '../../../effects/kubernetes/manifest.js';
import { pause } from '../../../lib/clock.js';
import { ForgewayError } from '../../../lib/errors.js';
import type { Place, PlaceFailure, PreviewDriver, PreviewFacts } from '../driver.js';
import { headRefOf } from '../driver.js';
import type { PreviewConfig, ServiceConfig } from '../preview-config.js';
import { UNNAMED } from '../preview-record.js';
import { runJob } from './building.js';
import type { PreviewCluster, PreviewClusters } from './clusters.js';
import { makeRoomForDatabase } from './database.js';
import { whyNotReady, whyStillNotReady } from './diagnosis.js';
import { handleOf, type KubernetesHandle } from './handle.js';
import { fingerprint, type Inventory, isAvailable, WATCHED } from './inventory.js';
import type { PlaceInput, PreviewFrame } from './manifests/input.js';
import {
  builds,
  builtDigest,
  foundation,
  imagesOf,
  placeSecretNames,
  QUOTA,
  routes,
  running,
  whyNot,
  workloadName,
} from './manifests/manifests.js';
import { LABEL, placeKey } from './manifests/marks.js';
import { ensureNamespace, findNamespace, removeNamespace } from './namespace.js';
import { askAgain, refusalOf, refusedSet } from './refusals.js';
import { tellFailure } from './tell-failure.js';
import { createWallWatch } from './walls.js';

export interface KubernetesDriverOptions {
  clusters: PreviewClusters;
  /** What is known of a cluster without asking it. */
  inventoryOf: (cluster: PreviewCluster) => Inventory;
  /** How often something that is waited for is looked at; default 2 s. */
  pollMs?: number;
  /** How long a removed namespace is waited for at a time; default 10 s. */
  removeWaitMs?: number;
  /** How long a cluster that was asked to make refused pods once more is given for it; default 5 s. */
  refusedForMs?: number;
}

/** What a place is made of beside its pods, and so what goes with it. */
/** Found by their labels; Secrets are not, since nobody of ours may list them. */
const OF_PLACE: readonly KindName[] = ['Deployment', 'Service', 'Job'];
const SEEDED = 'forgeway.dev/seeded';
const DATABASE = 'database';
const QUOTA_WAIT_MS = 10_000;
const QUOTA_POLL_MS = 200;

const refText = (manifest: Manifest) => `${manifest.kind}/${manifest.metadata.name}`;

export function createKubernetesDriver(options: KubernetesDriverOptions): PreviewDriver {
  const { clusters, inventoryOf, pollMs = 2_000, removeWaitMs = 10_000, refusedForMs = 5_000 } = options;
  const wallWatch = createWallWatch();
  const removal = { waitMs: removeWaitMs, pollMs: Math.min(pollMs, 500) };

  async function clusterOf({
    cluster,
    organizationId,
  }: Pick<PreviewFacts, 'cluster' | 'organizationId'>): Promise<PreviewCluster> {
    return clusters.open(cluster ?? (await clusters.homeOf(organizationId)), organizationId);
  }

  const frameOf = (place: Place, facts: PreviewFacts, { settings }: PreviewCluster): PreviewFrame => ({
    ...{ name: facts.name, identity: facts.identity, trusted: place.trusted, config: place.config, settings },
    ...{ private: facts.private, ...(!place.trusted && { approved: place.sha }) },
  });

  /** The forge's own registry takes the forge's own credential, unless the operator has named another. */
  async function registriesOf({ trusted }: Place, home: PreviewCluster, facts: PreviewFacts) {
    const { registry } = home.settings;
    if (!trusted || registry.kind !== 'forge' || home.registries[registry.host] !== undefined) return home.registries;
    const { username, password } = await facts.source();
    return password === '' ? home.registries : { ...home.registries, [registry.host]: { username, password } };
  }

  async function inputOf(place: Place, facts: PreviewFacts, home: PreviewCluster): Promise<PlaceInput> {
    const names = [...new Set(place.config.services.flatMap(({ secrets }) => secrets))];
    return {
      frame: frameOf(place, facts, home),
      placeId: place.id,
      sha: place.sha,
      pull: await registriesOf(place, home, facts),
      secrets: place.trusted && names.length > 0 ? await facts.secrets(names) : {},
      // Of the Secret that is there already nothing is changed, and nobody but its pods needs to read it.
      databasePassword: randomBytes(24).toString('hex'),
    };
  }

  /** Applies them one after the other: what comes later may need what stands before it. Answers what was written. */
  async function applyAll(
    cluster: Cluster,
    manifests: readonly Manifest[],
    signal?: AbortSignal,
  ): Promise<Record<string, string>> {
    const applied: Record<string, string> = {};
    for (const manifest of manifests) {
      if (manifest.kind === 'Secret' && manifest.metadata.name === DATABASE) {
        await cluster.create(manifest, signal);
        continue;
      }
      const stored = await cluster.apply(manifest, { signal });
      if (isWatched(manifest.kind)) applied[refText(manifest)] = fingerprint(stored);
    }
    return applied;
  }

  /** What is let in is decided by what the quota's controller has counted last: nothing of a new one, too little of one that grew. */
  async function quotaCounts(cluster: Cluster, namespace: string, signal: AbortSignal): Promise<void> {
    const until = performance.now() + QUOTA_WAIT_MS;
    for (;;) {
      const quota = await cluster.get<V1ResourceQuota>({ kind: 'ResourceQuota', namespace, name: QUOTA }, signal);
      // Without that controller the server will say what it lacks.
      if (isDeepStrictEqual(quota?.status?.hard, quota?.spec?.hard) || performance.now() > until) return;
      await pause(Math.min(pollMs, QUOTA_POLL_MS), signal);
      signal.throwIfAborted();
    }
  }

  /** Walls first, and nothing before they stand. */
  async function prepare(
    frame: PreviewFrame,
    { cluster }: PreviewCluster,
    signal: AbortSignal,
  ): Promise<Record<string, string>> {
    const [namespace, ...walls] = foundation(frame);
    const stored = await ensureNamespace(cluster, namespace, frame.identity, { ...removal, signal });
    // None of them needs another; nothing is started before all of them stand.
    const applied = await Promise.all(walls.map((wall) => applyAll(cluster, [wall], signal)));
    await quotaCounts(cluster, frame.name, signal);
    return Object.assign({ [refText(namespace)]: fingerprint(stored) }, ...applied);
  }

  const handleFor = (
    { organizationId, name, private: isPrivate }: PreviewFacts,
    { id }: PreviewCluster,
    o: Pick<KubernetesHandle, 'images' | 'applied'>,
  ): KubernetesHandle => ({ organizationId, cluster: id, namespace: name, private: isPrivate, ...o });

  const failed = (place: Place, failure: PlaceFailure): Place => ({ ...place, failure });

  /** What `detect` finds in this commit. */
  async function resolved(
    config: PreviewConfig,
    facts: PreviewFacts,
    sha: string,
    home: PreviewCluster,
  ): Promise<PreviewConfig> {
    if (config.services.every(({ source }) => source.kind !== 'detect')) return config;
    const hasDockerfile = await facts.hasFile('Dockerfile', sha);
    const found = (service: ServiceConfig): ServiceConfig => {
      if (service.source.kind !== 'detect') return service;
      if (hasDockerfile)
        return { ...service, source: { kind: 'dockerfile', dockerfile: 'Dockerfile', context: '.', args: {} } };
      return home.settings.build.buildpack === undefined
        ? service
        : { ...service, source: { kind: 'buildpack', context: '.' } };
    };
    return { ...config, services: config.services.map(found) };
  }

  async function buildImages(place: Place, facts: PreviewFacts, home: PreviewCluster, signal: AbortSignal) {
    const input = await inputOf(place, facts, home);
    const isBuilt = place.config.services.some(
      ({ source }) => source.kind === 'dockerfile' || source.kind === 'buildpack',
    );
    if (!isBuilt) return { images: imagesOf(input) };
    const source = await facts.source();
    const { username, password } = source;
    const manifests = builds({
      ...input,
      source: {
        url: source.url,
        ref: headRefOf(facts, source),
        ...(password !== '' && { credential: { username, password } }),
      },
      push: await registriesOf(place, home, facts),
      ...(home.buildkitTls !== undefined && { buildkitTls: home.buildkitTls }),
    });
    const secrets = manifests.filter((one) => one.kind === 'Secret');
    await applyAll(home.cluster, secrets, signal);
    const digests: Record<string, string> = {};
    try {
      for (const job of manifests) {
        if (job.kind !== 'Job') continue;
        const service = job.metadata.labels[LABEL.service] ?? '';
        const what = place.config.services.length === 1 ? 'The build' : `The build of ${service}`;
        const result = await runJob(job, { cluster: home.cluster, what, pollMs, signal });
        if ('failure' in result) return result;
        const digest = builtDigest(result.message);
        if (digest !== undefined) digests[service] = digest;
      }
    } finally {
      // Of no use after the build, and better not there; also when it was stopped.
      for (const secret of secrets) await home.cluster.delete(refOf(secret));
    }
    return { images: imagesOf(input, digests) };
  }

  const deploymentsOf = (place: Place) =>
    place.config.services.map(({ name }) => ({ service: name, name: workloadName(name, place.id) }));

  async function readDeployments(place: Place, { cluster }: PreviewCluster, namespace: string, signal?: AbortSignal) {
    return Promise.all(
      deploymentsOf(place).map(async ({ service, name }) => ({
        service,
        deployment: await cluster.get<V1Deployment>({ kind: 'Deployment', namespace, name }, signal),
      })),
    );
  }

  /** Undefined while the database may still come up. */
  async function seed(
    place: Place,
    input: PlaceInput & { images: Record<string, string> },
    home: PreviewCluster,
    signal: AbortSignal,
  ): Promise<PlaceFailure | undefined> {
    const { cluster } = home;
    const namespace = input.frame.name;
    const manifest = running({ ...input, asleep: false }).seed;
    if (manifest === undefined) return undefined;
    const ref = { kind: 'StatefulSet' as const, namespace, name: DATABASE };
    const until = performance.now() + home.settings.readyTimeoutSeconds * 1_000;
    for (;;) {
      const database = await cluster.get<V1StatefulSet>(ref, signal);
      if (database?.metadata.annotations?.[SEEDED] !== undefined) return undefined;
      if ((database?.status?.readyReplicas ?? 0) > 0) break;
      if (performance.now() > until) {
        const { seconds, pods, events } = await evidence(place, home, namespace, `${LABEL.part}=${DATABASE}`);
        const refused = refusedSet({ name: DATABASE, what: 'the database', pods, events });
        if (refused !== undefined) throw refusalOf(refused);
        return tellFailure(cluster, namespace, whyStillNotReady({ what: 'The database', seconds, pods, events }));
      }
      await pause(pollMs, signal);
      signal.throwIfAborted();
    }
    const result = await runJob(manifest, { cluster, what: 'The seed of the database', pollMs, signal });
    if ('failure' in result) return result.failure;
    // Under a manager of its own, so that the next apply of the database leaves it.
    const mark = {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: DATABASE, namespace, annotations: { [SEEDED]: place.id } },
    };
    await cluster.apply(mark, { manager: 'forgeway-seed', signal });
    return undefined;
  }

  /** What a cluster whose store was put back to an earlier state has again of places that are long gone. */
  async function removeLeftOvers({ cluster }: PreviewCluster, { name: namespace, places }: PreviewFacts) {
    const known = new Set(places.map(placeKey));
    const labels = `${LABEL.preview}=${namespace},${LABEL.place}`;
    for (const kind of OF_PLACE) {
      const { items } = await cluster.list(kind, { namespace, labels });
      for (const { metadata } of items) {
        const { name, uid, labels: said } = metadata;
        if (known.has(said?.[LABEL.place] ?? '')) continue;
        await cluster.delete({ kind, namespace, name }, { uid });
      }
    }
  }

  async function evidence(place: Place, home: PreviewCluster, namespace: string, labels: string) {
    const { items: pods } = await home.cluster.list<V1Pod>('Pod', { namespace, labels });
    const events = await home.cluster.events(namespace);
    return { seconds: home.settings.readyTimeoutSeconds, pods, events, place };
  }

  function glance(place: Place, handle: KubernetesHandle, inventory: Inventory): 'built' | 'started' | 'ready' {
    const { namespace } = handle;
    for (const [text, written] of Object.entries(handle.applied)) {
      const [kind = '', name = ''] = text.split('/');
      const found = inventory.get(kind as KindName, kind === 'Namespace' ? undefined : namespace, name);
      if (found === undefined || fingerprint(found) !== written) return 'built';
    }
    const all = deploymentsOf(place).map(
      ({ name }) => inventory.get('Deployment', namespace, name) as V1Deployment | undefined,
    );
    return all.every((one) => one !== undefined && isAvailable(one)) ? 'ready' : 'started';
  }

  return {
    name: 'kubernetes',
    home: (organizationId) => clusters.homeOf(organizationId),

    async observe(place, facts) {
      if (!place.built) return place.failure === null ? 'unfinished' : 'failed';
      const home = await clusterOf(facts);
      if ((await findNamespace(home.cluster, facts.name, facts.identity)) === undefined) return 'unfinished';
      if (place.port === null) return place.failure === null ? 'built' : 'failed';
      const { applied = {}, private: wasPrivate } = handleOf(place) ?? {};
      // Its walls are others now.
      if (wasPrivate !== facts.private) return 'built';
      const found = await readDeployments(place, home, facts.name);
      const isDrifted = found.some(({ deployment }) => {
        return (
          deployment === undefined || applied[`Deployment/${deployment.metadata.name}`] !== fingerprint(deployment)
        );
      });
      if (isDrifted || (await wallWatch.differ(home.cluster, facts.name, applied))) return 'built';
      const isUp = found.every(({ deployment }) => deployment !== undefined && isAvailable(deployment));
      // The cluster goes on trying, so what has failed may have mended itself.
      if (place.failure !== null && !isUp) return 'failed';
      return isUp && place.answered ? 'ready' : 'started';
    },

    async glance(place, facts) {
      if (!place.built) return place.failure === null ? 'unfinished' : 'failed';
      if (place.port === null) return place.failure === null ? 'built' : 'failed';
      const handle = handleOf(place);
      const asWritten = place.failure === null ? 'ready' : 'failed';
      if (handle === undefined) return asWritten;
      if (handle.private !== facts.private) return 'built';
      const inventory = inventoryOf(await clusters.open(handle.cluster, handle.organizationId));
      if (!inventory.isComplete()) return asWritten;
      const seen = glance(place, handle, inventory);
      return place.failure !== null && seen !== 'ready' ? 'failed' : seen;
    },

    async build(place, facts, signal) {
      const home = await clusterOf(facts);
      const config = await resolved(place.config, facts, place.sha, home);
      const resolvedPlace = { ...place, config };
      const refusal = whyNot(frameOf(resolvedPlace, facts, home));
      if (refusal !== undefined) return failed(resolvedPlace, { cause: refusal, log: '' });
      const applied = await prepare(frameOf(resolvedPlace, facts, home), home, signal);
      const result = await buildImages(resolvedPlace, facts, home, signal);
      if ('failure' in result) return failed(resolvedPlace, result.failure);
      const handle = handleFor(facts, home, { images: result.images, applied });
      return { ...resolvedPlace, built: true, handle };
    },

    async start(place, facts, signal) {
      const home = await clusterOf(facts);
      const { cluster } = home;
      const images = handleOf(place)?.images ?? {};
      const input = await inputOf(place, facts, home);
      const walls = await prepare(input.frame, home, signal);
      const { before, services } = running({ ...input, images, asleep: false });
      await makeRoomForDatabase(cluster, before, { pollMs, signal });
      const base = await applyAll(cluster, before, signal);
      const unseeded = await seed(place, { ...input, images }, home, signal);
      if (unseeded !== undefined) return failed(place, unseeded);
      const applied = { ...walls, ...base, ...(await applyAll(cluster, services, signal)) };
      await removeLeftOvers(home, facts);
      const entrance = place.config.services.find((one) => one.public) ?? place.config.services[0];
      const service = { cluster: home.id, namespace: facts.name, name: workloadName(entrance?.name ?? '', place.id) };
      const handle = handleFor(facts, home, { images, applied });
      return {
        ...place,
        port: entrance?.port ?? null,
        service,
        handle,
        answered: place.answered && place.port !== null,
        failure: null,
      };
    },

    async awaitReady(place, facts, signal) {
      const home = await clusterOf(facts);
      const namespace = facts.name;
      const what = 'The preview';
      const asked = new Set<string>();
      const patience = performance.now() + refusedForMs;
      const until = performance.now() + home.settings.readyTimeoutSeconds * 1_000;
      for (;;) {
        const found = await readDeployments(place, home, namespace, signal);
        const late = found.filter(({ deployment }) => deployment === undefined || !isAvailable(deployment));
        if (late.length === 0) return { ...place, answered: true };
        const isOver = performance.now() >= until;
        for (const { service, deployment } of late) {
          const labels = `${LABEL.place}=${placeKey(place.id)},${LABEL.service}=${service},${LABEL.part}=service`;
          const { items: pods } = await home.cluster.list<V1Pod>('Pod', { namespace, labels, signal });
          const who = place.config.services.length === 1 ? what : `${what} (${service})`;
          const bad = whyNotReady({ what: who, deployment, pods, events: [] });
          if (bad?.refused && deployment !== undefined) {
            if (asked.has(service) && performance.now() >= patience) throw refusalOf(bad);
            if (!asked.has(service)) await askAgain(home.cluster, deployment, signal);
            asked.add(service);
            continue;
          }
          if (bad === undefined && !isOver) continue;
          const events = await home.cluster.events(namespace, signal);
          const seconds = home.settings.readyTimeoutSeconds;
          const cause =
            whyNotReady({ what: who, deployment, pods, events }) ??
            whyStillNotReady({ what: who, seconds, pods, events });
          return failed(place, await tellFailure(home.cluster, namespace, cause));
        }
        await pause(pollMs, signal);
        signal.throwIfAborted();
      }
    },

    // Its cluster starts again what ends by itself.
    giveUp: async (place) => failed(place, { cause: 'The preview ended by itself', log: '' }),

    async stop(place, facts) {
      const home = await clusterOf(facts);
      const handle = handleOf(place);
      const asleep = { ...place, port: null, service: null, answered: false };
      if (handle === undefined || (await findNamespace(home.cluster, facts.name, facts.identity)) === undefined)
        return asleep;
      const input = await inputOf(place, facts, home);
      const { before, services } = running({ ...input, images: handle.images, asleep: true });
      await makeRoomForDatabase(home.cluster, before, { pollMs });
      const scaled = [...before, ...services].filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
      await applyAll(home.cluster, scaled);
      return asleep;
    },

    // It runs on without us.
    halt: async (place) => place,

    async seesVisits(facts) {
      return facts.private || (await clusterOf(facts)).settings.route.kind === 'gateway';
    },

    async publish(serving, facts) {
      const home = await clusterOf(facts);
      if (home.settings.route.kind === 'gateway' || facts.name.startsWith(UNNAMED)) return;
      if ((await findNamespace(home.cluster, facts.name, facts.identity)) === undefined) return;
      // What has no way of its own falls to the wildcard record, and so to our listener.
      const isOpen = serving?.answered === true && serving.port !== null && !facts.private && !facts.watched;
      const wanted = isOpen ? routes(await inputOf(serving, facts, home)) : [];
      await applyAll(home.cluster, wanted);
      const kind = home.settings.route.kind === 'ingress' ? 'Ingress' : 'HTTPRoute';
      const { items } = await home.cluster.list(kind, {
        namespace: facts.name,
        labels: `${LABEL.preview}=${facts.name}`,
      });
      const names = wanted.map(({ metadata }) => metadata.name);
      for (const { metadata } of items) {
        const { name, uid } = metadata;
        if (!names.includes(name)) await home.cluster.delete({ kind, namespace: facts.name, name }, { uid });
      }
    },

    async remove(place, facts) {
      if (facts.name.startsWith(UNNAMED)) return;
      const { cluster } = await clusterOf(facts);
      try {
        if ((await findNamespace(cluster, facts.name, facts.identity)) === undefined) return;
      } catch (error) {
        // What is on its way out takes the place with it, and in another's namespace there is nothing of ours.
        if (error instanceof ForgewayError && LEFT_ALONE.has(error.code)) return;
        throw error;
      }
      const labels = `${LABEL.preview}=${facts.name},${LABEL.place}=${placeKey(place.id)}`;
      for (const kind of OF_PLACE) {
        const { items } = await cluster.list(kind, { namespace: facts.name, labels });
        for (const { metadata } of items) {
          const { name, uid } = metadata;
          await cluster.delete({ kind, namespace: facts.name, name }, { uid });
        }
      }
      for (const name of placeSecretNames(place.config, place.id))
        await cluster.delete({ kind: 'Secret', namespace: facts.name, name });
    },

    async removeAll(facts) {
      if (facts.name.startsWith(UNNAMED)) return;
      const { cluster } = await clusterOf(facts);
      await removeNamespace(cluster, facts.name, facts.identity, removal);
    },

    // Nothing of it runs on this machine; what nobody knows is found by the collector.
    stopAll: async () => undefined,
    list: async () => [],
    removeUnknown: async () => undefined,
  };
}

const isWatched = (kind: string): boolean => (WATCHED as readonly string[]).includes(kind);
const LEFT_ALONE: ReadonlySet<string> = new Set(['FORGEWAY_NAMESPACE_FOREIGN', 'FORGEWAY_NAMESPACE_TERMINATING']);
