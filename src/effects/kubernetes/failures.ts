/** What went wrong at a cluster, as one of our errors: from the answer's Status object, or from the network. */
import type { V1Status } from '@kubernetes/client-node';
import { z } from 'zod';
import { retryAfter } from '../../lib/backoff.js';
import { type ErrorCode, ForgewayError, messageOf } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';

const MESSAGE_LENGTH = 500;

const statusSchema = z.object({
  message: z.string().optional(),
  reason: z.string().optional(),
  details: z
    .object({
      retryAfterSeconds: z.number().optional(),
      causes: z
        .array(
          z.object({ reason: z.string().optional(), message: z.string().optional(), field: z.string().optional() }),
        )
        .optional(),
    })
    .optional()
    .catch(undefined),
});

export interface ClusterAnswer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

const readStatus = (body: string): Pick<V1Status, 'message' | 'reason' | 'details'> => {
  try {
    return statusSchema.parse(JSON.parse(body)) as Pick<V1Status, 'message' | 'reason' | 'details'>;
  } catch {
    return {};
  }
};

/** By what the API server says; its reasons are part of its API, the two phrases are those of its own admission plugins. */
function codeOf(status: number, reason: string, message: string, causes: readonly string[]): ErrorCode {
  if (causes.includes('NamespaceTerminating')) return 'FORGEWAY_NAMESPACE_TERMINATING';
  if (/\badmission webhook\b.*\bdenied\b|\bdenied request\b|violates PodSecurity/is.test(message))
    return 'FORGEWAY_CLUSTER_ADMISSION';
  if (status === 403) return /exceeded quota/i.test(message) ? 'FORGEWAY_CLUSTER_QUOTA' : 'FORGEWAY_CLUSTER_FORBIDDEN';
  if (status === 401) return 'FORGEWAY_CLUSTER_FORBIDDEN';
  if (status === 409) return 'FORGEWAY_CLUSTER_CONFLICT';
  if (status === 410 || reason === 'Expired') return 'FORGEWAY_CLUSTER_EXPIRED';
  if (status === 429 || status >= 500 || status === 408) return 'FORGEWAY_CLUSTER_FAILED';
  return 'FORGEWAY_CLUSTER_INVALID';
}

/**
 * @param what what was asked, for the person who reads it: `apply Deployment web in acme-web-gh-pr-12`
 */
export function failureOfAnswer(cluster: string, what: string, answer: ClusterAnswer): ForgewayError {
  const said = readStatus(answer.body);
  const { reason = '', message = '' } = said;
  const causes = (said.details?.causes ?? []).map((cause) => cause.reason ?? '');
  const code = codeOf(answer.status, reason, message, causes);
  const text = redactText(message).replace(/\s+/g, ' ').slice(0, MESSAGE_LENGTH);
  const header = answer.headers['retry-after'];
  const seconds = said.details?.retryAfterSeconds;
  const waitMs =
    retryAfter(typeof header === 'string' ? header : undefined, new Date()) ??
    (seconds === undefined ? undefined : seconds * 1_000);
  return new ForgewayError(code, `Cluster ${cluster}: ${what}: ${text === '' ? `HTTP ${answer.status}` : text}`, {
    details: { cluster, what, answered: answer.status, reason, causes, ...(waitMs !== undefined && { waitMs }) },
  });
}

/** Of a request that got no answer. What is one of ours already stays what it is. */
export function failureOfNetwork(cluster: string, what: string, error: unknown): ForgewayError {
  if (error instanceof ForgewayError) return error;
  const text = redactText(messageOf(error)).slice(0, MESSAGE_LENGTH);
  return new ForgewayError('FORGEWAY_CLUSTER_UNREACHABLE', `Cluster ${cluster}: ${what}: ${text}`, {
    cause: error,
    details: { cluster, what },
  });
}

export const isNotFound = (error: unknown): boolean => error instanceof ForgewayError && error.details.answered === 404;
export const isExpired = (error: unknown): boolean =>
  error instanceof ForgewayError && error.code === 'FORGEWAY_CLUSTER_EXPIRED';
/** Two meanings: another version than the one we read, or somebody else's field. */
export const isFieldConflict = (error: unknown): boolean =>
  error instanceof ForgewayError &&
  error.code === 'FORGEWAY_CLUSTER_CONFLICT' &&
  (error.details.causes as string[]).includes('FieldManagerConflict');
