import { describe, expect, it } from '@jest/globals';
import { applied, FIXTURES } from './hostile.js';
import { containersOf, type Found, podOf, podSecurityProblems, previewPodProblems } from './pod-security.js';
import { wireProblems } from './wire-schema.js';

const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const OBJECT_NAME = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const IMAGE = /^[a-z0-9.-]+(?::\d+)?(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+(?::[\w][\w.-]{0,127})?$/;
const text = (value: unknown) => JSON.stringify(value);

interface Peer {
  ipBlock?: { cidr: string; except?: string[] };
  podSelector?: { matchLabels?: Record<string, string>; matchExpressions?: unknown[] };
  namespaceSelector?: { matchLabels?: Record<string, string> };
}
interface Policy {
  podSelector: object;
  policyTypes: string[];
  ingress?: { from?: Peer[]; ports?: object[] }[];
  egress?: { to?: Peer[]; ports?: object[] }[];
}
const policies = (all: Found[]) =>
  all.filter(({ kind }) => kind === 'NetworkPolicy').map((one) => [one.metadata.name, one.spec as Policy] as const);

it('there are sixty of them, all different', () => {
  expect(FIXTURES).toHaveLength(60);
  expect(new Set(FIXTURES.map(({ name }) => name)).size).toBe(60);
});

describe.each(FIXTURES.map((fixture) => [fixture.name, fixture] as const))('%s', (_name, fixture) => {
  const { frame } = fixture;
  const all = applied(fixture);
  const pods = all.flatMap((one) => {
    const pod = podOf(one);
    return pod === undefined ? [] : [[one, pod] as const];
  });

  it('is what an API server takes', () => {
    for (const one of all)
      expect([one.kind, one.metadata.name, wireProblems(one)]).toEqual([one.kind, one.metadata.name, []]);
  });

  it('runs only pods that are restricted, and more', () => {
    const { settings, trusted } = frame;
    const runtimeClass = trusted ? settings.runtimeClass : (settings.untrustedRuntimeClass ?? settings.runtimeClass);
    expect(pods.length).toBeGreaterThan(0);
    for (const [one, pod] of pods) {
      expect(podSecurityProblems(pod)).toEqual([]);
      expect(previewPodProblems(one, pod, { userNamespaces: settings.userNamespaces, runtimeClass })).toEqual([]);
    }
  });

  it('begins with a walled-in namespace', () => {
    const [namespace, ...others] = all;
    expect(namespace?.kind).toBe('Namespace');
    expect(namespace?.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    expect(namespace?.metadata.labels['forgeway.dev/trust']).toBe(frame.trusted ? 'trusted' : 'untrusted');
    expect(others.every(({ metadata }) => metadata.namespace === frame.name)).toBe(true);
    expect(all.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['ResourceQuota', 'LimitRange', 'ServiceAccount']),
    );
    const firstPod = all.findIndex((one) => podOf(one) !== undefined);
    expect(
      all.slice(firstPod).some(({ kind }) => ['ResourceQuota', 'LimitRange', 'NetworkPolicy'].includes(kind)),
    ).toBe(false);
    const hard = all.find(({ kind }) => kind === 'ResourceQuota')?.spec as { hard: Record<string, string> };
    expect(hard.hard).toMatchObject({ 'services.loadbalancers': '0', 'services.nodeports': '0' });
  });

  it('denies by default, and what it opens is never metadata or the API server', () => {
    const open = policies(all);
    // The same ones for every commit: what a trusted one was allowed is never left over for a stranger's.
    const walls = ['abroad', 'build', 'default-deny', 'dns', 'inside', 'visitors'];
    expect(open.map(([name]) => name).sort()).toEqual(walls);
    const { route } = frame.settings;
    const others = route.kind === 'gateway' ? [] : [route.gateway.namespace];
    // Nobody who does not ask visitors who they are leads into what is private.
    const leaders = frame.private && route.kind !== 'gateway' ? others : [route.from.namespace, ...others];
    expect(open.find(([name]) => name === 'default-deny')?.[1]).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
    for (const [name, { ingress = [], egress = [] }] of open) {
      for (const { from = [] } of ingress) {
        expect(from.length).toBeGreaterThan(0);
        for (const peer of from) {
          expect(peer.ipBlock).toBeUndefined();
          const other = peer.namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name'];
          expect([name, name === 'visitors' ? leaders : [undefined]]).toEqual([name, expect.arrayContaining([other])]);
        }
      }
      for (const { to = [] } of egress) {
        expect(to.length).toBeGreaterThan(0);
        for (const { ipBlock } of to) {
          if (ipBlock === undefined) continue;
          expect(ipBlock.cidr).not.toMatch(/^(?:169\.254|127)\./);
          if (ipBlock.cidr === '0.0.0.0/0')
            expect(ipBlock.except).toEqual(
              expect.arrayContaining([
                '169.254.0.0/16',
                '10.0.0.0/8',
                '172.16.0.0/12',
                '192.168.0.0/16',
                '203.0.113.7/32',
              ]),
            );
          if (ipBlock.cidr === '::/0')
            expect(ipBlock.except).toEqual(expect.arrayContaining(['fe80::/10', 'fc00::/7', 'fd00:ec2::/32']));
          if (ipBlock.cidr === '10.20.0.0/16') expect(ipBlock.except).toEqual(['10.20.0.1/32']);
        }
      }
    }
  });

  it('opens nothing to the world but its own hosts', () => {
    const domain = frame.trusted ? 'preview.example.net' : 'strangers.example.org';
    for (const one of all.filter(({ kind }) => kind === 'Service')) {
      const spec = one.spec as Record<string, unknown>;
      expect(spec.type).toBe('ClusterIP');
      expect(spec).not.toHaveProperty('externalIPs');
      expect(spec).not.toHaveProperty('externalName');
    }
    const hosts = all.flatMap((one) => {
      const spec = one.spec as { rules?: { host?: string }[]; hostnames?: string[] };
      return one.kind === 'Ingress'
        ? (spec.rules ?? []).map(({ host }) => host)
        : one.kind === 'HTTPRoute'
          ? (spec.hostnames ?? [])
          : [];
    });
    const isPublished = frame.settings.route.kind !== 'gateway' && !frame.private;
    expect([isPublished, hosts.length > 0]).toEqual([isPublished, isPublished]);
    for (const host of hosts) {
      expect(host?.endsWith(`.${domain}`)).toBe(true);
      expect(host?.slice(0, -domain.length - 1)).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    }
    expect(new Set(hosts).size).toBe(hosts.length);
  });

  it('has names, labels and images that are valid, whatever was written', () => {
    for (const { kind, metadata, spec } of all) {
      expect(metadata.name).toMatch(OBJECT_NAME);
      expect(metadata.name.length).toBeLessThanOrEqual(kind === 'Job' ? 52 : 63);
      const template = (spec as { template?: { metadata?: { labels?: Record<string, string> } } } | undefined)
        ?.template;
      for (const value of Object.values({ ...metadata.labels, ...template?.metadata?.labels }))
        expect(value).toMatch(LABEL_VALUE);
      expect(metadata.annotations?.['forgeway.dev/identity']).toContain('11111111-1111-4111-8111-111111111111');
      expect(text(metadata.annotations ?? {}).length).toBeLessThan(200_000);
    }
    for (const [, pod] of pods)
      for (const { image } of containersOf(pod)) {
        expect(image).toMatch(IMAGE);
        expect(String(image).length).toBeLessThanOrEqual(383);
      }
  });

  it('gives secrets to whom they are for, and strangers none', () => {
    const canaries = ['canary-token', 'ghp_canary', 'pull-canary', 'push-canary', 'git-canary'];
    const plain = text(all.filter(({ kind }) => kind !== 'Secret'));
    for (const canary of canaries) expect(plain).not.toContain(canary);
    const environment = all.filter(({ kind, metadata }) => kind === 'Secret' && metadata.name.startsWith('env-'));
    if (!frame.trusted) expect(environment).toEqual([]);
    // The forge's credential is mounted in the container that fetches, and nowhere else.
    for (const [one, pod] of pods)
      for (const container of containersOf(pod)) {
        const mounts = text(container.volumeMounts ?? []);
        expect([one.metadata.name, container.name, mounts.includes('"git"')]).toEqual([
          one.metadata.name,
          container.name,
          container.name === 'fetch',
        ]);
        if (container.name === 'builder' || container.name === 'detector') expect(mounts).not.toContain('registry');
      }
  });
});

it('keeps what strangers build apart: another daemon, and no cache that others start from', () => {
  const builds = (trusted: boolean) =>
    text(
      applied(
        FIXTURES.find(
          ({ frame }) =>
            frame.trusted === trusted && frame.config.services.some(({ source }) => source.kind === 'dockerfile'),
        ) ?? (FIXTURES[0] as never),
      ).filter(({ kind, metadata }) => kind === 'Job' && metadata.name.startsWith('build-')),
    );
  expect(builds(true)).toContain('--export-cache');
  expect(builds(true)).toContain('buildkitd.forgeway-build.svc');
  expect(builds(false)).not.toContain('--export-cache');
  expect(builds(false)).toContain('buildkitd.forgeway-strangers.svc');
});
