/**
 * The section `preview:` of `.forgeway.yml`. It lists what may be said and refuses everything else, so that no field of a
 * pod can be set that is not meant to be (docs/guides/previews.md explains every key).
 */
import { z } from 'zod';
import { isAllowedVariable } from '../../effects/process/clean-environment.js';
import {
  type PreviewConfig,
  type ServiceConfig,
  type ServiceSource,
  serviceDefaults,
  sizeClasses,
} from './preview-config.js';

const withoutNul = (text: string) => !text.includes('\0');
const command = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(8_192)
  .refine(withoutNul, 'contains a NUL')
  .meta({ description: 'A line for a shell.' });
const argument = z.string().max(8_192).refine(withoutNul, 'contains a NUL');
const argv = z
  .union([z.array(argument).min(1).max(100), command.transform((line) => ['/bin/sh', '-c', line])])
  .meta({ description: 'A list of arguments, or a line that the image’s /bin/sh runs.' });

/** Below the checkout, whatever it says: no absolute path, no way up, nothing that git keeps for itself. */
const path = z
  .string()
  .min(1)
  .max(1_024)
  .refine(
    (text) =>
      !text.startsWith('/') &&
      !text.split('/').some((part) => part === '..' || part.toLowerCase() === '.git') &&
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      !/[\x00-\x1f\\]/.test(text) &&
      !text.startsWith('-'),
    { message: 'must be a path inside the repository' },
  );

const health = z
  .string()
  .max(1_024)
  .regex(/^\/[\x21-\x7e]*$/, 'must be a path that begins with /')
  .meta({
    description:
      'Path that must answer before the preview counts as ready: with 2xx or 3xx on Kubernetes, else with less than 500.',
  });
const port = z.int().min(1).max(65_535).meta({ description: 'Port that the service listens on; also given as $PORT.' });
const size = z
  .enum(sizeClasses)
  .meta({ description: 'How much memory and CPU it gets; the operator says how much that is.' });
const label = z
  .string()
  .max(30)
  .regex(/^[a-z]([a-z0-9-]*[a-z0-9])?$/, 'must be small letters, digits and dashes, beginning with a letter');
const variable = z.string().refine(isAllowedVariable, { message: 'may not be set here' });

const env = z
  .record(
    z.string(),
    z.union([z.string().max(32_768).refine(withoutNul, 'contains a NUL'), z.number(), z.boolean()]).transform(String),
  )
  .superRefine((given, context) => {
    const names = Object.keys(given);
    if (names.length > 200) context.addIssue({ code: 'custom', message: 'has more than 200 variables' });
    for (const name of names) {
      if (!isAllowedVariable(name)) context.addIssue({ code: 'custom', path: [name], message: 'may not be set here' });
    }
  })
  .meta({ description: 'Environment variables; not for secrets, everybody who reads the repository reads them.' });
const secrets = z.array(variable).max(100).meta({
  description: 'Names of preview secrets, each given as the variable of that name. Untrusted pull requests get none.',
});

/** `registry/path:tag`, `…@sha256:…`: what an image may be called, and nothing that reads as an option. */
const IMAGE =
  /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
const image = z.string().max(512).regex(IMAGE, 'must be the name of an image, as in ghcr.io/acme/web:1.2').meta({
  description: 'An image that was built elsewhere. `{sha}` and `{number}` stand for the commit and the pull request.',
});
const imageTemplate = z.string().superRefine((text, context) => {
  const filled = text.replaceAll('{sha}', '0'.repeat(40)).replaceAll('{number}', '1');
  const parsed = image.safeParse(filled);
  if (!parsed.success) context.addIssue({ code: 'custom', message: parsed.error.issues[0]?.message ?? 'is not valid' });
});

const containerBuild = z.union([
  z.strictObject({
    dockerfile: path.default('Dockerfile'),
    context: path.default('.'),
    target: z
      .string()
      .max(128)
      .regex(/^[A-Za-z0-9][\w.-]*$/, 'must be the name of a stage')
      .optional(),
    args: z
      .record(
        z.string().regex(/^[A-Za-z_]\w{0,127}$/),
        z.union([z.string().max(4_096), z.number(), z.boolean()]).transform(String),
      )
      .default({}),
  }),
  z.strictObject({ buildpack: z.literal(true), context: path.default('.') }),
]);
const commands = z.union([command, z.array(command).max(50)]);

const serviceKeys = {
  build: z.union([commands, containerBuild]).optional().meta({
    description:
      'Commands for the process driver, or how its image is built: `dockerfile`, `context`, `target`, `args`, or `buildpack: true`.',
  }),
  start: command.optional(),
  'working-directory': path.default('.'),
  image: imageTemplate.optional(),
  command: argv.optional(),
  port: port.default(serviceDefaults.port),
  health: health.default(serviceDefaults.health),
  env: env.default({}),
  secrets: secrets.default([]),
  size: size.default(serviceDefaults.size),
  user: z
    .int()
    .min(1_000)
    .max(65_533)
    .optional()
    .meta({ description: 'Numeric user that the image needs to be; never root.' }),
};

type Written = z.output<z.ZodObject<typeof serviceKeys>>;

/** Which of the ways to say what runs was chosen, and whether they fit together. */
function checkSource(written: Written, context: z.RefinementCtx): void {
  const { build, start, image: prebuilt, command: argvGiven } = written;
  const wrong = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  const hasCommands = typeof build === 'string' || Array.isArray(build);
  if (prebuilt !== undefined && build !== undefined)
    wrong('image', 'cannot stand beside `build`: it is either built or taken');
  if (prebuilt !== undefined && start !== undefined) wrong('start', 'cannot stand beside `image`: say `command`');
  if (hasCommands && start === undefined) wrong('start', 'is missing: commands that build need one that starts');
  if (build !== undefined && !hasCommands && start !== undefined)
    wrong('start', 'cannot stand beside an image: say `command`');
  if (start !== undefined && argvGiven !== undefined) wrong('command', 'cannot stand beside `start`');
}

