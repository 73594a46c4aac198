/** What is set of plans and applies. */
import { z } from 'zod';
import type { Variable } from './variable.js';

/** A name of an image, with or without a tag and a digest; nothing that a shell or an option could be. */
export const IMAGE =
  /^[a-z0-9][a-z0-9._-]*(?::\d{1,5})?(?:\/[a-z0-9][a-z0-9._-]*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

const positive = z.coerce.number().int().positive();

export const runVariables = {
  runExecutor: {
    name: 'RUN_EXECUTOR',
    meaning:
      '`process` plans and applies the workspaces on this machine, isolated; `kubernetes` as jobs on a cluster, see guides/runs.md; `off` runs nothing here: runs wait for a worker that does.',
    default: 'process',
    schema: z.enum(['off', 'process', 'kubernetes']),
    fix: 'Use off, process or kubernetes.',
  },
  runImage: {
    name: 'RUN_IMAGE',
    meaning:
      'The image in which runs are planned and applied on a cluster: it has `sh`, and Terraform or OpenTofu; several with commas between them, of which `terraform-version` of a workspace takes one by its tag. Needed with `RUN_EXECUTOR=kubernetes`.',
    schema: z
      .string()
      .max(8_192)
      .transform((text) => text.split(',').map((one) => one.trim()))
      .pipe(z.array(z.string().max(512).regex(IMAGE, 'must be the name of an image')).max(50)),
    fix: 'Write it as `docker.io/hashicorp/terraform:1.11.4`, best with its digest.',
  },
  runBinary: {
    name: 'RUN_BINARY',
    meaning:
      'The program that plans and applies: a path, or a name; several with commas between them, of which `terraform-version` of a workspace takes one. Without it `terraform`, else `tofu`.',
    defaultNote: 'the first of terraform and tofu in the system’s directories',
    schema: z
      .string()
      .transform((text) => text.split(',').map((one) => one.trim()))
      .pipe(z.array(z.string().regex(/^(?:\/[^\0]+|[A-Za-z0-9._-]+)$/, 'must be a path or a name')).max(50)),
    fix: 'Write it as `/opt/terraform/1.11/terraform`, `tofu` or `/opt/terraform/1.11/terraform,/opt/terraform/1.9/terraform`.',
  },
  runLimit: {
    name: 'RUN_LIMIT',
    meaning: 'Runs that are planned or applied on this machine at the same time; others wait for their turn.',
    default: '4',
    schema: positive,
    fix: 'Use a whole number.',
  },
  runNetwork: {
    name: 'RUN_NETWORK',
    meaning:
      'What a plan and an apply may reach: `public` is the internet through a proxy (HTTP_PROXY and HTTPS_PROXY), never this machine or private addresses; `none` is nothing; `shared` is all that this machine can. Pull requests of strangers never get more than `public`.',
    default: 'public',
    schema: z.enum(['public', 'none', 'shared']),
    fix: 'Use public, none or shared. Providers that talk to private addresses need shared.',
  },
  runProviderMirror: {
    name: 'RUN_PROVIDER_MIRROR',
    meaning:
      'Where runs get their providers, in place of the registries: a mirror that speaks Terraform’s provider network mirror protocol, such as an artifact store or what `terraform providers mirror` has written behind a web server. Runs must reach it: `RUN_NETWORK`, on a cluster `jobs.runs.egress`.',
    schema: z
      .string()
      .regex(/^https:\/\/[^\s"\\?#@]+$/, 'must be an HTTPS address without a user, a query or a fragment')
      .transform((text) => (text.endsWith('/') ? text : `${text}/`)),
    fix: 'Write it as `https://mirror.example.com/providers/`.',
  },
  runPlanTimeoutSeconds: {
    name: 'RUN_PLAN_TIMEOUT_SECONDS',
    meaning: 'Longest time a plan may take.',
    default: '1800',
    schema: positive,
    fix: 'Use a whole number of seconds.',
  },
  runApplyTimeoutSeconds: {
    name: 'RUN_APPLY_TIMEOUT_SECONDS',
    meaning: 'Longest time an apply may take.',
    default: '7200',
    schema: positive,
    fix: 'Use a whole number of seconds.',
  },
  runMemoryMb: {
    name: 'RUN_MEMORY_MB',
    meaning: 'Memory of one run, all its processes together, in MiB.',
    default: '2048',
    schema: positive,
    fix: 'Use a whole number of MiB.',
  },
  runProcesses: {
    name: 'RUN_PROCESSES',
    meaning: 'Processes and threads one run may have.',
    default: '512',
    schema: positive,
    fix: 'Use a whole number.',
  },
  runDiskMb: {
    name: 'RUN_DISK_MB',
    meaning: 'Disk one run may fill with its configuration, providers and modules, in MiB.',
    default: '4096',
    schema: positive,
    fix: 'Use a whole number of MiB.',
  },
  runRetentionDays: {
    name: 'RUN_RETENTION_DAYS',
    meaning:
      'How long logs, plans and configurations of runs that are over are kept. The newest configuration of a workspace stays.',
    default: '90',
    schema: positive,
    fix: 'Use a whole number of days.',
  },
  stateRetentionDays: {
    name: 'STATE_RETENTION_DAYS',
    meaning:
      'How long older versions of a workspace’s state are kept. The current one stays, and so do those that `STATE_VERSIONS_KEPT` counts; of others it stays known when and by whom they were written.',
    default: '90',
    schema: positive,
    fix: 'Use a whole number of days.',
  },
  stateVersionsKept: {
    name: 'STATE_VERSIONS_KEPT',
    meaning: 'The newest versions of each workspace’s state that are kept however old they are.',
    default: '20',
    schema: positive,
    fix: 'Use a whole number, at least 1.',
  },
} as const satisfies Record<string, Variable>;
