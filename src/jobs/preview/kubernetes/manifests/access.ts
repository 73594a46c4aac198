/**
 * What Forgeway may do on a cluster, to be applied by its administrator (`deploy/kubernetes/`, made by `generate:docs`).
 *
 * A ClusterRole cannot say “in namespaces of its own”, so two things do: it holds no verb that reads a Secret, and an
 * admission policy refuses every write outside of namespaces that carry our label. Kubernetes 1.30 and later enforce the
 * policy; before that the role alone stands, which docs/guides/previews.md and `forgeway clusters test` say.
 */
import type {
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1PolicyRule,
  V1ServiceAccount,
  V1ValidatingAdmissionPolicy,
  V1ValidatingAdmissionPolicyBinding,
} from '@kubernetes/client-node';
import { LABEL, MANAGER } from './marks.js';

export interface Account {
  namespace: string;
  name: string;
}

/** Who Forgeway is on a cluster: an account of it, or a user as a certificate or an identity provider names one. */
export type Who = Account | { user: string };

const isUser = (who: Who): who is { user: string } => 'user' in who;

/** As the expressions of a policy write text: what JSON makes of it is one of their literals, too. */
const usernameOf = (who: Who): string =>
  isUser(who) ? JSON.stringify(who.user) : `'system:serviceaccount:${who.namespace}:${who.name}'`;

const NAME = 'forgeway-previews';
const POD_SECURITY = 'pod-security.kubernetes.io/enforce';

const rule = (group: string, resources: string[], verbs: string[]): V1PolicyRule => ({
  apiGroups: [group],
  resources,
  verbs,
});
const LOOK = ['get', 'list', 'watch'];
/** Server-side apply is `patch`, and `create` where there is nothing yet. */
const KEEP = [...LOOK, 'create', 'patch', 'delete'];

const rules: V1PolicyRule[] = [
  rule('', ['namespaces'], KEEP),
  rule('', ['resourcequotas', 'limitranges', 'serviceaccounts', 'services'], KEEP),
  rule('', ['persistentvolumeclaims', 'pods', 'events'], LOOK),
  rule('', ['pods/log'], ['get']),
  // Written and taken away by their names, and never read: what is in them is in Forgeway's vault, or nobody's business.
  rule('', ['secrets'], ['create', 'patch', 'delete']),
  rule('apps', ['deployments', 'statefulsets'], KEEP),
  rule('apps', ['replicasets'], LOOK),
  rule('batch', ['jobs'], KEEP),
  rule('networking.k8s.io', ['networkpolicies', 'ingresses'], KEEP),
  rule('gateway.networking.k8s.io', ['httproutes'], KEEP),
];

/**
 * What leads visitors in where Forgeway runs elsewhere: a WebSocket begins as a `get`, and from Kubernetes 1.35 on is asked for
 * `create` too. Within the policy it opens pods of our own namespaces and no others.
 */
const forwarding = rule('', ['pods/portforward'], ['get', 'create']);
/** @param outside whether Forgeway runs outside of the cluster */
const rulesFor = (outside: boolean): V1PolicyRule[] => (outside ? [...rules, forwarding] : rules);

/** Each thing that the role allows, and that previews take. */
export const neededAccess = (outside: boolean): { group: string; resource: string; verb: string }[] =>
  rulesFor(outside).flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => ({ group, resource, verb })))),
  );

const labelled = { [LABEL.managedBy]: MANAGER };

export const clusterRole = (outside = false): V1ClusterRole => ({
  ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole' },
  metadata: { name: NAME, labels: labelled },
  rules: rulesFor(outside),
});

export const clusterRoleBinding = (who: Who): V1ClusterRoleBinding => ({
  ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding' },
  metadata: { name: NAME, labels: labelled },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: NAME },
  subjects: [
    isUser(who)
      ? { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: who.user }
      : { kind: 'ServiceAccount', namespace: who.namespace, name: who.name },
  ],
});

export const account = ({ namespace, name }: Account): V1ServiceAccount => ({
  ...{ apiVersion: 'v1', kind: 'ServiceAccount' },
  metadata: { name, namespace, labels: labelled },
});

/** Of objects without labels as well: to read a field that is not there is an error, which refuses for a reason that helps nobody. */
const isLabelled = (object: string, label: string, value: string) =>
  `${object}.metadata.?labels[?'${label}'].orValue('') == '${value}'`;
const ours = (object: string) => isLabelled(object, LABEL.managedBy, MANAGER);
/** Other groups may have a kind of that name, which lies in anybody's namespace. */
const IS_NAMESPACE = "(request.kind.group == '' && request.kind.kind == 'Namespace')";

/**
 * Refuses what Forgeway would write outside of its own namespaces, also where its role would allow it, and namespaces in which a
 * pod may be more than `restricted`: whoever has stolen the token must not reach a node by a namespace made for that.
 */
export const admissionPolicy = (who: Who): V1ValidatingAdmissionPolicy => ({
  ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy' },
  metadata: { name: NAME, labels: labelled },
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: {
      resourceRules: [
        {
          apiGroups: ['*'],
          apiVersions: ['*'],
          operations: ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'],
          // All of them and all that belongs to them; an API server takes nothing beside it.
          resources: ['*/*'],
          scope: '*',
        },
      ],
      // Questions about what may be done are `create` too, and change nothing.
      excludeResourceRules: [
        {
          apiGroups: ['authorization.k8s.io', 'authentication.k8s.io'],
          apiVersions: ['*'],
          operations: ['CREATE'],
          resources: ['*'],
          scope: '*',
        },
      ],
    },
    matchConditions: [{ name: 'forgeway', expression: `request.userInfo.username == ${usernameOf(who)}` }],
    validations: [
      {
        // A namespace that is made or changed must be ours; one that is changed or deleted must have been.
        expression:
          `${IS_NAMESPACE} ? ((object == null || ${ours('object')}) && ` +
          `(oldObject == null || ${ours('oldObject')})) : (namespaceObject != null && ${ours('namespaceObject')})`,
        message: 'Forgeway writes in namespaces that it made itself, and nowhere else.',
        reason: 'Forbidden',
      },
      {
        expression: `!${IS_NAMESPACE} || object == null || ${isLabelled('object', POD_SECURITY, 'restricted')}`,
        message: 'Namespaces that Forgeway makes enforce Pod Security restricted.',
        reason: 'Forbidden',
      },
    ],
  },
});

export const admissionPolicyBinding = (): V1ValidatingAdmissionPolicyBinding => ({
  ...{ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicyBinding' },
  metadata: { name: NAME, labels: labelled },
  spec: { policyName: NAME, validationActions: ['Deny'] },
});

/** All of it, in the order in which it is applied. */
export const accessManifests = (who: Who, outside = false) => [
  admissionPolicy(who),
  admissionPolicyBinding(),
  ...(isUser(who) ? [] : [account(who)]),
  clusterRole(outside),
  clusterRoleBinding(who),
];
