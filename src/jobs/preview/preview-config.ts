/** What a repository asks of its preview, as it is kept in the preview's row: plain data that says all a driver needs. */
import { z } from 'zod';

export const sizeClasses = ['small', 'medium', 'large'] as const;
export type SizeClass = (typeof sizeClasses)[number];

const source = z.discriminatedUnion('kind', [
  /** Run by a shell in a checkout; the process driver runs nothing else, and Kubernetes does not run it. */
  z.object({
    kind: z.literal('commands'),
    build: z.array(z.string()),
    start: z.string(),
    workingDirectory: z.string(),
  }),
  z.object({
    kind: z.literal('dockerfile'),
    /** Below the repository's root, as is `context`. */
    dockerfile: z.string(),
    context: z.string(),
    target: z.string().optional(),
    args: z.record(z.string(), z.string()),
  }),
  z.object({ kind: z.literal('buildpack'), context: z.string() }),
  z.object({ kind: z.literal('image'), image: z.string() }),
  /** The Dockerfile of the repository's root, else a buildpack where the operator offers one. */
  z.object({ kind: z.literal('detect') }),
]);

const service = z.object({
  /** A DNS label of at most 30 characters, one per preview. */
  name: z.string(),
  source,
  /** Replaces what the image starts; an argument vector, never a line for a shell. */
  command: z.array(z.string()).optional(),
  port: z.number(),
  /** False: only the other services reach it. The first public one has the preview's own address. */
  public: z.boolean(),
  health: z.string(),
  env: z.record(z.string(), z.string()),
  /** Names in the organization's and the repository's preview secrets. */
  secrets: z.array(z.string()),
  size: z.enum(sizeClasses),
  /** The user that the image wants to be; undefined: Forgeway's own choice. */
  user: z.number().optional(),
});

const database = z.object({
  engine: z.enum(['postgres', 'mysql', 'redis']),
  version: z.string(),
  size: z.enum(sizeClasses),
  /** Run once for each new database, in the image of `service`. */
  seed: z.object({ service: z.string(), command: z.array(z.string()) }).optional(),
});

const previewConfig = z.object({
  services: z.array(service).min(1),
  database: database.optional(),
  /** Idle time after which it sleeps and is removed; the operator's holds where it is shorter. */
  sleepAfterMinutes: z.number().optional(),
  ttlMinutes: z.number().optional(),
  /** Only pull requests with one of them; empty: all. */
  labels: z.array(z.string()),
  /** Only pull requests that change something here; empty: all. */
  paths: z.array(z.string()),
  /** Branches that have a preview without a pull request. */
  branches: z.array(z.string()),
});

export type PreviewConfig = z.output<typeof previewConfig>;
export type ServiceConfig = PreviewConfig['services'][number];
export type ServiceSource = ServiceConfig['source'];
export type CommandsSource = Extract<ServiceSource, { kind: 'commands' }>;

/** What stands for a service that says no more than its source. */
export const serviceDefaults = {
  ...{ name: 'web', port: 8080, public: true, health: '/' },
  ...{ env: {} as Record<string, string>, secrets: [] as string[], size: 'small' as SizeClass },
};

/** How places were written down before there was more than commands. */
const commandsOnly = z
  .object({
    build: z.array(z.string()),
    start: z.string(),
    health: z.string(),
    workingDirectory: z.string(),
    env: z.record(z.string(), z.string()),
  })
  .transform(
    ({ health, env, ...commands }): PreviewConfig => ({
      services: [{ ...serviceDefaults, health, env, source: { kind: 'commands', ...commands } }],
      ...{ labels: [], paths: [], branches: [] },
    }),
  );

/** Reads what a row keeps. */
export const storedPreviewConfig = z.union([previewConfig, commandsOnly]);
