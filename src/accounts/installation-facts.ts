/** What an event says about an installation of the App, read from GitHub's shape. */
import { z } from 'zod';
import { ForgewayError } from '../lib/errors.js';
import { parseId } from '../lib/ids.js';

/** Where the event comes from: fields of the current delivery, never of its payload. */
export interface InstallationSource {
  organizationId: string;
  forge: string;
  host: string;
  hookId: string;
  receivedAt: Date;
}

/** An installation as an event described it. */
export interface InstallationFacts {
  /** `payload.installation.id`, the number handlers see. */
  id: bigint;
  accountId: bigint | null;
  accountLogin: string | null;
  accountType: string | null;
  repositorySelection: string | null;
  permissions: Record<string, string>;
  createdAt: Date | null;
  /** Version of these facts; null where the event carries none. */
  updatedAt: Date | null;
}

// The webhooks write these times as ISO text or as Unix seconds, depending on the event.
const time = z
  .union([z.string(), z.number()])
  .transform((value) => new Date(typeof value === 'number' ? value * 1_000 : value))
  .refine((date) => !Number.isNaN(date.getTime()), 'is not a time')
  .nullish();
const id = z.union([z.number(), z.string()]).transform((value, context) => {
  try {
    return parseId(value);
  } catch {
    context.addIssue({ code: 'custom', message: 'is not an id' });
    return z.NEVER;
  }
});
const installationSchema = z.object({
  id,
  account: z
    .object({ id, login: z.string().nullish(), slug: z.string().nullish(), type: z.string().nullish() })
    .nullish(),
  repository_selection: z.string().nullish(),
  permissions: z.record(z.string(), z.string()).nullish(),
  created_at: time,
  updated_at: time,
});

/**
 * Reads the `installation` object of a GitHub-shaped payload.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID naming the first field that is wrong.
 */
export function readInstallation(value: unknown): InstallationFacts {
  const parsed = installationSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ForgewayError(
      'FORGEWAY_PAYLOAD_INVALID',
      `installation.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is invalid'}`,
    );
  }
  const { account, permissions, ...rest } = parsed.data;
  return {
    id: rest.id,
    accountId: account?.id ?? null,
    accountLogin: account?.login ?? account?.slug ?? null,
    accountType: account?.type ?? null,
    repositorySelection: rest.repository_selection ?? null,
    permissions: permissions ?? {},
    createdAt: rest.created_at ?? null,
    updatedAt: rest.updated_at ?? null,
  };
}
