/** What can go wrong between a client and the pretended API server, as a test orders it. */
import { StatusError } from './objects.js';
import { type FaultName, transcripts } from './transcripts.js';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'apply' | 'update' | 'patch' | 'delete' | 'log';

export interface Asked {
  verb: Verb;
  kind: string;
  namespace: string | undefined;
  name: string | undefined;
  manager: string | undefined;
  /** The next page of a list that was begun before. */
  isNextPage: boolean;
}

/**
 * `lost`: it is done, and the answer never comes. `deaf`: a watch that is begun, told nothing, and never ended. `forgotten`: a watch
 * that is begun, and told at once that its version is too old.
 */
export type Failure = 'refused' | 'reset' | 'hang' | 'lost' | 'deaf' | 'forgotten' | 'html' | 'truncated' | StatusError;

export interface FaultRule {
  when: (asked: Asked) => boolean;
  failure: Failure;
  /** How often; Infinity until it is taken away. */
  times: number;
}

const saying = (fault: FaultName, details?: ConstructorParameters<typeof StatusError>[3]): StatusError => {
  const { status, reason, message } = transcripts[fault];
  if (status === null) throw new Error(`${fault} is no answer of a server`);
  return new StatusError(status, reason, message, details);
};

export const failures = {
  conflict: () => saying('a conflict'),
  tooMany: (seconds = 1) => saying('too many requests', { retryAfterSeconds: seconds }),
  quota: () => saying('no quota left'),
  denied: () => saying('a policy that denies'),
  forbidden: () =>
    new StatusError(
      403,
      'Forbidden',
      'deployments.apps is forbidden: User "system:serviceaccount:forgeway:forgeway" cannot patch resource "deployments" in API group "apps"',
    ),
  internal: () => saying('an internal error'),
  unavailable: () => new StatusError(503, 'ServiceUnavailable', 'the server is currently unable to handle the request'),
  expired: () => saying('a watch that expired'),
  /** Of a watch that goes on from what a server, put back to an earlier state, has not come to. */
  tooLargeVersion: () =>
    new StatusError(504, 'Timeout', 'Timeout: Too large resource version: 90000, current: 1000', {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    }),
};

export class Faults {
  #rules: FaultRule[] = [];

  /** @returns takes it away */
  add(failure: Failure, o: { when?: (asked: Asked) => boolean; times?: number } = {}): () => void {
    const rule = { when: o.when ?? (() => true), failure, times: o.times ?? Number.POSITIVE_INFINITY };
    this.#rules.push(rule);
    return () => {
      this.#rules = this.#rules.filter((one) => one !== rule);
    };
  }

  clear(): void {
    this.#rules = [];
  }

  next(asked: Asked): Failure | undefined {
    const rule = this.#rules.find((one) => one.times > 0 && one.when(asked));
    if (rule === undefined) return undefined;
    rule.times -= 1;
    return rule.failure;
  }
}
