/** What stands before anything runs: the namespace and its walls. Applied in this order. */

import type {
  LimitRangeManifest,
  Manifest,
  NamespaceManifest,
  NetworkPolicyManifest,
  QuotaManifest,
  ServiceAccountManifest,
} from '../../../../effects/kubernetes/manifest.js';
import { outside, podsAt } from '../../../../effects/kubernetes/networks.js';
import type { PreviewFrame } from './input.js';
import { ANNOTATION, identityAnnotations, LABEL, namespaceLabels, type Part, previewLabels } from './marks.js';
import { mebibytes, milli, PULL_SECRET, SERVICE_ACCOUNT } from './pod.js';
import { buildSize, databaseDisk, sizeOf } from './sizes.js';

function namespaceOf(frame: PreviewFrame): NamespaceManifest {
  const { name, identity, trusted, approved } = frame;
  const level = ['enforce', 'audit', 'warn'].flatMap((mode) => [
    [`pod-security.kubernetes.io/${mode}`, 'restricted'],
    [`pod-security.kubernetes.io/${mode}-version`, 'latest'],
  ]);
  return {
    ...{ apiVersion: 'v1', kind: 'Namespace' },
    metadata: {
      name,
      labels: {
        ...previewLabels(name, identity),
        ...namespaceLabels(identity),
        [LABEL.trust]: trusted ? 'trusted' : 'untrusted',
        ...Object.fromEntries(level),
      },
      annotations: {
        ...identityAnnotations(identity),
        ...(trusted || approved === undefined ? {} : { [ANNOTATION.approved]: approved }),
      },
    },
  };
}

/** Metadata that every object of a preview carries. */
export function metadata(
  frame: PreviewFrame,
  name: string,
  more: { part?: Part; labels?: Record<string, string>; annotations?: Record<string, string> } = {},
) {
  return {
    ...{ name, namespace: frame.name },
    labels: {
      ...previewLabels(frame.name, frame.identity),
      ...(more.part === undefined ? {} : { [LABEL.part]: more.part }),
      ...more.labels,
    },
    annotations: {
      [ANNOTATION.identity]: identityAnnotations(frame.identity)[ANNOTATION.identity] ?? '',
      ...more.annotations,
    },
  };
}

/** Its name in every preview's namespace. */
export const QUOTA = 'preview';

/** Room for two commits side by side, one build at a time for each service, a database and its seed. */
function quota(frame: PreviewFrame): QuotaManifest {
  const { config } = frame;
  const services = config.services.map(({ size }) => sizeOf(frame, size));
  const builds = config.services.map(() => buildSize(frame));
  const database = config.database === undefined ? [] : [sizeOf(frame, config.database.size)];
  const all = [
    ...services,
    ...services,
    ...builds,
    ...database,
    ...(config.database?.seed === undefined ? [] : services.slice(0, 1)),
  ];
  const cpu = all.reduce((sum, size) => sum + milli(size.cpu), 0);
  const memory = all.reduce((sum, size) => sum + mebibytes(size.memory), 0);
  const disk = all.reduce((sum, size) => sum + mebibytes(size.disk), 0);
  const count = config.services.length;
  return {
    ...{ apiVersion: 'v1', kind: 'ResourceQuota' },
    metadata: metadata(frame, QUOTA),
    spec: {
      hard: {
        'limits.cpu': `${cpu}m`,
        'limits.memory': `${memory}Mi`,
        'limits.ephemeral-storage': `${disk}Mi`,
        'requests.cpu': `${cpu}m`,
        'requests.memory': `${memory}Mi`,
        'requests.storage': database.length === 0 ? '0' : databaseDisk(frame),
        persistentvolumeclaims: String(database.length),
        pods: String(count * 3 + 4),
        services: String(count * 2 + 1),
        'services.loadbalancers': '0',
        'services.nodeports': '0',
        secrets: String(count * 4 + 10),
        configmaps: '5',
        'count/jobs.batch': String(count * 2 + 2),
        'count/deployments.apps': String(count * 2),
        'count/statefulsets.apps': String(database.length),
        'count/ingresses.networking.k8s.io': String(count),
      },
    },
  };
}

