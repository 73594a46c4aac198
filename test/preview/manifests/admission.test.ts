/** The admission policy that we ship, its expressions evaluated: what it lets Forgeway's account do, and what it refuses. */
import { describe, expect, it } from '@jest/globals';
import type { V1ValidatingAdmissionPolicy } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { admissionPolicy } from '../../../src/jobs/preview/kubernetes/manifests/access.js';
import { administratorFiles } from '../../../src/jobs/preview/kubernetes/manifests/administrator.js';
import {
  type AdmissionRequest,
  expressionProblem,
  type Operation,
  refusal,
} from '../../support/kubernetes-api/admission-policy.js';
import type { Fields } from '../../support/kubernetes-api/objects.js';
import { applied, FIXTURES } from './hostile.js';

const USER = 'system:serviceaccount:forgeway:forgeway';
const policy = parseAllDocuments(administratorFiles()['deploy/kubernetes/access.yaml'] ?? '')
  .map((one) => one.toJS() as V1ValidatingAdmissionPolicy)
  .find(({ kind }) => kind === 'ValidatingAdmissionPolicy') as V1ValidatingAdmissionPolicy;

const MANAGED = 'app.kubernetes.io/managed-by';
const ENFORCE = 'pod-security.kubernetes.io/enforce';
const OURS = { [MANAGED]: 'forgeway', [ENFORCE]: 'restricted' };
const namespace = (labels?: unknown): Fields => ({
  ...{ apiVersion: 'v1', kind: 'Namespace' },
  metadata: { name: 'some', ...(labels === undefined ? {} : { labels }) },
});
const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'some' }, spec: {} };
const own = namespace(OURS);

/** Of a Service in a namespace of ours, unless it says otherwise. */
const request = (change: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  ...{ user: USER, operation: 'CREATE', name: 'web', namespace: 'some' },
  ...{
    resource: { group: '', version: 'v1', resource: 'services' },
    kind: { group: '', version: 'v1', kind: 'Service' },
  },
  ...{ object: service, oldObject: null, namespaceObject: own },
  ...change,
});
const onNamespace = (operation: Operation, oldObject: Fields | null, object: Fields | null, more = {}) =>
  request({
    ...{ operation, oldObject, object, namespaceObject: null, namespace: 'some', name: 'some' },
    ...{ resource: { group: '', version: 'v1', resource: 'namespaces' } },
    kind: { group: '', version: 'v1', kind: 'Namespace' },
    ...more,
  });

const ELSEWHERE = /^Forgeway writes in namespaces that it made itself, and nowhere else\.$/;
const RESTRICTED = /^Namespaces that Forgeway makes enforce Pod Security restricted\.$/;
const ERROR = /^expression resulted in error: /;

/** Whatever somebody else's namespace may carry. */
const FOREIGN: [string, Fields][] = [
  ['without labels', namespace()],
  ['whose labels are null', namespace(null)],
  ['with none of them', namespace({})],
  ['of another manager', namespace({ [MANAGED]: 'helm' })],
  ['of one that only begins like ours', namespace({ [MANAGED]: 'forgeway-2' })],
  ['of one written in capitals', namespace({ [MANAGED]: 'Forgeway' })],
  ['with nothing for a manager', namespace({ [MANAGED]: '' })],
  ['with the label under another name', namespace({ 'managed-by': 'forgeway', 'app.kubernetes.io/name': 'forgeway' })],
  ['with ours as an annotation', { ...namespace(), metadata: { name: 'some', annotations: OURS } }],
  ['called like one of ours', { ...namespace(), metadata: { name: 'acme-web-gh-pr-12' } }],
  ['called like the cluster’s own', { ...namespace({ kubernetes: 'x' }), metadata: { name: 'kube-system' } }],
];

