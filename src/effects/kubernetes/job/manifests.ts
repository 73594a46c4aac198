/** One job in a namespace of its own, as plain values: the walls first, then what is given to it, then the job. Pure. */
import type { V1Container, V1EnvVar } from '@kubernetes/client-node';
import { container, fromSecret, mebibytes, milli, type Size, variable } from '../containers.js';
import type { JobManifest, Manifest, NamespaceManifest, NetworkPolicyManifest, SecretManifest } from '../manifest.js';
import { ANNOTATION, LABEL, labelValue, MANAGER } from '../marks.js';
import { outside, podsAt } from '../networks.js';
import { dockerConfig, encoded, type RegistryCredentials } from '../registries.js';
import type { JobLinks, JobRecord } from './records.js';
import { COURIER, FETCH, WORK } from './scripts.js';
import type { JobSettings } from './settings.js';

/** What of a cluster's settings concerns jobs. */
export interface JobClusterSettings {
  dns: { namespace: string; labels: Record<string, string>; addresses: string[] };
  egress: { never: string[] };
  userNamespaces: boolean;
  runtimeClass?: string | undefined;
  untrustedRuntimeClass?: string | undefined;
  jobs: JobSettings;
}

/** What runs, and within which limits. */
export interface JobWork {
  trusted: boolean;
  image: string;
  /** One list; nothing of it is read by a shell. */
  command: readonly string[];
  /** Below the workspace. */
  directory: string;
  env: Readonly<Record<string, string>>;
  /** Environment too, from a Secret. */
  secrets: Readonly<Record<string, string>>;
  cpu: string;
  memoryMb: number;
  diskMb: number;
  /** Of the command, without the time in which it waits for a person. */
  seconds: number;
  /** Of all of it, also of what waits. */
  deadlineSeconds: number;
  egress: readonly string[];
  proxy?: { address: string; to: { namespace: string; labels: Record<string, string> } } | undefined;
  /** `follow`: what it is told is its standard input. `whole`: it reads what is there to its end. */
  listens: 'no' | 'follow' | 'whole';
  /** Stands on its standard input from the beginning. */
  first?: string;
  /** Processes of these names are asked to stop when the job is. */
  interrupts: readonly string[];
  /** `with`: its standard error is in the log too. */
  errors: 'with' | 'apart';
  /** Bytes of what it prints that the courier brings; what is printed otherwise is in the pod's log. */
  prints?: number;
  /** Names below the workspace that are brought back; `tree`: the work tree, without what the repository ignores. */
  brings: readonly string[] | { tree: true; resumes: boolean };
}

export interface JobFrame {
  record: Pick<JobRecord, 'id' | 'organizationId' | 'kind' | 'namespace'>;
  work: JobWork;
  links: JobLinks;
  settings: JobClusterSettings;
  registries: RegistryCredentials;
  /** Between two looks of the courier. */
  pauseSeconds: number;
}

export const JOB = 'job';
export const WORK_CONTAINER = 'work';
export const COURIER_CONTAINER = 'courier';
export const FETCH_CONTAINER = 'fetch';
export const WORKSPACE = '/workspace';
const SCRATCH = '/scratch';
const LINKS = 'links';
const GIVEN = 'given';
const FIRST = 'first';
const FIRST_PATH = '/forgeway';
const PULL = 'image-pull';
const USER = 10_001;
const FETCH_TRIES = 150;

/** The one text that says whose a namespace is. */
export const jobIdentity = ({ organizationId, kind, id }: JobFrame['record']): string =>
  JSON.stringify([organizationId, 'job', kind, id]);

/** What the identity of a namespace names; undefined for one that is no job's. */
export function jobOfIdentity(text: string): { organizationId: string; kind: string; id: string } | undefined {
  const [, organizationId, kind, id] = /^\["([0-9a-f-]{36})","job","([a-z]+)","([0-9a-f-]{36})"\]$/.exec(text) ?? [];
  return organizationId === undefined || kind === undefined || id === undefined
    ? undefined
    : { organizationId, kind, id };
}