function sourceOf({ build, start, image: prebuilt, ...rest }: Written): ServiceSource {
  if (prebuilt !== undefined) return { kind: 'image', image: prebuilt };
  if (start !== undefined && (build === undefined || typeof build === 'string' || Array.isArray(build))) {
    const list = typeof build === 'string' ? [build] : (build ?? []);
    return { kind: 'commands', build: list, start, workingDirectory: rest['working-directory'] };
  }
  if (typeof build !== 'object' || Array.isArray(build)) return { kind: 'detect' };
  return 'buildpack' in build ? { kind: 'buildpack', context: build.context } : { kind: 'dockerfile', ...build };
}

const service = z.strictObject({ ...serviceKeys, public: z.boolean().optional() }).superRefine(checkSource);

const database = z
  .strictObject({
    engine: z.enum(['postgres', 'mysql', 'redis']),
    version: z
      .string()
      .regex(/^\d{1,3}(?:\.\d{1,3}){0,2}$/, 'must be a version such as "17"')
      .optional(),
    size: size.default('small'),
    seed: z.strictObject({ service: label.optional(), command: argv }).optional(),
  })
  .meta({ description: 'A database of its own, given as DATABASE_URL (redis: REDIS_URL), and gone with the preview.' });
const VERSIONS = { postgres: '17', mysql: '8.4', redis: '7.4' } as const;

const UNITS = { m: 1, h: 60, d: 1_440 } as const;
const duration = z
  .string()
  .regex(/^[1-9]\d{0,4}[mhd]$/, 'must be a time such as 30m, 12h or 3d')
  .transform((text) => Number(text.slice(0, -1)) * UNITS[text.slice(-1) as keyof typeof UNITS]);

const pattern = z.string().min(1).max(255).refine(withoutNul, 'contains a NUL');
const patterns = z.array(pattern).max(50).default([]);

const RESERVED = ['database', 'seed', 'build'];

export const previewSection = z
  .strictObject({
    ...serviceKeys,
    services: z
      .record(label, service)
      .superRefine((services, context) => {
        const names = Object.keys(services);
        if (names.length === 0) context.addIssue({ code: 'custom', message: 'names no service' });
        if (names.length > 10) context.addIssue({ code: 'custom', message: 'has more than 10 services' });
        for (const name of names.filter((one) => RESERVED.includes(one)))
          context.addIssue({ code: 'custom', path: [name], message: 'is a name that Forgeway uses itself' });
        if (names.length > 0 && Object.values(services).every((one) => one.public === false))
          context.addIssue({ code: 'custom', message: 'has no public one' });
      })
      .optional()
      .meta({ description: 'Several services; the first public one has the preview’s own address.' }),
    database: database.optional(),
    ttl: duration.optional().meta({
      description: 'Removed when nobody opened it for this long, as in 2d. It can only shorten what the operator says.',
    }),
    sleep: duration
      .optional()
      .meta({ description: 'Goes to sleep when nobody opened it for this long, as in 30m. It can only shorten.' }),
    labels: patterns.meta({ description: 'Only pull requests that carry one of these labels.' }),
    paths: patterns.meta({ description: 'Only pull requests that change a file that one of these patterns matches.' }),
    branches: patterns.meta({ description: 'Branches that have a preview of their own, without a pull request.' }),
  })
  .superRefine((written, context) => {
    if (written.services === undefined) return checkSource(written, context);
    for (const key of ['build', 'start', 'image', 'command'] as const)
      if (written[key] !== undefined)
        context.addIssue({ code: 'custom', path: [key], message: 'belongs into one of the `services`' });
    const seedOf = written.database?.seed?.service;
    if (seedOf !== undefined && written.services[seedOf] === undefined)
      context.addIssue({ code: 'custom', path: ['database', 'seed', 'service'], message: 'is none of the services' });
  });

function serviceOf(name: string, written: Written & { public?: boolean }): ServiceConfig {
  const { port: listens, health: path, env: variables, secrets: names, size: sized, user, command: given } = written;
  return {
    ...{ name, source: sourceOf(written), port: listens, public: written.public ?? true, health: path },
    ...{ env: variables, secrets: [...new Set(names)], size: sized },
    ...(given === undefined ? {} : { command: given }),
    ...(user === undefined ? {} : { user }),
  };
}

/** What the section says, with every default filled in. */
export function previewConfigOf(written: z.output<typeof previewSection>): PreviewConfig {
  const services =
    written.services === undefined
      ? [serviceOf(serviceDefaults.name, written)]
      : Object.entries(written.services).map(([name, one]) => serviceOf(name, one));
  const { ttl, sleep, labels, paths, branches, database: wanted } = written;
  const seed = wanted?.seed && {
    command: wanted.seed.command,
    service: wanted.seed.service ?? services[0]?.name ?? serviceDefaults.name,
  };
  return {
    services,
    ...(wanted === undefined
      ? {}
      : {
          database: {
            ...{ engine: wanted.engine, version: wanted.version ?? VERSIONS[wanted.engine], size: wanted.size },
            ...(seed === undefined ? {} : { seed }),
          },
        }),
    ...(sleep === undefined ? {} : { sleepAfterMinutes: sleep }),
    ...(ttl === undefined ? {} : { ttlMinutes: ttl }),
    ...{ labels, paths, branches },
  };
}
