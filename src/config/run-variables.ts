/** What is set of plans and applies. */
import { z } from 'zod';
import type { Variable } from './variable.js';

const positive = z.coerce.number().int().positive();

export const runVariables = {
  runExecutor: {
    name: 'RUN_EXECUTOR',
    meaning:
      '`process` plans and applies the workspaces on this machine, isolated; `off` runs nothing here: runs wait for a worker that does.',
    default: 'process',
    schema: z.enum(['off', 'process']),
    fix: 'Use off or process.',
  },
  runBinary: {
    name: 'RUN_BINARY',
    meaning: 'The program that plans and applies: a path, or a name. Without it `terraform`, else `tofu`.',
    defaultNote: 'the first of terraform and tofu in the system’s directories',
    schema: z.string().regex(/^(?:\/[^\0]+|[A-Za-z0-9._-]+)$/, 'must be a path or a name'),
    fix: 'Write it as `/opt/terraform/1.11/terraform` or `tofu`.',
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
      'How long logs, plans and configurations of runs that are over are kept. The newest configuration of a workspace and its states stay.',
    default: '90',
    schema: positive,
    fix: 'Use a whole number of days.',
  },
} as const satisfies Record<string, Variable>;
