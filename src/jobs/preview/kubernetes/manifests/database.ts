/** A database that belongs to one preview and to nobody else, and what fills it once. */
import type { V1EnvVar } from '@kubernetes/client-node';
import type { JobManifest, Manifest, StatefulSetManifest } from '../../../../effects/kubernetes/manifest.js';
import { metadata } from './foundation.js';
import type { PlaceInput, RunInput } from './input.js';
import { ANNOTATION, LABEL, placeKey } from './marks.js';
import { container, fromSecret, podSpec, variable } from './pod.js';
import { DATABASE_SECRET, databaseSecret, placeMarks } from './secrets.js';
import { databaseDisk, sizeOf } from './sizes.js';

const NAME = 'database';
const USER = 999;

interface Engine {
  image: (version: string) => string;
  port: number;
  /** Where it keeps its data. */
  directory: string;
  /** Key of the Secret to the variable under which services find it. */
  variable: string;
  url: (password: string) => string;
  env: V1EnvVar[];
  args: string[];
}

const password = (name: string) => fromSecret(name, DATABASE_SECRET, 'password');

const engines: Record<NonNullable<RunInput['frame']['config']['database']>['engine'], Engine> = {
  postgres: {
    image: (version) => `docker.io/library/postgres:${version}`,
    port: 5432,
    directory: '/var/lib/postgresql/data',
    variable: 'DATABASE_URL',
    url: (secret) => `postgres://preview:${secret}@${NAME}:5432/preview`,
    env: [
      ...[variable('POSTGRES_USER', 'preview'), password('POSTGRES_PASSWORD'), variable('POSTGRES_DB', 'preview')],
      // The volume's own root holds `lost+found` on some of them, which initdb refuses.
      variable('PGDATA', '/var/lib/postgresql/data/pgdata'),
    ],
    args: [],
  },
  mysql: {
    image: (version) => `docker.io/library/mysql:${version}`,
    port: 3306,
    directory: '/var/lib/mysql',
    variable: 'DATABASE_URL',
    url: (secret) => `mysql://preview:${secret}@${NAME}:3306/preview`,
    env: [
      ...[variable('MYSQL_USER', 'preview'), password('MYSQL_PASSWORD'), variable('MYSQL_DATABASE', 'preview')],
      variable('MYSQL_RANDOM_ROOT_PASSWORD', 'yes'),
    ],
    args: ['--datadir=/var/lib/mysql/data', '--socket=/tmp/mysqld.sock', '--mysqlx=OFF'],
  },
  redis: {
    image: (version) => `docker.io/library/redis:${version}`,
    port: 6379,
    directory: '/data',
    variable: 'REDIS_URL',
    url: (secret) => `redis://:${secret}@${NAME}:6379/0`,
    env: [],
    args: ['/etc/forgeway/redis.conf'],
  },
};

/** What it is run from: as the operator says, else the engine's own image. */
function databaseImage(
  { engine, version }: { engine: keyof typeof engines; version: string },
  named: Readonly<Record<string, string>>,
): string {
  return named[`${engine}:${version}`] ?? engines[engine].image(version);
}

/** What its data can be read by, and the volume it lies on: neither can be changed of a database that is there. */
function dataOf(frame: PlaceInput['frame'], { engine, version }: { engine: string; version: string }): string {
  const [major] = version.split('.');
  return [`${engine}:${major}`, databaseDisk(frame), frame.settings.databaseStorageClass ?? ''].join(' ').trim();
}

/** The variable that says where the database is; none without one. */
export function databaseEnvironment(input: PlaceInput): V1EnvVar[] {
  const { database } = input.frame.config;
  return database === undefined ? [] : [fromSecret(engines[database.engine].variable, DATABASE_SECRET, 'url')];
}

