/** What stands before anything runs: the namespace and its walls. Applied in this order. */

import type { PreviewFrame } from './input.js';
import type {
  LimitRangeManifest,
  Manifest,
  NamespaceManifest,
  NetworkPolicyManifest,
  QuotaManifest,
  ServiceAccountManifest,
} from './manifest.js';
import { ANNOTATION, identityAnnotations, LABEL, namespaceLabels, type Part, previewLabels } from './marks.js';
import { mebibytes, milli, PULL_SECRET, SERVICE_ACCOUNT } from './pod.js';
import { type Cidr, cidrContains, parseCidr } from './settings.js';
import { buildSize, databaseDisk, sizeOf } from './sizes.js';

function namespaceOf(frame: PreviewFrame): NamespaceManifest {
  const { name, identity, trusted } = frame;
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
      annotations: identityAnnotations(identity),
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
    metadata: metadata(frame, 'preview'),
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
  const largest = [...frame.config.services.map(({ size }) => sizeOf(frame, size)), buildSize(frame)];
  if (frame.config.database !== undefined) largest.push(sizeOf(frame, frame.config.database.size));
  const most = (numbers: number[]) => Math.max(...numbers);
  const small = frame.settings.untrustedSize;
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

const ranges = (...texts: string[]): Cidr[] =>
  texts.map((text) => {
    const cidr = parseCidr(text);
    if (cidr === undefined) throw new Error(`${text} is no network`);
    return cidr;
  });
/** Metadata services, the node itself, and names of other addresses: gone to by nobody, whatever the operator writes. */
const NEVER = ranges(
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.0/24'],
  ...['::1/128', 'fe80::/10', 'fd00:ec2::/32', '64:ff9b::/96', '2002::/16', '2001::/32'],
);
/** Clusters, nodes and offices: left out of anything wider, gone to where the operator names them. */
const PRIVATE = ranges('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7');

export const cidrText = ({ address, bits }: Cidr) => `${address}/${bits}`;

/** Peers for the networks that may be gone to, with every forbidden part cut out of them. */
function outside(allowed: readonly string[], never: readonly string[]) {
  const forbidden = [...NEVER, ...ranges(...never)];
  return ranges(...allowed)
    .filter((network) => !forbidden.some((one) => cidrContains(one, network)))
    .map((network) => {
      const except = [...forbidden, ...PRIVATE.filter((one) => one.bits > network.bits)]
        .filter((one) => cidrContains(network, one))
        .map(cidrText);
      return { ipBlock: { cidr: cidrText(network), ...(except.length === 0 ? {} : { except: [...new Set(except)] }) } };
    });
}

const at = (o: { namespace: string; labels: Record<string, string> }) => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': o.namespace } },
  podSelector: { matchLabels: o.labels },
});

const parts = (...values: Part[]) => ({ matchExpressions: [{ key: LABEL.part, operator: 'In', values }] });

function policy(frame: PreviewFrame, name: string, spec: NetworkPolicyManifest['spec']): NetworkPolicyManifest {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: metadata(frame, name), spec };
}

function networkPolicies(frame: PreviewFrame): NetworkPolicyManifest[] {
  const { settings, trusted, config } = frame;
  const { egress, dns, route, build } = settings;
  const dnsPorts = [
    { protocol: 'UDP', port: 53 },
    { protocol: 'TCP', port: 53 },
  ];
  const abroad = outside(trusted ? egress.trusted : egress.untrusted, egress.never);
  const building = outside(egress.build, egress.never);
  const daemon = trusted ? build.buildkit : build.untrustedBuildkit;
  const publicPorts = [...new Set(config.services.filter((one) => one.public).map(({ port }) => port))];
  const resolvers = [at(dns), ...dns.addresses.map((cidr) => ({ ipBlock: { cidr } }))];
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
      ingress: [{ from: [at(route.from)], ports: publicPorts.map((port) => ({ protocol: 'TCP', port })) }],
    }),
    ...(abroad.length === 0
      ? []
      : [
          policy(frame, 'abroad', {
            podSelector: parts('service', 'seed'),
            policyTypes: ['Egress'],
            egress: [{ to: abroad }],
          }),
        ]),
    policy(frame, 'build', {
      podSelector: parts('build'),
      policyTypes: ['Egress'],
      egress: [
        ...(building.length === 0 ? [] : [{ to: building }]),
        ...(daemon === undefined ? [] : [{ to: [at(daemon.to)], ports: [{ protocol: 'TCP', port: daemonPort }] }]),
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
