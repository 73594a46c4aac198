import { describe, expect, it } from '@jest/globals';
import { accessManifests, clusterRole } from '../../../src/jobs/preview/kubernetes/manifests/access.js';
import { administratorFiles } from '../../../src/jobs/preview/kubernetes/manifests/administrator.js';
import { buildkitManifests } from '../../../src/jobs/preview/kubernetes/manifests/buildkit.js';
import { applied, FIXTURES } from './hostile.js';
import { type Found, podOf, podSecurityProblems } from './pod-security.js';
import { wireProblems } from './wire-schema.js';

/** Everything Forgeway may do on a cluster. Whoever makes this longer says why. */
const GOLDEN = `
apps/deployments: create delete get list patch watch
apps/replicasets: get list watch
apps/statefulsets: create delete get list patch watch
batch/jobs: create delete get list patch watch
core/events: get list watch
core/limitranges: create delete get list patch watch
core/namespaces: create delete get list patch watch
core/persistentvolumeclaims: get list watch
core/pods/log: get
core/pods: get list watch
core/resourcequotas: create delete get list patch watch
core/secrets: create delete patch
core/serviceaccounts: create delete get list patch watch
core/services: create delete get list patch watch
gateway.networking.k8s.io/httproutes: create delete get list patch watch
networking.k8s.io/ingresses: create delete get list patch watch
networking.k8s.io/networkpolicies: create delete get list patch watch
`.trim();

const who = { namespace: 'forgeway', name: 'forgeway' };
const granted = (clusterRole().rules ?? []).flatMap(({ apiGroups = [], resources = [], verbs }) =>
  apiGroups.flatMap((group) => resources.map((resource) => [group, resource, [...verbs].sort()] as const)),
);

describe('the role', () => {
  it('is what it was agreed to be', () => {
    const lines = granted.map(
      ([group, resource, verbs]) => `${group === '' ? 'core' : group}/${resource}: ${verbs.join(' ')}`,
    );
    expect(lines.sort().join('\n')).toBe(GOLDEN);
  });

  it('gives nothing away: no other identity, no more rights, nothing of everything, no secret to read, no way into a pod', () => {
    const verbs = new Set(granted.flatMap(([, , each]) => each));
    for (const verb of ['bind', 'escalate', 'impersonate', '*', 'deletecollection', 'update', 'use', 'approve', 'sign'])
      expect([...verbs]).not.toContain(verb);
    for (const [group, resource, each] of granted) {
      expect(`${group}/${resource}`).not.toContain('*');
      expect(group).not.toBe('rbac.authorization.k8s.io');
      expect([
        'pods/exec',
        'pods/attach',
        'pods/portforward',
        'pods/ephemeralcontainers',
        'serviceaccounts/token',
        'nodes',
      ]).not.toContain(resource);
      if (resource === 'secrets') expect(each).not.toEqual(expect.arrayContaining(['get']));
    }
  });

  it('is enough for everything that is made', () => {
    const plural = (kind: string) =>
      kind === 'NetworkPolicy' ? 'networkpolicies' : kind === 'Ingress' ? 'ingresses' : `${kind.toLowerCase()}s`;
    const needed = FIXTURES.flatMap((fixture) =>
      applied(fixture).map((one) => {
        const [group, version] = String(one.apiVersion).split('/');
        return `${version === undefined ? '' : group}/${plural(one.kind)}`;
      }),
    );
    const writable = granted.filter(([, , verbs]) =>
      ['create', 'patch', 'delete'].every((verb) => verbs.includes(verb)),
    );
    const names = writable.map(([group, resource]) => `${group}/${resource}`);
    expect([...new Set(needed)].sort()).toEqual([...new Set(names)].sort());
  });
});

it('is applied as an API server takes it', () => {
  const daemons = buildkitManifests({ namespace: 'b', trust: 'untrusted', image: 'a/b' });
  for (const one of [...accessManifests(who), ...daemons] as unknown as Found[])
    expect([one.kind, wireProblems(one)]).toEqual([one.kind, []]);
});

it('refuses writes of the very account that the role is bound to', () => {
  const [policy, , account, , binding] = accessManifests(who) as unknown as [
    Found,
    Found,
    Found,
    Found,
    Found & { subjects: object[] },
  ];
  expect(binding.subjects).toEqual([
    { kind: 'ServiceAccount', namespace: account.metadata.namespace, name: account.metadata.name },
  ]);
  expect(JSON.stringify(policy.spec)).toContain("'system:serviceaccount:forgeway:forgeway'");
  expect(policy.spec).toMatchObject({ failurePolicy: 'Fail' });
});

it('has a daemon for builds that is not restricted, which is why it stands elsewhere, and nothing more than that', () => {
  const deployment = (buildkitManifests({ namespace: 'b', trust: 'trusted', image: 'a/b' }) as unknown as Found[]).find(
    ({ kind }) => kind === 'Deployment',
  );
  const problems = podSecurityProblems(podOf(deployment as Found) ?? {});
  expect(problems.sort()).toEqual([
    'buildkitd: AppArmor',
    'buildkitd: allowPrivilegeEscalation',
    'buildkitd: capabilities kept',
    'buildkitd: seccomp Unconfined',
  ]);
  expect(Object.keys(administratorFiles())).toHaveLength(3);
});
