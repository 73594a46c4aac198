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

/** By what the API server says; its reasons are part of its API, the phrases are those of its own admission plugins. */
function codeOf(
  status: number,
  reason: string,
  message: string,
  causes: readonly string[],
  fields: readonly string[],
): ErrorCode {
  if (causes.includes('NamespaceTerminating')) return 'FORGEWAY_NAMESPACE_TERMINATING';
  if (/\badmission webhook\b.*\bdenied\b|\bdenied request\b|violates PodSecurity/is.test(message))
    return 'FORGEWAY_CLUSTER_ADMISSION';
  // A quota that its controller has not counted by for the first time: it will have in a moment.
  if (status === 403 && /status unknown for quota/i.test(message)) return 'FORGEWAY_CLUSTER_FAILED';
  if (status === 403) return /exceeded quota/i.test(message) ? 'FORGEWAY_CLUSTER_QUOTA' : 'FORGEWAY_CLUSTER_FORBIDDEN';
  if (status === 401) return 'FORGEWAY_CLUSTER_FORBIDDEN';
  // An apply to one with a certain uid, where another of that name has taken its place.
  if (status === 422 && fields.includes('metadata.uid')) return 'FORGEWAY_CLUSTER_CONFLICT';
  if (status === 409) return 'FORGEWAY_CLUSTER_CONFLICT';
  // A version that the server has not come to: it was put back to an earlier state, and will never tell what came after ours.
  if (status === 410 || reason === 'Expired' || causes.includes('ResourceVersionTooLarge'))
    return 'FORGEWAY_CLUSTER_EXPIRED';
  // Of an object that the server cannot read it tells a failure of its own, and it is none: mostly it is older than a field.
  if (/failed to create typed patch object/.test(message)) return 'FORGEWAY_CLUSTER_INVALID';
  if (status === 429 || status >= 500 || status === 408) return 'FORGEWAY_CLUSTER_FAILED';
  return 'FORGEWAY_CLUSTER_INVALID';
}

/** `.spec.podFailurePolicy: field not declared in schema`, each of them. */
const UNDECLARED = /(\.[\w.[\]="{}:,-]+): field not declared in schema/g;

/**
 * @param what what was asked, for the person who reads it: `apply Deployment web in acme-web-gh-pr-12`
 */
export function failureOfAnswer(cluster: string, what: string, answer: ClusterAnswer): ForgewayError {
  const said = readStatus(answer.body);
  const { reason = '', message = '' } = said;
  const told = said.details?.causes ?? [];
  const causes = told.map((cause) => cause.reason ?? '');
  // `conflict with "kubectl" using apps/v1 at …`
  const holders = told.flatMap(({ message: text = '' }) => /^conflict with "([^"]*)"/.exec(text)?.slice(1, 2) ?? []);
  const fields = told.map((cause) => cause.field ?? '');
  const code = codeOf(answer.status, reason, message, causes, fields);
  const undeclared = [...message.matchAll(UNDECLARED)].map(([, path = '']) => path);
  // Of a field that cannot be changed the whole of it is written out, as a program would, before the reason.
  const plain = message.replace(/Invalid value: &?[\w.[\]*]+\{.*\}: /s, 'Invalid value: ');
  const spoken =
    undeclared.length === 0
      ? plain
      : `it does not know ${undeclared.join(', ')}: its Kubernetes is too old for that (${plain})`;
  const text = redactText(spoken).replace(/\s+/g, ' ').slice(0, MESSAGE_LENGTH);
  const header = answer.headers['retry-after'];
  const seconds = said.details?.retryAfterSeconds;
  const waitMs =
    retryAfter(typeof header === 'string' ? header : undefined, new Date()) ??
    (seconds === undefined ? undefined : seconds * 1_000);
  return new ForgewayError(code, `Cluster ${cluster}: ${what}: ${text === '' ? `HTTP ${answer.status}` : text}`, {
    details: {
      cluster,
      what,
      answered: answer.status,
      reason,
      causes,
      holders,
      undeclared,
      ...(waitMs !== undefined && { waitMs }),
    },
  });
}

/** The object is there, and cannot become what it was asked to be. */
export const isImmutable = (error: unknown): boolean =>
  error instanceof ForgewayError &&
  error.code === 'FORGEWAY_CLUSTER_INVALID' &&
  /field is immutable|updates to statefulset spec for fields other than/.test(error.message);

/** Of a request that got no answer. What is one of ours already stays what it is. */
export function failureOfNetwork(cluster: string, what: string, error: unknown): ForgewayError {
  if (error instanceof ForgewayError) return error;
  const text = redactText(messageOf(error)).slice(0, MESSAGE_LENGTH);
  return new ForgewayError('FORGEWAY_CLUSTER_UNREACHABLE', `Cluster ${cluster}: ${what}: ${text}`, {
    cause: error,
    details: { cluster, what },
  });
}

/** Fields of an object that the server does not know, and so refuses to apply. */
export const undeclaredFields = (error: unknown): readonly string[] =>
  error instanceof ForgewayError ? ((error.details as { undeclared?: string[] }).undeclared ?? []) : [];

export const isNotFound = (error: unknown): boolean => error instanceof ForgewayError && error.details.answered === 404;
export const isExpired = (error: unknown): boolean =>
  error instanceof ForgewayError && error.code === 'FORGEWAY_CLUSTER_EXPIRED';
/**
 * A conflict has two meanings: another version than the one we read, or somebody else's field, which this is.
 * @param only whether it is this manager alone whose fields they are
 */
export function isFieldConflict(error: unknown, only?: string): boolean {
  if (!(error instanceof ForgewayError) || error.code !== 'FORGEWAY_CLUSTER_CONFLICT') return false;
  const { causes, holders } = error.details as { causes?: string[]; holders?: string[] };
  if (!causes?.includes('FieldManagerConflict')) return false;
  return only === undefined || (holders?.length === causes.length && holders.every((one) => one === only));
}
