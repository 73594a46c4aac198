import { describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { parsePreviewConfig } from '../../../src/jobs/preview/repository-config.js';
import { ForgewayError } from '../../../src/lib/errors.js';
import { applied, EVERYTHING, FIXTURES } from './hostile.js';
import { type Found, podOf, podSecurityProblems } from './pod-security.js';
import { wireProblems } from './wire-schema.js';

/** Fields of a pod, a container or a Service that no repository may set. */
const FORBIDDEN: Record<string, unknown> = {
  ...{
    hostNetwork: true,
    hostPID: true,
    hostIPC: true,
    hostUsers: true,
    privileged: true,
    serviceAccountName: 'admin',
  },
  ...{ serviceAccount: 'admin', automountServiceAccountToken: true, nodeName: 'node-1', nodeSelector: { a: 'b' } },
  ...{
    tolerations: [{ operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
    priorityClassName: 'system-node-critical',
  },
  ...{
    runtimeClassName: 'runc',
    schedulerName: 'mine',
    securityContext: { runAsUser: 0 },
    capabilities: { add: ['SYS_ADMIN'] },
  },
  ...{ volumes: [{ name: 'x', hostPath: { path: '/' } }], volumeMounts: [{ name: 'x', mountPath: '/host' }] },
  ...{
    volumeDevices: [{ name: 'x', devicePath: '/dev/sda' }],
    hostPath: { path: '/' },
    hostAliases: [{ ip: '10.0.0.1' }],
  },
  ...{
    shareProcessNamespace: true,
    dnsPolicy: 'Default',
    dnsConfig: { nameservers: ['10.0.0.1'] },
    initContainers: [{}],
  },
  ...{ lifecycle: { postStart: { exec: { command: ['x'] } } }, envFrom: [{ secretRef: { name: 'all' } }] },
  ...{ ports: [{ hostPort: 22 }], externalIPs: ['10.0.0.1'] },
};

const names = Object.keys(FORBIDDEN);

/** Where it is written: beside the preview, in a service, in how an image is built. */
const PLACES: Record<string, (field: Record<string, unknown>) => Record<string, unknown>> = {
  'the preview': (field) => ({ image: 'a/b', ...field }),
  'a service': (field) => ({ services: { web: { image: 'a/b', ...field } } }),
  'a build': (field) => ({ build: { dockerfile: 'Dockerfile', ...field } }),
};

it('there are thirty', () => {
  expect(names).toHaveLength(30);
});

describe.each(Object.entries(PLACES))('written in %s', (_place, write) => {
  it.each(names)('%s is refused, with its line', (name) => {
    const text = stringify({ preview: write({ [name]: FORBIDDEN[name] }) });
    const line = text.split('\n').findIndex((one) => one.trimStart().startsWith(`${name}:`)) + 1;
    let problems: string[] = [];
    try {
      parsePreviewConfig(text);
    } catch (error) {
      if (!(error instanceof ForgewayError)) throw error;
      problems = error.details.problems as string[];
    }
    expect(line).toBeGreaterThan(1);
    expect(problems.join('\n')).toContain(name);
    expect(problems).toContainEqual(expect.stringMatching(new RegExp(`^line ${line}: `)));
  });
});

it('reaches no manifest either where the schema is gone around', () => {
  const marked = Object.fromEntries(names.map((name) => [name, { canary: `canary-${name}` }]));
  const original = FIXTURES.find(({ name }) => name === 'wide egress for strangers');
  if (original === undefined) throw new Error('no fixture');
  const { config } = original.frame;
  const services = config.services.map((one) => ({ ...marked, ...one, source: { ...marked, ...one.source } }));
  const database = config.database && { ...marked, ...config.database };
  const frame = { ...original.frame, config: { ...marked, ...config, services, database } as typeof config };
  expect(JSON.stringify(frame.config)).toContain('canary-hostPID');
  expect(JSON.stringify(applied({ ...original, frame }))).not.toContain('canary-');
});

describe('the checks of these tests find what they are for', () => {
  const deployment = (): Found => {
    const fixture = FIXTURES.find(({ name }) => name === 'low port');
    const found = fixture && applied(fixture).find(({ kind }) => kind === 'Deployment');
    if (found === undefined) throw new Error('no deployment');
    return structuredClone(found);
  };
  const changed = (change: (pod: Record<string, unknown>, container: Record<string, unknown>) => void): Found => {
    const found = deployment();
    const pod = podOf(found) as Record<string, unknown>;
    change(pod, (pod.containers as Record<string, unknown>[])[0] as Record<string, unknown>);
    return found;
  };

  it.each([
    ['hostPID', changed((pod) => Object.assign(pod, { hostPID: true }))],
    ['volume hostPath', changed((pod) => Object.assign(pod, { volumes: [{ name: 'x', hostPath: { path: '/' } }] }))],
    ['privileged', changed((_pod, one) => Object.assign(one, { securityContext: { privileged: true } }))],
    ['capabilities kept', changed((_pod, one) => Object.assign(one.securityContext as object, { capabilities: {} }))],
    ['root', changed((_pod, one) => Object.assign(one.securityContext as object, { runAsUser: 0 }))],
    ['hostPort', changed((_pod, one) => Object.assign(one, { ports: [{ containerPort: 1, hostPort: 22 }] }))],
  ])('%s', (problem, found) => {
    expect(podSecurityProblems(podOf(found) ?? {}).join()).toContain(problem);
  });

  it('a field that does not exist, one of a wrong type, and one that is missing', () => {
    expect(wireProblems(deployment())).toEqual([]);
    expect(wireProblems(changed((pod) => Object.assign(pod, { hostname2: 'x' })))).toEqual([
      'Deployment.spec.template.spec.hostname2',
    ]);
    expect(wireProblems(changed((pod) => Object.assign(pod, { hostNetwork: 'yes' }))).join()).toContain('hostNetwork');
    expect(wireProblems(changed((_pod, one) => Reflect.deleteProperty(one, 'name'))).join()).toContain('name');
  });

  it('everything that is written in the largest fixture is used', () => {
    const fixture = FIXTURES.find(({ name }) => name === 'user namespaces');
    if (fixture === undefined) throw new Error('no fixture');
    const all = JSON.stringify(applied(fixture));
    expect(Object.keys(EVERYTHING.services)).toEqual(['web', 'api', 'docs']);
    for (const part of [
      'target=run',
      'build-arg:B=x,y=z',
      'web/Dockerfile',
      '"PORT","value":"80"',
      '"hostUsers":false',
      'ghcr.io/acme/docs:0123456',
      'http://api-',
      'bin/seed; rm -rf /',
      '/cnb/lifecycle/detector',
      '"runAsUser":2000',
    ])
      expect(all).toContain(part);
  });
});
