/** Runs previews as isolated processes of this machine. */
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { originOf, type Upstream, upstreamAgent, upstreamOf } from '../../effects/gateway/upstream.js';
import type { GitMirrors } from '../../effects/git/mirror.js';
import { allowedVariables, cleanEnvironment } from '../../effects/process/clean-environment.js';
import { EGRESS_ENVIRONMENT, openEgress } from '../../effects/process/egress.js';
import { listensOn } from '../../effects/process/process-table.js';
import type { Sandbox, SandboxExit, Sandboxes } from '../../effects/process/sandbox.js';
import { pause } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { shortSha } from '../../lib/ids.js';
import type { Place, PreviewDriver, PreviewFacts } from './driver.js';
import { headRefOf } from './driver.js';
import type { CommandsSource, PreviewConfig, ServiceConfig } from './preview-config.js';
import type { Condition } from './state.js';

/** What a build may reach: public addresses through our proxy, everything that this machine can, or nothing. */
export type BuildNetwork = 'public' | 'shared' | 'none';

export interface ProcessDriverOptions {
  mirrors: GitMirrors;
  sandboxes: Sandboxes;
  buildTimeoutMs: number;
  readyTimeoutMs: number;
  buildNetwork: BuildNetwork;
}

const LOG_LINES = 40;
const POLL_MS = 100;
const RESTARTS = 3;
const HEALTH_TIMEOUT_MS = 5_000;

function isSandbox(value: unknown): value is Sandbox {
  return typeof value === 'object' && value !== null && 'id' in value && 'uid' in value && 'process' in value;
}

/** How the end of a command reads to a person. */
function causeOf(what: string, exit: SandboxExit, seconds: number): string {
  const causes: Record<SandboxExit['reason'], string> = {
    exit: `${what} ended with code ${exit.code}`,
    time: `${what} took longer than ${seconds} s`,
    disk: `${what} filled more disk than it may`,
    files: `${what} made more files than it may`,
    memory: `${what} used more memory than it may`,
    killed: `${what} was stopped from outside`,
  };
  return causes[exit.reason];
}

/** What this driver runs: one service that is built and started by commands. Or why it cannot, for a person. */
function commandsOf(config: PreviewConfig): { service: ServiceConfig; source: CommandsSource } | { cannot: string } {
  const [service, ...others] = config.services;
  if (service?.source.kind !== 'commands')
    return { cannot: 'Previews run as processes here, which needs `start:` in .forgeway.yml; images need Kubernetes' };
  if (others.length > 0 || config.database !== undefined)
    return { cannot: 'Previews run as processes here: several services or a database need Kubernetes' };
  return { service, source: service.source };
}

/** Of a place that was built, and so could be. */
function commandsOfBuilt(place: Place): { service: ServiceConfig; source: CommandsSource } {
  const found = commandsOf(place.config);
  if ('cannot' in found) throw new ForgewayError('FORGEWAY_PREVIEW_FAILED', found.cannot);
  return found;
}

/** Only its own socket counts: where the network is shared, another process may have taken the port in the meantime. */
async function isListening(place: Place, sandbox: Sandbox, port: number): Promise<boolean> {
  if (place.door === null) return listensOn(port, { uid: sandbox.uid ?? undefined });
  const pid = sandbox.process?.init?.pid;
  // Nobody else is in its network, so the answer itself will do when its first process was not found in time.
  return pid === undefined || listensOn(port, { pid });
}

/** The status a server answers with on a path, or undefined when it does not answer in time. */
function statusOf(upstream: Upstream, path: string, signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(HEALTH_TIMEOUT_MS)]);
    const { hostname, port } = new URL(originOf(upstream));
    const headers = { host: 'localhost' };
    const request = get({ hostname, port, path, headers, signal: limit, agent: upstreamAgent }, (response) => {
      resolve(response.statusCode);
      response.destroy();
    });
    request.once('error', () => resolve(undefined));
  });
}