function limitRange(frame: PreviewFrame): LimitRangeManifest {
  const small = frame.settings.untrustedSize;
  // What is given to whoever asks for nothing may not be more than anybody may have.
  const largest = [...frame.config.services.map(({ size }) => sizeOf(frame, size)), buildSize(frame), small];
  if (frame.config.database !== undefined) largest.push(sizeOf(frame, frame.config.database.size));
  const most = (numbers: number[]) => Math.max(...numbers);
  return {
    ...{ apiVersion: 'v1', kind: 'LimitRange' },
    metadata: metadata(frame, 'preview'),
    spec: {
      limits: [
        {
          type: 'Container',
          default: { cpu: small.cpu, memory: small.memory, 'ephemeral-storage': small.disk },
          defaultRequest: { cpu: '50m', memory: '64Mi', 'ephemeral-storage': '64Mi' },
          max: {
            cpu: `${most(largest.map(({ cpu }) => milli(cpu)))}m`,
            memory: `${most(largest.map(({ memory }) => mebibytes(memory)))}Mi`,
            'ephemeral-storage': `${most(largest.map(({ disk }) => mebibytes(disk)))}Mi`,
          },
        },
        { type: 'PersistentVolumeClaim', max: { storage: databaseDisk(frame) } },
      ],
    },
  };
}

const parts = (...values: Part[]) => ({ matchExpressions: [{ key: LABEL.part, operator: 'In', values }] });

/** Without lists of nothing: they allow as little as none, but an API server keeps none and takes every apply of one for a change. */
function policy(frame: PreviewFrame, name: string, all: NetworkPolicyManifest['spec']): NetworkPolicyManifest {
  const { ingress, egress, ...spec } = all;
  if (ingress !== undefined && ingress.length > 0) Object.assign(spec, { ingress });
  if (egress !== undefined && egress.length > 0) Object.assign(spec, { egress });
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: metadata(frame, name), spec };
}

/**
 * Who leads visitors in. What only certain people may see is reached through our own listener alone, which asks for a signed link:
 * to the cluster's ingress controller it is closed, whatever objects or host names anybody makes there.
 */
function leadersIn({ settings: { route }, private: isPrivate }: PreviewFrame) {
  if (route.kind === 'gateway') return [route.from];
  return isPrivate ? [route.gateway] : [route.from, route.gateway];
}

function networkPolicies(frame: PreviewFrame): NetworkPolicyManifest[] {
  const { settings, trusted, config } = frame;
  const { egress, dns, build } = settings;
  const dnsPorts = [
    { protocol: 'UDP', port: 53 },
    { protocol: 'TCP', port: 53 },
  ];
  const abroad = outside(trusted ? egress.trusted : egress.untrusted, egress.never);
  const building = outside(egress.build, egress.never);
  const daemon = trusted ? build.buildkit : build.untrustedBuildkit;
  const publicPorts = [...new Set(config.services.filter((one) => one.public).map(({ port }) => port))];
  const resolvers = [podsAt(dns), ...dns.addresses.map((cidr) => ({ ipBlock: { cidr } }))];
  const daemonPort = daemon === undefined ? 0 : Number(new URL(daemon.address).port);
  return [
    policy(frame, 'default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
    policy(frame, 'dns', { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: resolvers, ports: dnsPorts }] }),
    // Among each other: neither a build nor another preview takes part.
    policy(frame, 'inside', {
      podSelector: parts('service', 'database', 'seed'),
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [{ podSelector: parts('service', 'seed') }] }],
      egress: [{ to: [{ podSelector: parts('service', 'database') }] }],
    }),
    policy(frame, 'visitors', {
      podSelector: { matchLabels: { [LABEL.part]: 'service', [LABEL.public]: 'true' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: leadersIn(frame).map(podsAt), ports: publicPorts.map((port) => ({ protocol: 'TCP', port })) }],
    }),
    // Said too where there is nowhere to go: it takes the place of what an earlier commit, which was trusted, was allowed.
    policy(frame, 'abroad', {
      podSelector: parts('service', 'seed'),
      policyTypes: ['Egress'],
      egress: abroad.length === 0 ? [] : [{ to: abroad }],
    }),
    policy(frame, 'build', {
      podSelector: parts('build'),
      policyTypes: ['Egress'],
      egress: [
        ...(building.length === 0 ? [] : [{ to: building }]),
        ...(daemon === undefined ? [] : [{ to: [podsAt(daemon.to)], ports: [{ protocol: 'TCP', port: daemonPort }] }]),
      ],
    }),
  ];
}

function serviceAccount(frame: PreviewFrame): ServiceAccountManifest {
  return {
    ...{ apiVersion: 'v1', kind: 'ServiceAccount' },
    metadata: metadata(frame, SERVICE_ACCOUNT),
    automountServiceAccountToken: false,
    imagePullSecrets: [{ name: PULL_SECRET }],
  };
}

/** The namespace first, then what limits and walls it in; nothing may be started before all of it stands. */
export function foundation(frame: PreviewFrame): [NamespaceManifest, ...Manifest[]] {
  return [namespaceOf(frame), quota(frame), limitRange(frame), ...networkPolicies(frame), serviceAccount(frame)];
}