export function isOfJob(
  found: { metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> } },
  record: JobFrame['record'],
): boolean {
  const { labels = {}, annotations = {} } = found.metadata ?? {};
  return labels[LABEL.managedBy] === MANAGER && annotations[ANNOTATION.identity] === jobIdentity(record);
}

const labelsOf = ({ record, work }: JobFrame): Record<string, string> => ({
  [LABEL.managedBy]: MANAGER,
  [LABEL.organization]: labelValue(record.organizationId),
  [LABEL.job]: record.kind,
  [LABEL.trust]: work.trusted ? 'trusted' : 'untrusted',
});

const metadata = (frame: JobFrame, name: string) => ({
  ...{ name, namespace: frame.record.namespace, labels: labelsOf(frame) },
  annotations: { [ANNOTATION.identity]: jobIdentity(frame.record) },
});

export function jobNamespace(frame: JobFrame): NamespaceManifest {
  const level = ['enforce', 'audit', 'warn'].flatMap((mode) => [
    [`pod-security.kubernetes.io/${mode}`, 'restricted'],
    [`pod-security.kubernetes.io/${mode}-version`, 'latest'],
  ]);
  return {
    ...{ apiVersion: 'v1', kind: 'Namespace' },
    metadata: {
      name: frame.record.namespace,
      labels: { ...labelsOf(frame), ...Object.fromEntries(level) },
      annotations: { [ANNOTATION.identity]: jobIdentity(frame.record) },
    },
  };
}

const workSize = ({ work }: JobFrame): Size => ({
  cpu: work.cpu,
  memory: `${work.memoryMb}Mi`,
  disk: `${work.diskMb}Mi`,
});
/** What it carries lies on its disk too. */
const courierSize = ({ work }: JobFrame): Size => ({ cpu: '250m', memory: '256Mi', disk: `${work.diskMb}Mi` });
/** Twice the disk: what it leaves is packed beside it. */
const volumeSize = ({ work }: JobFrame): string => `${2 * work.diskMb}Mi`;

function limits(frame: JobFrame): Manifest[] {
  const sizes = [workSize(frame), courierSize(frame)];
  const cpu = sizes.reduce((sum, one) => sum + milli(one.cpu), 0);
  const memory = sizes.reduce((sum, one) => sum + mebibytes(one.memory), 0);
  const disk = sizes.reduce((sum, one) => sum + mebibytes(one.disk), 0);
  const hard = {
    ...{ 'limits.cpu': `${cpu}m`, 'limits.memory': `${memory}Mi`, 'limits.ephemeral-storage': `${disk}Mi` },
    ...{ 'requests.cpu': `${cpu}m`, 'requests.memory': `${memory}Mi`, 'requests.storage': '0' },
    // A pod that is on its way out counts until it is gone.
    ...{
      pods: '2',
      services: '0',
      secrets: '6',
      configmaps: '2',
      persistentvolumeclaims: '0',
      'count/jobs.batch': '1',
    },
  };
  const most = (of: (one: Size) => number) => Math.max(...sizes.map(of));
  return [
    { apiVersion: 'v1', kind: 'ResourceQuota', metadata: metadata(frame, JOB), spec: { hard } },
    {
      ...{ apiVersion: 'v1', kind: 'LimitRange' },
      metadata: metadata(frame, JOB),
      spec: {
        limits: [
          {
            type: 'Container',
            max: {
              cpu: `${most(({ cpu: one }) => milli(one))}m`,
              memory: `${most(({ memory: one }) => mebibytes(one))}Mi`,
              'ephemeral-storage': `${most(({ disk: one }) => mebibytes(one))}Mi`,
            },
          },
        ],
      },
    },
  ];
}

const portOf = (address: string): number => {
  const { port, protocol } = new URL(address);
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
};

