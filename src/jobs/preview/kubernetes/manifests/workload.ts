/** The services of one commit: a Deployment, a Service and the environment of each. */
import type { V1EnvVar } from '@kubernetes/client-node';
import type { DeploymentManifest, Manifest, ServiceManifest } from '../../../../effects/kubernetes/manifest.js';
import { isAllowedVariable } from '../../../../effects/process/clean-environment.js';
import type { ServiceConfig } from '../../preview-config.js';
import { databaseEnvironment } from './database.js';
import { metadata } from './foundation.js';
import { hostOf } from './hosts.js';
import { isMoving } from './image.js';
import type { PlaceInput, RunInput } from './input.js';
import { LABEL, placeKey } from './marks.js';
import { container, fromSecret, podSpec, variable } from './pod.js';
import { environmentName, environmentSecret, placeMarks } from './secrets.js';
import { sizeOf } from './sizes.js';

/** How the Service of a place is called, and its Deployment. */
export const workloadName = (service: string, placeId: string): string => `${service}-${placeKey(placeId)}`;

const reference = /\$\{(service)\.([a-z0-9-]+)\.(url|host|port|public-url)\}|\$\{preview\.(url)\}/g;

/** Fills `${service.api.url}` and `${preview.url}` in; everything else stays as it is written. */
function filled(text: string, input: PlaceInput): string {
  const { frame, placeId } = input;
  return text.replace(reference, (all, _kind, name?: string, what?: string) => {
    const service = frame.config.services.find((one) => (name === undefined ? one.public : one.name === name));
    if (service === undefined) return all;
    const host = workloadName(service.name, placeId);
    if (what === 'host') return host;
    if (what === 'port') return String(service.port);
    if (what === 'url') return `http://${host}:${service.port}`;
    return `https://${hostOf(frame, service.name)}`;
  });
}

/** What a service sees; names that a repository may not set are left out even if the schema let them pass. */
export function environmentOf(input: PlaceInput, service: ServiceConfig): V1EnvVar[] {
  const { frame, sha } = input;
  const { identity, trusted } = frame;
  const { subject } = identity;
  const secrets = trusted
    ? service.secrets.filter((name) => isAllowedVariable(name) && input.secrets[name] !== undefined)
    : [];
  const plain = Object.entries(service.env).filter(
    ([name, value]) => isAllowedVariable(name) && !value.includes('\0') && !secrets.includes(name),
  );
  const taken = new Set([...secrets, ...plain.map(([name]) => name)]);
  return [
    ...plain.map(([name, value]) => variable(name, filled(value, input))),
    ...secrets.map((name) => fromSecret(name, environmentName(input, service.name), name)),
    ...databaseEnvironment(input).filter(({ name }) => !taken.has(name)),
    variable('PORT', String(service.port)),
    variable('HOST', '0.0.0.0'),
    variable('HOME', '/tmp'),
    variable('CI', 'true'),
    variable('FORGEWAY_COMMIT_SHA', sha),
    ...(subject.kind === 'pull-request'
      ? [variable('FORGEWAY_PULL_REQUEST', String(subject.number))]
      : [variable('FORGEWAY_BRANCH', subject.branch)]),
  ];
}

function deployment(input: RunInput, service: ServiceConfig, labels: Record<string, string>): DeploymentManifest {
  const { frame, placeId, asleep, images } = input;
  const { settings } = frame;
  const marks = placeMarks(input);
  const marked = metadata(frame, workloadName(service.name, placeId), {
    part: 'service',
    ...marks,
    labels: { ...marks.labels, ...labels },
  });
  const image = images[service.name];
  if (image === undefined) throw new Error(`no image for service ${service.name}`);
  const { user } = service;
  const probe = { httpGet: { path: service.health, port: 'http', scheme: 'HTTP' }, timeoutSeconds: 5 };
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment' },
    metadata: marked,
    spec: {
      replicas: asleep ? 0 : 1,
      revisionHistoryLimit: 1,
      // A place never has two versions of itself: the next commit is a place beside it.
      strategy: { type: 'Recreate' },
      progressDeadlineSeconds: settings.readyTimeoutSeconds,
      selector: { matchLabels: selector(input, service.name) },
      template: {
        metadata: { labels: { ...marked.labels }, annotations: { ...marked.annotations } },
        spec: podSpec(frame, {
          ...{ restartPolicy: 'Always', tmpSize: '256Mi', lowPorts: service.port < 1_024 },
          ...(user === undefined ? {} : { user, group: user }),
          containers: [
            container({
              ...{ name: service.name, image, size: sizeOf(frame, service.size) },
              moves: service.source.kind === 'image' && isMoving(service.source.image),
              ...(service.command === undefined ? {} : { command: service.command }),
              env: environmentOf(input, service),
              ports: [{ name: 'http', containerPort: service.port, protocol: 'TCP' }],
              startupProbe: {
                ...probe,
                periodSeconds: 2,
                failureThreshold: Math.max(1, Math.ceil(settings.readyTimeoutSeconds / 2)),
              },
              readinessProbe: { ...probe, periodSeconds: 10, failureThreshold: 3 },
            }),
          ],
        }),
      },
    },
  };
}

const selector = (input: PlaceInput, service: string): Record<string, string> => ({
  [LABEL.preview]: input.frame.name,
  [LABEL.place]: placeKey(input.placeId),
  [LABEL.service]: service,
});

function serviceManifest(input: PlaceInput, service: ServiceConfig, labels: Record<string, string>): ServiceManifest {
  const marks = placeMarks(input);
  const name = workloadName(service.name, input.placeId);
  return {
    ...{ apiVersion: 'v1', kind: 'Service' },
    metadata: metadata(input.frame, name, { part: 'service', ...marks, labels: { ...marks.labels, ...labels } }),
    spec: {
      type: 'ClusterIP',
      selector: selector(input, service.name),
      ports: [{ name: 'http', port: service.port, targetPort: 'http', protocol: 'TCP' }],
    },
  };
}

/** Every service of a place: its secret first, since the pod waits for it. */
export function workloads(input: RunInput): Manifest[] {
  return input.frame.config.services.flatMap((service): Manifest[] => {
    const labels = { [LABEL.service]: service.name, [LABEL.public]: String(service.public) };
    const secret = environmentSecret(input, service.name, service.secrets);
    return [
      ...(secret === undefined ? [] : [secret]),
      serviceManifest(input, service, labels),
      deployment(input, service, labels),
    ];
  });
}
