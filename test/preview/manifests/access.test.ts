import { describe, expect, it } from '@jest/globals';
import {
  accessManifests,
  admissionPolicy,
  clusterRole,
} from '../../../src/jobs/preview/kubernetes/manifests/access.js';
import { administratorFiles } from '../../../src/jobs/preview/kubernetes/manifests/administrator.js';
import { buildkitManifests } from '../../../src/jobs/preview/kubernetes/manifests/buildkit.js';
import { foundation, running, whyNot } from '../../../src/jobs/preview/kubernetes/manifests/manifests.js';
import { clusterSettings } from '../../../src/jobs/preview/kubernetes/manifests/settings.js';
import { applied, configOf, FIXTURES, identityOf } from './hostile.js';
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

  it('opens ports of pods only where Forgeway runs elsewhere, by both of the verbs that API servers ask for', () => {
    const more = (clusterRole(true).rules ?? []).slice(clusterRole().rules?.length);
    expect(more).toEqual([{ apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] }]);
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

/** What an API server says of the resources of a rule: see `validateResources` of its admission registration. */
function ruleProblems(resources: readonly string[]): string[] {
  const isAlone = resources.length === 1;
  const plain = resources.filter((one) => !one.includes('/') && one !== '*');
  return [
    ...(resources.length === 0 ? ['names none'] : []),
    ...(resources.includes('*/*') && !isAlone ? ["if '*/*' is present, must not specify other resources"] : []),
    ...(resources.includes('*') && plain.length > 0
      ? ["if '*' is present, must not specify others without subresources"]
      : []),
  ];
}

it('has a policy over everything, in the one form in which an API server takes it', () => {
  const { matchConstraints } = admissionPolicy(who).spec ?? {};
  for (const { resources = [] } of [
    ...(matchConstraints?.resourceRules ?? []),
    ...(matchConstraints?.excludeResourceRules ?? []),
  ])
    expect([resources, ruleProblems(resources)]).toEqual([resources, []]);
  expect(matchConstraints?.resourceRules).toMatchObject([{ apiGroups: ['*'], resources: ['*/*'], scope: '*' }]);
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

it('is made for a user as well, whatever it is called', () => {
  const user = `o'brien" || true || "x`;
  const made = accessManifests({ user }) as unknown as Found[];
  for (const one of made) expect([one.kind, wireProblems(one)]).toEqual([one.kind, []]);
  expect(made.map(({ kind }) => kind)).not.toContain('ServiceAccount');
  expect(made.at(-1)).toMatchObject({ subjects: [{ kind: 'User', name: user }] });
  expect(admissionPolicy({ user }).spec?.matchConditions?.[0]?.expression).toBe(
    `request.userInfo.username == "o'brien\\" || true || \\"x"`,
  );
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

describe('images that the operator names', () => {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
  const pinned = (name: string) => `registry.example:5000/mirror/${name}@${digest}`;
  const given = (more: Record<string, unknown> = {}) => ({
    ...{ pinnedImages: true, databaseImages: { 'postgres:17': pinned('postgres') } },
    build: { gitImage: pinned('git'), buildctlImage: pinned('buildkit') },
    ...more,
  });
  const problems = (settings: Record<string, unknown>) => {
    const parsed = clusterSettings.safeParse({ ...base, ...settings });
    return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
  };
  const base = {
    domain: 'preview.example.net',
    route: { kind: 'gateway', from: { namespace: 'forgeway', labels: { app: 'forgeway' } } },
  };

  it('are references of images, and by their digest alone where that is asked for', () => {
    expect(problems(given())).toEqual([]);
    expect(problems({ pinnedImages: true })).toEqual([
      expect.stringMatching(/^build\.gitImage must end with @sha256:/),
      expect.stringMatching(/^build\.buildctlImage must end with @sha256:/),
    ]);
    expect(problems(given({ databaseImages: { 'postgres:17': 'docker.io/library/postgres:17' } }))).toEqual([
      expect.stringMatching(/^databaseImages\.postgres:17 must end with @sha256:/),
    ]);
    for (const wrong of ['', '$(id)', 'git', 'a/b@sha256:12', `a/b@${digest}x`, '-x/y', 'a/b c'])
      expect(problems({ build: { gitImage: wrong } })).toEqual([expect.stringContaining('must be an image')]);
  });

  it('come with limits that an API server takes: nobody gets by default more than the most', () => {
    const config = configOf({ image: 'a/b' });
    const frame = (settings: Record<string, unknown>) => ({
      ...{ name: 'acme-web-gh-pr-12', identity: identityOf(), trusted: true, private: false, config },
      settings: clusterSettings.parse({ ...base, ...settings }),
    });
    const large = frame({ untrustedSize: { cpu: '8', memory: '8Gi', disk: '20Gi' } });
    const limits = foundation(large).find(({ kind }) => kind === 'LimitRange') as unknown as {
      spec: { limits: { default: Record<string, string>; max: Record<string, string> }[] };
    };
    expect(limits.spec.limits[0]?.max).toEqual({ cpu: '8000m', memory: '8192Mi', 'ephemeral-storage': '20480Mi' });
    // A pod asks for a little of each at least, and may not ask for more than it may have.
    for (const wrong of [{ cpu: '20m' }, { cpu: '2Gi' }, { memory: '32Mi' }, { disk: '1Ki' }, { memory: '512' }])
      expect(problems({ untrustedSize: { cpu: '1', memory: '1Gi', disk: '1Gi', ...wrong } })).toHaveLength(1);
  });

  it('are asked for again where their name stands for those of several commits', () => {
    const policyOf = (image: string) => {
      const config = configOf({ image });
      const frame = {
        ...{ name: 'acme-web-gh-pr-12', identity: identityOf(), trusted: true, private: false, config },
        settings: clusterSettings.parse(base),
      };
      const input = { frame, placeId: 'p-1', sha: 'a'.repeat(40), pull: {}, secrets: {}, databasePassword: 'x' };
      const { services } = running({ ...input, images: { web: 'a/b' }, asleep: false });
      const deployment = services.find(({ kind }) => kind === 'Deployment') as unknown as Found;
      const { containers } = podOf(deployment) as { containers: { imagePullPolicy?: string }[] };
      return containers[0]?.imagePullPolicy;
    };
    expect(['a/b', 'a/b:latest', 'a/b:pr-{number}', 'a/b:1'].map(policyOf)).toEqual(Array(4).fill('Always'));
    expect([`a/b@${digest}`, 'a/b:{sha}'].map(policyOf)).toEqual(['IfNotPresent', 'IfNotPresent']);
  });

  it('are what databases run from, and without one of its own none does', () => {
    const config = configOf({ image: 'a/b', database: { engine: 'postgres', version: '17' } });
    const frame = (settings: Record<string, unknown>) => ({
      ...{ name: 'acme-web-gh-pr-12', identity: identityOf(), trusted: true, private: false, config },
      settings: clusterSettings.parse({ ...base, ...settings }),
    });
    const imageOf = (settings: Record<string, unknown>) => {
      const input = { frame: frame(settings), placeId: 'p-1', sha: 'a'.repeat(40), pull: {}, secrets: {} };
      const { before } = running({ ...input, databasePassword: 'x', images: { web: 'a/b' }, asleep: false });
      return JSON.stringify(before.find(({ kind }) => kind === 'StatefulSet'));
    };
    expect(imageOf({})).toContain('docker.io/library/postgres:17');
    expect(imageOf(given())).toContain(pinned('postgres'));
    expect(whyNot(frame(given()))).toBeUndefined();
    expect(whyNot(frame(given({ databaseImages: {} })))).toContain('has named none for postgres:17');
  });
});