/** Nobody comes in. Out go names, Forgeway, and what the operator has named. */
function policies(frame: JobFrame): NetworkPolicyManifest[] {
  const { settings, work, links } = frame;
  const { dns, egress, jobs } = settings;
  const policy = (name: string, spec: NetworkPolicyManifest['spec']): NetworkPolicyManifest => ({
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: metadata(frame, name), spec },
  });
  const out = (name: string, rule: NonNullable<NetworkPolicyManifest['spec']['egress']>[number]) =>
    policy(name, { podSelector: {}, policyTypes: ['Egress'], egress: [rule] });
  const resolvers = [podsAt(dns), ...dns.addresses.map((cidr) => ({ ipBlock: { cidr } }))];
  const dnsPorts = ['UDP', 'TCP'].map((protocol) => ({ protocol, port: 53 }));
  const home = [
    ...(jobs.reach.pods === undefined ? [] : [podsAt(jobs.reach.pods)]),
    ...outside(jobs.reach.networks, egress.never),
  ];
  const abroad = outside(work.egress, egress.never);
  // A Service's port is another one than its pods’, which are what a rule is about: pods are named without one.
  const homePort = jobs.reach.pods === undefined ? { ports: [{ protocol: 'TCP', port: portOf(links.input) }] } : {};
  return [
    policy('default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
    out('dns', { to: resolvers, ports: dnsPorts }),
    ...(home.length === 0 ? [] : [out('forgeway', { to: home, ...homePort })]),
    ...(abroad.length === 0 ? [] : [out('abroad', { to: abroad })]),
    ...(work.proxy === undefined ? [] : [out('proxy', { to: [podsAt(work.proxy.to)] })]),
  ];
}

function secret(frame: JobFrame, name: string, data: Record<string, string>, type = 'Opaque'): SecretManifest {
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', type, immutable: false },
    metadata: metadata(frame, name),
    data: encoded(data),
  };
}

const shell = (script: string, name: string) => ['/bin/sh', '-c', script.trim(), name];
const workspace = { name: 'workspace', mountPath: WORKSPACE };
const scratch = { name: 'scratch', mountPath: SCRATCH };

const courierEnvironment = ({ pauseSeconds }: JobFrame): V1EnvVar[] => [
  variable('HOME', SCRATCH),
  variable('FORGEWAY_WORKSPACE', WORKSPACE),
  variable('FORGEWAY_SCRATCH', SCRATCH),
  variable('FORGEWAY_PAUSE', String(pauseSeconds)),
];