/** Service, Secret and the one pod with its volume. Nothing without a database. */
export function databaseManifests(input: PlaceInput & { asleep: boolean }): Manifest[] {
  const { frame, asleep, databasePassword } = input;
  const { database } = frame.config;
  if (database === undefined) return [];
  const engine = engines[database.engine];
  const size = sizeOf(frame, database.size);
  const labels = { [LABEL.preview]: frame.name, [LABEL.part]: NAME };
  const marked = metadata(frame, NAME, { part: NAME });
  const data = { [ANNOTATION.database]: dataOf(frame, database) };
  const isRedis = database.engine === 'redis';
  const set: StatefulSetManifest = {
    ...{ apiVersion: 'apps/v1', kind: 'StatefulSet' },
    metadata: { ...marked, annotations: { ...marked.annotations, ...data } },
    spec: {
      serviceName: NAME,
      // Its volume goes with it, and stays while it sleeps.
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
      replicas: asleep ? 0 : 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels: { ...marked.labels } },
        spec: podSpec(frame, {
          ...{ user: USER, group: USER, restartPolicy: 'Always', tmpSize: '128Mi', graceSeconds: 30 },
          volumes: isRedis
            ? [
                {
                  name: 'config',
                  secret: { secretName: DATABASE_SECRET, items: [{ key: 'redis.conf', path: 'redis.conf' }] },
                },
              ]
            : [],
          containers: [
            container({
              ...{ name: NAME, image: databaseImage(database, frame.settings.databaseImages), size, env: engine.env },
              ...(engine.args.length === 0 ? {} : { args: engine.args }),
              ports: [{ name: 'database', containerPort: engine.port, protocol: 'TCP' }],
              mounts: [
                { name: 'data', mountPath: engine.directory },
                ...(isRedis ? [{ name: 'config', mountPath: '/etc/forgeway', readOnly: true }] : []),
              ],
              readinessProbe: { tcpSocket: { port: 'database' }, periodSeconds: 2, failureThreshold: 60 },
            }),
          ],
        }),
      },
      volumeClaimTemplates: [
        {
          ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
          metadata: { name: 'data', labels: { ...marked.labels } },
          spec: {
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: databaseDisk(frame) } },
            ...(frame.settings.databaseStorageClass === undefined
              ? {}
              : { storageClassName: frame.settings.databaseStorageClass }),
          },
        },
      ],
    },
  };
  return [
    databaseSecret(input, {
      password: databasePassword,
      url: engine.url(encodeURIComponent(databasePassword)),
      ...(isRedis ? { 'redis.conf': `requirepass ${databasePassword}\ndir /data\n` } : {}),
    }),
    {
      ...{ apiVersion: 'v1', kind: 'Service' },
      metadata: marked,
      spec: {
        type: 'ClusterIP',
        selector: labels,
        ports: [{ name: 'database', port: engine.port, targetPort: 'database', protocol: 'TCP' }],
      },
    },
    set,
  ];
}

/** Fills a new database, in the image of the service it names; to be started once the database answers. */
export function seedJob(input: RunInput, env: (service: string) => V1EnvVar[]): JobManifest | undefined {
  const { frame, placeId, images } = input;
  const seed = frame.config.database?.seed;
  const service = frame.config.services.find(({ name }) => name === seed?.service);
  if (seed === undefined || service === undefined) return undefined;
  const marked = metadata(frame, `seed-${placeKey(placeId)}`, { part: 'seed', ...placeMarks(input) });
  const user = service.user;
  return {
    ...{ apiVersion: 'batch/v1', kind: 'Job' },
    metadata: marked,
    spec: {
      backoffLimit: 2,
      activeDeadlineSeconds: frame.settings.build.timeoutSeconds,
      template: {
        metadata: { labels: { ...marked.labels }, annotations: { ...marked.annotations } },
        spec: podSpec(frame, {
          ...{ restartPolicy: 'Never', tmpSize: '256Mi' },
          ...(user === undefined ? {} : { user, group: user }),
          containers: [
            container({
              ...{ name: 'seed', image: images[service.name] ?? '', size: sizeOf(frame, service.size) },
              ...{ command: seed.command, env: env(service.name) },
            }),
          ],
        }),
      },
    },
  };
}
