/**
 * What an API server says in each of the fourteen faults that clusters are tested for. Each has a mark that says whether a
 * real API server was seen to say it; what is not confirmed is phrased as Kubernetes' published sources and documentation do.
 */
export interface Transcript {
  /** What is asked, or in which object it is read. */
  asked: string;
  /** Null: it is no answer, but what an object says, or no answer at all. */
  status: number | null;
  reason: string;
  message: string;
  /** Which real API server (or, for pods, kubelet) was seen to say so, or to do so; null: none. */
  confirmed: string | null;
}

const unconfirmed = (asked: string, status: number | null, reason: string, message: string): Transcript => ({
  ...{ asked, status, reason, message },
  confirmed: null,
});
/** Seen of kube-apiserver 1.20.2, as `transcripts/v1.20.2.json` has it. */
const confirmed = (...said: Parameters<typeof unconfirmed>): Transcript => ({
  ...unconfirmed(...said),
  confirmed: '1.20.2',
});

export const transcripts = {
  'a conflict': confirmed(
    'any write',
    409,
    'Conflict',
    'Operation cannot be fulfilled on configmaps "stale": the object has been modified; please apply your changes to the latest version and try again',
  ),
  'a watch that expired': confirmed('watch', 410, 'Expired', 'too old resource version: 1 (2000)'),
  'too many requests': unconfirmed('any request', 429, 'TooManyRequests', 'Too many requests, please try again later.'),
  'no quota left': confirmed(
    'create or apply',
    403,
    'Forbidden',
    'pods "web" is forbidden: exceeded quota: tenant, requested: pods=1, used: pods=10, limited: pods=10',
  ),
  'a policy that denies': unconfirmed(
    'create or apply',
    403,
    'Forbidden',
    'admission webhook "policy.example.com" denied the request: images must come from registry.example.com',
  ),
  'an internal error': unconfirmed(
    'any request',
    500,
    'InternalError',
    'Internal error occurred: etcdserver: request timed out',
  ),
  'a server that is not there': unconfirmed('any request', null, 'connection reset', ''),
  'an answer that is lost': unconfirmed('any write, which is done', null, 'connection reset', ''),
  'a node that is gone': unconfirmed(
    'status of the pod',
    null,
    'Unschedulable',
    '0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available.',
  ),
  'an image that cannot be pulled': unconfirmed('status and events of the pod', null, 'ImagePullBackOff', 'not found'),
  'a namespace that does not go': confirmed(
    'conditions of the namespace',
    null,
    'SomeFinalizersRemain',
    'Some content in the namespace has finalizers remaining: example.com/never in 1 resource instances',
  ),
  'an object that somebody edits': confirmed(
    'apply',
    409,
    'Conflict',
    'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas',
  ),
  'a build that uses too much memory': unconfirmed('status of the pod', null, 'OOMKilled', 'exit code 137'),
  'a volume that stays pending': unconfirmed(
    'status of the pod',
    null,
    'Unschedulable',
    '0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.',
  ),
} as const satisfies Record<string, Transcript>;

export type FaultName = keyof typeof transcripts;