function fetchContainer(frame: JobFrame): V1Container {
  return {
    ...container({
      ...{ name: FETCH_CONTAINER, image: frame.settings.jobs.courierImage, size: courierSize(frame), readOnly: true },
      ...{ command: shell(FETCH, 'forgeway-fetch'), mounts: [workspace, scratch] },
      env: [
        ...courierEnvironment(frame),
        variable('FORGEWAY_TRIES', String(FETCH_TRIES)),
        fromSecret('FORGEWAY_INPUT', LINKS, 'input'),
        { name: 'FORGEWAY_POD', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
      ],
    }),
  };
}

function courierContainer(frame: JobFrame): V1Container {
  const { brings } = frame.work;
  return container({
    ...{ name: COURIER_CONTAINER, image: frame.settings.jobs.courierImage, size: courierSize(frame), readOnly: true },
    ...{ command: shell(COURIER, 'forgeway-courier'), mounts: [workspace, scratch] },
    env: [
      ...courierEnvironment(frame),
      variable('FORGEWAY_PACK', 'tree' in brings ? '' : brings.join(' ')),
      variable('FORGEWAY_PRINTS', String(frame.work.prints ?? '')),
      fromSecret('FORGEWAY_WORDS', LINKS, 'words'),
      fromSecret('FORGEWAY_OUTPUT', LINKS, 'output'),
    ],
  });
}

function workContainer(frame: JobFrame): V1Container {
  const { work, record } = frame;
  const { brings } = work;
  const own = {
    FORGEWAY_WORKSPACE: WORKSPACE,
    FORGEWAY_SAYS: '/dev/termination-log',
    FORGEWAY_JOB: record.id,
    FORGEWAY_DIRECTORY: `${WORKSPACE}/${work.directory}`,
    FORGEWAY_SECONDS: String(work.seconds),
    FORGEWAY_LISTENS: work.listens,
    FORGEWAY_FIRST: `${FIRST_PATH}/inbox`,
    FORGEWAY_INTERRUPTS: work.interrupts.join(' '),
    FORGEWAY_ERRORS: work.errors,
    FORGEWAY_PRINTS: String(work.prints ?? ''),
    FORGEWAY_PACKS: 'tree' in brings ? 'tree' : 'no',
    FORGEWAY_RESUMES: 'tree' in brings && brings.resumes ? 'yes' : 'no',
  };
  return {
    ...container({
      ...{ name: WORK_CONTAINER, image: work.image, size: workSize(frame) },
      command: [...shell(WORK, 'forgeway-work'), ...work.command],
      env: [
        ...Object.entries({ ...work.env, ...own }).map(([name, value]) => variable(name, value)),
        ...Object.keys(work.secrets).map((name) => fromSecret(name, GIVEN, name)),
      ],
      mounts: [workspace, { name: FIRST, mountPath: FIRST_PATH, readOnly: true }],
    }),
    // It says by itself how it ended; what the command printed is nobody's message.
    terminationMessagePolicy: 'File',
  };
}

function job(frame: JobFrame): JobManifest {
  const { work, settings } = frame;
  const runtimeClass = work.trusted ? settings.runtimeClass : (settings.untrustedRuntimeClass ?? settings.runtimeClass);
  const { labels, annotations } = metadata(frame, JOB);
  return {
    ...{ apiVersion: 'batch/v1', kind: 'Job' },
    metadata: metadata(frame, JOB),
    spec: {
      // It changes the world: nothing of it is begun a second time by anybody but us.
      backoffLimit: 0,
      activeDeadlineSeconds: work.deadlineSeconds,
      template: {
        metadata: { labels, annotations },
        spec: {
          serviceAccountName: JOB,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          imagePullSecrets: [{ name: PULL }],
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 10,
          ...(settings.userNamespaces ? { hostUsers: false } : {}),
          ...(runtimeClass === undefined ? {} : { runtimeClassName: runtimeClass }),
          securityContext: {
            ...{ runAsNonRoot: true, runAsUser: USER, runAsGroup: USER, fsGroup: USER },
            fsGroupChangePolicy: 'OnRootMismatch',
            seccompProfile: { type: 'RuntimeDefault' },
          },
          initContainers: [fetchContainer(frame)],
          containers: [workContainer(frame), courierContainer(frame)],
          volumes: [
            { name: 'workspace', emptyDir: { sizeLimit: volumeSize(frame) } },
            { name: 'scratch', emptyDir: { sizeLimit: volumeSize(frame) } },
            { name: 'tmp', emptyDir: { sizeLimit: '512Mi' } },
            { name: FIRST, secret: { secretName: FIRST } },
          ],
        },
      },
    },
  };
}

/** Everything after the namespace, in the order in which it is applied; the job comes last. */
export function jobManifests(frame: JobFrame): { walls: Manifest[]; job: JobManifest } {
  const { links, work } = frame;
  return {
    walls: [
      ...limits(frame),
      ...policies(frame),
      {
        ...{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(frame, JOB) },
        ...{ automountServiceAccountToken: false, imagePullSecrets: [{ name: PULL }] },
      },
      secret(frame, PULL, { '.dockerconfigjson': dockerConfig(frame.registries) }, 'kubernetes.io/dockerconfigjson'),
      secret(frame, LINKS, { ...links }),
      secret(frame, GIVEN, { ...work.secrets }),
      secret(frame, FIRST, work.first === undefined ? {} : { inbox: work.first }),
    ],
    job: job(frame),
  };
}