/** Free where the network is shared; in a network of its own every port is. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

export function createProcessDriver(options: ProcessDriverOptions): PreviewDriver {
  const { mirrors, sandboxes, buildTimeoutMs, readyTimeoutMs, buildNetwork } = options;

  /** The record on disk knows more than the row when a worker died between the two. */
  async function sandboxOf(place: Place): Promise<Sandbox | undefined> {
    return (
      (await sandboxes.list()).find((sandbox) => sandbox.id === place.id) ??
      (isSandbox(place.handle) ? place.handle : undefined)
    );
  }

  /** `secret`: names that are given in another way, and that nothing of the repository's stands above. */
  function environment(
    place: Place,
    facts: PreviewFacts,
    port: number,
    secret: readonly string[] = [],
  ): Record<string, string> {
    const { env } = commandsOfBuilt(place).service;
    const workspace = sandboxes.workspaceInside(place.id);
    return cleanEnvironment({
      home: join(workspace, 'home'),
      tmp: sandboxes.probe.namespaces ? '/tmp' : join(workspace, 'home'),
      programs: sandboxes.programs,
      port,
      sha: place.sha,
      subject: facts.identity.subject,
      extra: Object.fromEntries(Object.entries(env).filter(([name]) => !secret.includes(name))),
    });
  }

  const cwdOf = (place: Place) => join('source', commandsOfBuilt(place).source.workingDirectory);

  async function failed(place: Place, cause: string): Promise<Place> {
    const log = await sandboxes.logTail(place.id, LOG_LINES);
    const last = log.split('\n').at(-1)?.trim() ?? '';
    return { ...place, failure: { cause: last === '' ? cause : `${cause}: ${last.slice(0, 200)}`, log } };
  }

  async function runBuild(place: Place, facts: PreviewFacts, created: Sandbox, signal: AbortSignal): Promise<Place> {
    if (commandsOfBuilt(place).source.build.length === 0) return { ...place, built: true, handle: created };
    const egressPath = buildNetwork === 'public' ? sandboxes.egressOf(place.id) : null;
    if (egressPath === null)
      return watchBuild(place, facts, created, signal, buildNetwork === 'none' ? 'none' : 'shared');
    const egress = await openEgress({ path: egressPath });
    return watchBuild(place, facts, created, signal, 'egress').finally(() => egress.close());
  }

  async function watchBuild(
    place: Place,
    facts: PreviewFacts,
    created: Sandbox,
    signal: AbortSignal,
    network: 'none' | 'shared' | 'egress',
  ): Promise<Place> {
    const seconds = Math.ceil(buildTimeoutMs / 1_000);
    const running = await sandboxes.start(created, {
      argv: ['/bin/sh', '-e', '-c', commandsOfBuilt(place).source.build.join('\n')],
      env: { ...environment(place, facts, 0), ...(network === 'egress' ? EGRESS_ENVIRONMENT : {}) },
      cwd: cwdOf(place),
      seconds,
      network: { kind: network },
    });
    for (;;) {
      const exit = await sandboxes.exitOf(running);
      if (exit !== undefined) {
        await sandboxes.stop(running);
        const now = { ...place, handle: running };
        if (exit.reason === 'killed')
          throw new ForgewayError('FORGEWAY_WORKER_DIED', 'The build was stopped from outside.');
        if (exit.code === 0 && exit.reason === 'exit') {
          await sandboxes.keepBuildLog(place.id);
          return { ...now, built: true };
        }
        return failed(now, causeOf('The build', exit, seconds));
      }
      if (signal.aborted) {
        await sandboxes.stop(running);
        throw signal.reason;
      }
      await pause(POLL_MS, signal);
    }
  }

  async function observe(place: Place): Promise<Condition> {
    if (place.failure !== null) return 'failed';
    if (!place.built) return 'unfinished';
    const sandbox = await sandboxOf(place);
    // Somebody removed it behind our back.
    if (sandbox === undefined) return 'unfinished';
    if (place.port === null || sandbox.process === null) return 'built';
    const exit = await sandboxes.exitOf(sandbox);
    if (exit === undefined) return place.answered ? 'ready' : 'started';
    if (exit.reason === 'killed') return 'built';
    return place.restarts >= RESTARTS ? 'failed' : 'crashed';
  }

  async function stop(place: Place): Promise<Place> {
    const sandbox = await sandboxOf(place);
    if (sandbox !== undefined) await sandboxes.stop(sandbox);
    return { ...place, port: null, door: null, answered: false };
  }

  return {
    name: 'process',
    home: async () => null,
    observe,
    glance: observe,
    // Its door opens by itself.
    seesVisits: async () => true,
    publish: async () => undefined,
    removeAll: async () => undefined,

    async build(place, facts, signal) {
      const commands = commandsOf(place.config);
      if ('cannot' in commands) return { ...place, failure: { cause: commands.cannot, log: '' } };
      const leftover = await sandboxOf(place);
      if (leftover !== undefined) await sandboxes.destroy(leftover);
      const sandbox = await sandboxes.create(place.id);
      const source = await facts.source();
      await mirrors.checkout({
        repositoryId: facts.repositoryId,
        source,
        sha: place.sha,
        fallbackRefs: [headRefOf(facts, source)],
        target: sandboxes.sourceDirectory(place.id),
        signal,
      });
      await sandboxes.handOver(sandbox);
      return runBuild(place, facts, sandbox, signal);
    },

    async start(place, facts) {
      const sandbox = await sandboxOf(place);
      if (sandbox === undefined)
        throw new ForgewayError('FORGEWAY_PREVIEW_FAILED', 'What was built is no longer there.');
      const exit = sandbox.process === null ? undefined : await sandboxes.exitOf(sandbox);
      const crashed = place.port !== null && exit !== undefined && exit.reason !== 'killed';
      await sandboxes.stop(sandbox);
      const port = await freePort();
      // Never a stranger's code, though somebody has approved it; and never a build, whose commands a commit brings along.
      const named = place.trusted ? await facts.secrets(commandsOfBuilt(place).service.secrets) : {};
      const secrets = allowedVariables(named);
      const handle = await sandboxes.start(sandbox, {
        argv: ['/bin/sh', '-c', commandsOfBuilt(place).source.start],
        env: environment(place, facts, port, Object.keys(secrets)),
        // No argument may show them.
        ...(Object.keys(secrets).length > 0 && { secrets }),
        cwd: cwdOf(place),
        seconds: 0,
        network: { kind: 'door', port },
      });
      const door = sandboxes.doorOf(place.id);
      return { ...place, port, door, handle, answered: false, restarts: place.restarts + (crashed ? 1 : 0) };
    },

    async awaitReady(place, _facts, signal) {
      const sandbox = await sandboxOf(place);
      const { port } = place;
      const upstream = upstreamOf(place);
      if (sandbox === undefined || port === null || upstream === null)
        return failed(place, 'The preview is no longer there');
      const until = performance.now() + readyTimeoutMs;
      const seconds = Math.ceil(readyTimeoutMs / 1_000);
      const { health } = commandsOfBuilt(place).service;
      const state = { status: undefined as number | undefined, open: false };
      while (performance.now() < until) {
        const exit = await sandboxes.exitOf(sandbox);
        if (exit !== undefined) return failed(place, causeOf('The start command', exit, seconds));
        state.open = await isListening(place, sandbox, port);
        if (state.open) state.status = await statusOf(upstream, health, signal);
        if (state.status !== undefined && state.status < 500) return { ...place, answered: true };
        signal.throwIfAborted();
        await pause(POLL_MS, signal);
      }
      await sandboxes.stop(sandbox);
      const saw = state.open
        ? `${health} answered ${state.status === undefined ? 'nothing' : `with ${state.status}`}`
        : 'nothing listened on $PORT';
      return failed(place, `Not ready after ${seconds} s, ${saw}`);
    },

    async giveUp(place) {
      const sandbox = await sandboxOf(place);
      const exit = sandbox === undefined ? undefined : await sandboxes.exitOf(sandbox);
      return failed(place, exit === undefined ? 'The preview ended by itself' : causeOf('The preview', exit, 0));
    },

    stop,
    halt: stop,

    async stopAll() {
      const results = await Promise.allSettled((await sandboxes.list()).map((sandbox) => sandboxes.stop(sandbox)));
      const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
      if (failures.length > 0) {
        const message = `${failures.length} previews could not be stopped: ${failures.map(messageOf).join('; ')}`;
        throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', message, { cause: new AggregateError(failures) });
      }
    },

    async remove(place, { repositoryId }) {
      const sandbox = await sandboxOf(place);
      if (sandbox !== undefined) await sandboxes.destroy(sandbox);
      await mirrors.prune(repositoryId);
    },

    async list() {
      return (await sandboxes.list()).map(({ id }) => id);
    },

    async removeUnknown(id) {
      const sandbox = (await sandboxes.list()).find((candidate) => candidate.id === id);
      if (sandbox !== undefined) await sandboxes.destroy(sandbox);
    },
  };
}

/** A new place for a commit, not yet built. */
export function newPlace(o: {
  previewId: string;
  sha: string;
  version: bigint;
  config: Place['config'];
  trusted: boolean;
}): Place {
  return {
    id: `${o.previewId}-${shortSha(o.sha)}-${o.version}-${Date.now().toString(36)}`,
    sha: o.sha,
    version: o.version.toString(),
    madeFor: o.version.toString(),
    config: o.config,
    trusted: o.trusted,
    built: false,
    answered: false,
    restarts: 0,
    tries: 0,
    failure: null,
    port: null,
    door: null,
    service: null,
    handle: null,
  };
}
