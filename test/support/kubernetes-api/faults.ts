/** What can go wrong between a client and the pretended API server, as a test orders it. */
import { StatusError } from './objects.js';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'apply' | 'update' | 'patch' | 'delete' | 'log';

export interface Asked {
  verb: Verb;
  kind: string;
  namespace: string | undefined;
  name: string | undefined;
  manager: string | undefined;
}

/** `lost`: it is done, and the answer never comes. */
export type Failure = 'refused' | 'reset' | 'hang' | 'lost' | 'html' | 'truncated' | StatusError;

export interface FaultRule {
  when: (asked: Asked) => boolean;
  failure: Failure;
  /** How often; Infinity until it is taken away. */
  times: number;
}

export const failures = {
  conflict: () =>
    new StatusError(
      409,
      'Conflict',
      'Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again',
    ),
  tooMany: (seconds = 1) =>
    new StatusError(429, 'TooManyRequests', 'Too many requests, please try again later.', {
      retryAfterSeconds: seconds,
    }),
  quota: () =>
    new StatusError(
      403,
      'Forbidden',
      'pods "web" is forbidden: exceeded quota: tenant, requested: pods=1, used: pods=10, limited: pods=10',
    ),
  denied: () =>
    new StatusError(
      403,
      'Forbidden',
      'admission webhook "policy.example.com" denied the request: images must come from registry.example.com',
    ),
  forbidden: () =>
    new StatusError(
      403,
      'Forbidden',
      'deployments.apps is forbidden: User "system:serviceaccount:forgeway:forgeway" cannot patch resource "deployments" in API group "apps"',
    ),
  internal: () => new StatusError(500, 'InternalError', 'Internal error occurred: etcdserver: request timed out'),
  unavailable: () => new StatusError(503, 'ServiceUnavailable', 'the server is currently unable to handle the request'),
  expired: () => new StatusError(410, 'Expired', 'too old resource version: 1 (2000)'),
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