describe('the expressions of the policy', () => {
  const spec = policy.spec ?? {};
  const all = [...(spec.matchConditions ?? []), ...(spec.validations ?? [])].map(({ expression }) => expression);

  it.each(all)('%s is true or false', (expression) => {
    expect(expressionProblem(expression)).toBeUndefined();
  });

  it('would be found out', () => {
    expect(expressionProblem("request.kind.kindd == 'Namespace'")).toContain('kindd');
    expect(expressionProblem('nobody == null')).toContain('nobody');
    expect(expressionProblem('object.metadata.?labels[?')).toBeDefined();
    expect(expressionProblem('object.metadata.name + "x"')).toContain('bool');
    // What a field costs that is not asked for with a question mark.
    const strict = structuredClone(policy);
    for (const one of strict.spec?.validations ?? []) one.expression = one.expression.replaceAll('.?', '.');
    expect(refusal(strict, request({ namespaceObject: namespace() }))).toMatch(ERROR);
  });
});

describe('Forgeway’s account', () => {
  it.each<[string, AdmissionRequest]>([
    ['makes a namespace of its own', onNamespace('CREATE', null, own)],
    ['changes it', onNamespace('UPDATE', own, own)],
    ['makes one restricted that was not yet', onNamespace('UPDATE', namespace({ [MANAGED]: 'forgeway' }), own)],
    ['deletes it', onNamespace('DELETE', own, null)],
    [
      'deletes one that was made before all of them were restricted',
      onNamespace('DELETE', namespace({ [MANAGED]: 'forgeway' }), null),
    ],
    ['makes what is in it', request()],
    ['changes that', request({ operation: 'UPDATE', oldObject: service })],
    ['deletes that', request({ operation: 'DELETE', object: null, oldObject: service })],
    [
      'makes what has no metadata that says anything',
      request({ object: { apiVersion: 'v1', kind: 'Service', metadata: {} } }),
    ],
    [
      'opens a port of a pod in it',
      request({ operation: 'CONNECT', subResource: 'portforward', object: {}, oldObject: null }),
    ],
    [
      'asks what it may do, which is made and kept nowhere',
      request({
        resource: { group: 'authorization.k8s.io', version: 'v1', resource: 'selfsubjectaccessreviews' },
        kind: { group: 'authorization.k8s.io', version: 'v1', kind: 'SelfSubjectAccessReview' },
        ...{ namespaceObject: null, object: {} },
      }),
    ],
  ])('%s', (_, asked) => {
    expect(refusal(policy, asked)).toBeUndefined();
  });

  describe.each(FOREIGN)('in a namespace %s', (_, foreign) => {
    it.each<[string, AdmissionRequest]>([
      ['makes nothing', request({ namespaceObject: foreign })],
      ['changes nothing', request({ namespaceObject: foreign, operation: 'UPDATE', oldObject: service })],
      ['deletes nothing', request({ namespaceObject: foreign, operation: 'DELETE', object: null, oldObject: service })],
      [
        'says of an object that it is ours in vain',
        request({ namespaceObject: foreign, object: { ...service, metadata: { name: 'web', labels: OURS } } }),
      ],
      [
        'opens no port',
        request({ namespaceObject: foreign, operation: 'CONNECT', subResource: 'portforward', object: {} }),
      ],
      [
        'makes no token',
        request({
          namespaceObject: foreign,
          subResource: 'token',
          resource: { group: '', version: 'v1', resource: 'serviceaccounts' },
        }),
      ],
      ['does not take it over', onNamespace('UPDATE', foreign, own)],
      ['does not make such a one', onNamespace('CREATE', null, foreign)],
      ['does not change it', onNamespace('UPDATE', foreign, foreign)],
      ['does not delete it', onNamespace('DELETE', foreign, null)],
      ['does not finalize it', onNamespace('UPDATE', foreign, own, { subResource: 'finalize' })],
    ])('%s', (_, asked) => {
      expect(refusal(policy, asked)).toMatch(ELSEWHERE);
    });
  });

  it.each<[string, AdmissionRequest, RegExp]>([
    [
      'gives none of its namespaces away',
      onNamespace('UPDATE', own, namespace({ [ENFORCE]: 'restricted' })),
      ELSEWHERE,
    ],
    [
      'makes none in which pods may do more',
      onNamespace('CREATE', null, namespace({ ...OURS, [ENFORCE]: 'privileged' })),
      RESTRICTED,
    ],
    ['nor a little more', onNamespace('CREATE', null, namespace({ ...OURS, [ENFORCE]: 'baseline' })), RESTRICTED],
    ['nor one that says nothing of it', onNamespace('CREATE', null, namespace({ [MANAGED]: 'forgeway' })), RESTRICTED],
    [
      'opens none of those that it has',
      onNamespace('UPDATE', own, namespace({ ...OURS, [ENFORCE]: 'privileged' })),
      RESTRICTED,
    ],
    [
      'writes nothing outside of namespaces',
      request({ namespaceObject: null, resource: { group: '', version: 'v1', resource: 'nodes' } }),
      ELSEWHERE,
    ],
    [
      'gives itself no rights',
      request({
        namespaceObject: null,
        resource: { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterrolebindings' },
        kind: { group: 'rbac.authorization.k8s.io', version: 'v1', kind: 'ClusterRoleBinding' },
      }),
      ELSEWHERE,
    ],
    [
      'does not take the policy away',
      request({
        namespaceObject: null,
        operation: 'DELETE',
        object: null,
        oldObject: { metadata: { name: 'forgeway-previews', labels: OURS } },
        resource: { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'validatingadmissionpolicies' },
        kind: { group: 'admissionregistration.k8s.io', version: 'v1', kind: 'ValidatingAdmissionPolicy' },
      }),
      ELSEWHERE,
    ],
    [
      'is not helped by what another group calls a Namespace',
      request({
        ...{ namespaceObject: namespace(), object: own },
        resource: { group: 'tenants.example.com', version: 'v1', resource: 'namespaces' },
        kind: { group: 'tenants.example.com', version: 'v1', kind: 'Namespace' },
      }),
      ELSEWHERE,
    ],
    // In CEL what is not there is an error, and an error refuses.
    ['is refused where an object has no metadata at all', onNamespace('CREATE', null, { kind: 'Namespace' }), ERROR],
  ])('%s', (_, asked, why) => {
    expect(refusal(policy, asked)).toMatch(why);
  });

  it('may write everything that previews are made of', () => {
    for (const fixture of FIXTURES)
      for (const one of applied(fixture)) {
        const [group, version] = /\//.test(String(one.apiVersion))
          ? String(one.apiVersion).split('/')
          : ['', String(one.apiVersion)];
        const kind = { group: group ?? '', version: version ?? '', kind: one.kind };
        const object = one as unknown as Fields;
        const asked =
          one.kind === 'Namespace'
            ? onNamespace('CREATE', null, object)
            : request({ kind, object, namespaceObject: own });
        expect([one.kind, refusal(policy, asked)]).toEqual([one.kind, undefined]);
      }
  });
});

describe('others', () => {
  it.each([
    'system:admin',
    `${USER}2`,
    'system:serviceaccount:other:forgeway',
    '',
    'System:serviceaccount:forgeway:forgeway',
  ])('are none of its business: %j', (user) => {
    expect(refusal(policy, request({ user, namespaceObject: namespace() }))).toBeUndefined();
  });

  it.each([`o'brien" || true || "x`, 'back\\slash', '${x}', 'Ünï', "'", '"', '\\"', '// no comment', 'a\tb'])(
    'who are named by a user’s name are meant, and nobody else: %j',
    (user) => {
      const made = admissionPolicy({ user });
      for (const { expression } of made.spec?.matchConditions ?? [])
        expect(expressionProblem(expression)).toBeUndefined();
      const elsewhere = { namespaceObject: namespace() };
      expect(refusal(made, request({ ...elsewhere, user }))).toMatch(ELSEWHERE);
      expect(refusal(made, request({ ...elsewhere, user: USER }))).toBeUndefined();
      expect(refusal(made, request({ ...elsewhere, user: `${user}x` }))).toBeUndefined();
    },
  );
});
