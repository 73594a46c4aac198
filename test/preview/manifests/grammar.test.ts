/**
 * Names that people give their things (reliability.md, K), through everything that a preview is: each held against the grammar of
 * whoever reads it. And whether what says so would find a mistake.
 */
import { describe, expect, it } from '@jest/globals';
import { nameCandidates, type PreviewSubject } from '../../../src/jobs/preview/name.js';
import type { ApiObject, Fields } from '../../support/kubernetes-api/objects.js';
import { validate } from '../../support/kubernetes-api/validation.js';
import { applied, CORPUS, configOf, EVERYTHING, type Fixture, identityOf, settingsOf } from './hostile.js';
import type { Found } from './pod-security.js';
import { wireProblems } from './wire-schema.js';

const OWNERS = [
  ...['acme', 'Acme', 'a', 'a-b', 'a.b', 'a_b', '0day', 'kube-system', 'trailing-', '-leading', '漢字', 'g~s~p'],
  ...['g~s', 'o'.repeat(39)],
];
const REPOSITORIES = [
  ...['web', 'Web', 'we.b', 'we_b', 'we-b', 'b-c', 'c', 'gh-pr-1', 'x-gh-pr-1', 's~p', 'p', 's-p', '日本', '.github'],
  ...['r'.repeat(100), `${'r'.repeat(99)}x`, '-', '_', '0', 'web-gh', 'default'],
];

const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
/** How long a name of each may be, so that what its controllers make of it is a name as well. */
const LONGEST: Readonly<Record<string, number>> = {
  Namespace: 63,
  Service: 63,
  Job: 63,
  StatefulSet: 52,
  Deployment: 63,
};

// As the reference grammar of images has it; 255 letters before the tag.
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const HOST = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const IMAGE = new RegExp(
  `^(?:${HOST}(?:\\.${HOST})*(?::[0-9]+)?/)?${COMPONENT}(?:/${COMPONENT})*(?::[\\w][\\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?$`,
);

function nameProblems({ kind, metadata }: Found): string[] {
  const { name } = metadata;
  const longest = LONGEST[kind] ?? 253;
  const pattern = ['Namespace', 'Service', 'Job', 'StatefulSet', 'Deployment'].includes(kind) ? LABEL : SUBDOMAIN;
  return name.length <= longest && pattern.test(name) ? [] : [`${kind} ${name}`];
}

/** Everything below that is called an image, or a host. */
function valuesOf(value: unknown, keys: readonly string[]): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    keys.includes(key) ? [item].flat().filter((one) => typeof one === 'string') : valuesOf(item, keys),
  );
}

const problems = (found: Found): string[] => [...wireProblems(found), ...grammarProblems(found)];

function grammarProblems(found: Found): string[] {
  const said = nameProblems(found);
  try {
    validate(JSON.parse(JSON.stringify(found)) as ApiObject);
  } catch (error) {
    said.push(String(error));
  }
  for (const image of valuesOf(found, ['image'])) {
    const name = image.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
    if (!IMAGE.test(image) || name.length > 255) said.push(`image ${image}`);
  }
  for (const host of valuesOf(found, ['host', 'hosts', 'hostnames'])) {
    if (!SUBDOMAIN.test(host) || host.split('.').some((label) => label.length > 63)) said.push(`host ${host}`);
    // A browser goes where we think it does.
    else if (new URL(`https://${host}/`).hostname !== host) said.push(`host ${host} is read as another`);
  }
  return said;
}

const ROUTES = [
  { kind: 'ingress', from: { namespace: 'ingress', labels: { app: 'nginx' } } },
  { kind: 'http-route', from: { namespace: 'gw', labels: { app: 'gw' } }, parent: { namespace: 'gw', name: 'public' } },
] as const;
const config = configOf(EVERYTHING);
function fixturesOf(owner: string, repository: string, subject: PreviewSubject): Fixture[] {
  const identity = identityOf({ owner, repository, subject });
  return nameCandidates(identity).map((name, index) => ({
    name,
    frame: {
      ...{ name, identity, config, private: false, trusted: index === 0 },
      settings: settingsOf({ route: ROUTES[index % 2] }),
    },
  }));
}

describe('what people call their things', () => {
  it.each(OWNERS)('owner %j, with each repository: pull requests', (owner) => {
    for (const repository of REPOSITORIES)
      for (const fixture of fixturesOf(owner, repository, { kind: 'pull-request', number: 2_000_000_000 }))
        for (const one of applied(fixture))
          expect([repository, one.kind, grammarProblems(one)]).toEqual([repository, one.kind, []]);
  });

  it('each text as owner, repository and branch at once', () => {
    for (const text of [...CORPUS, 'b'.repeat(4_096), '\ud800', 'a/b/c', 'refs/heads/x', '😀'])
      for (const fixture of fixturesOf(text, text, { kind: 'branch', branch: text }))
        for (const one of applied(fixture)) expect([text, one.kind, problems(one)]).toEqual([text, one.kind, []]);
  });
});

/** Where any key may stand. */
const MAPS = new Set([
  ...['labels', 'annotations', 'matchLabels', 'data', 'stringData', 'limits', 'requests', 'hard', 'nodeSelector'],
  ...['default', 'defaultRequest', 'max', 'min', 'parameters', 'podSelector', 'namespaceSelector', 'emptyDir'],
]);
/** Everything, with each kind that a preview is made of. */
const [sample] = fixturesOf('acme', 'web', { kind: 'pull-request', number: 12 });
const every = applied(sample as Fixture).filter(({ kind }) => kind !== 'HTTPRoute');

type Path = (string | number)[];
function nodesOf(value: unknown, path: Path = []): { path: Path; value: unknown }[] {
  if (typeof value !== 'object' || value === null) return [{ path, value }];
  return [{ path, value }, ...Object.entries(value).flatMap(([key, item]) => nodesOf(item, [...path, key]))];
}
function changed(found: Found, path: Path, change: (parent: Fields, key: string) => void): Found {
  const copy = JSON.parse(JSON.stringify(found)) as Found;
  let parent = copy as unknown as Fields;
  for (const key of path.slice(0, -1)) parent = parent[key] as Fields;
  change(parent, String(path.at(-1)));
  return copy;
}

describe('what holds them against the published schema', () => {
  it('finds a field that does not exist, wherever it stands', () => {
    let places = 0;
    for (const one of every)
      for (const { path, value } of nodesOf(JSON.parse(JSON.stringify(one)))) {
        const isSelector = one.kind === 'Service' && path.at(-1) === 'selector';
        const isMap = isSelector || path.some((key) => MAPS.has(String(key)));
        if (path.length === 0 || isMap || typeof value !== 'object' || value === null || Array.isArray(value)) continue;
        places += 1;
        const wrong = changed(one, path, (parent, key) => {
          parent[key] = { ...(parent[key] as Fields), forgewayUnknown: 'x' };
        });
        expect([one.kind, path.join('.'), wireProblems(wrong).join()]).toEqual([
          ...[one.kind, path.join('.')],
          expect.stringContaining('forgewayUnknown'),
        ]);
      }
    expect(places).toBeGreaterThan(200);
  });

  it('finds a value of another type, wherever it stands', () => {
    const missed: string[] = [];
    let places = 0;
    for (const one of every)
      for (const { path, value } of nodesOf(JSON.parse(JSON.stringify(one)))) {
        if (typeof value === 'object' || path.join() === 'kind') continue;
        places += 1;
        const wrong = changed(one, path, (parent, key) => {
          parent[key] = [['wrong']];
        });
        if (wireProblems(wrong).length === 0) missed.push(`${one.kind} ${path.join('.')}`);
      }
    expect(missed).toEqual([]);
    expect(places).toBeGreaterThan(400);
  });

  const of = (kind: string, name?: string) =>
    every.find((one) => one.kind === kind && (name === undefined || one.metadata.name.startsWith(name))) as Found;
  it.each<[string, string, Path, unknown]>([
    ['a namespace in capitals', 'Namespace', ['metadata', 'name'], 'Acme'],
    ['a namespace of 64 letters', 'Namespace', ['metadata', 'name'], 'a'.repeat(64)],
    ['a namespace with a dot', 'Namespace', ['metadata', 'name'], 'a.b'],
    ['a service that begins with a digit', 'Service', ['metadata', 'name'], '0web'],
    ['a label of 64 letters', 'Namespace', ['metadata', 'labels', 'forgeway.dev/preview'], 'a'.repeat(64)],
    ['a label with a slash', 'Namespace', ['metadata', 'labels', 'forgeway.dev/preview'], 'a/b'],
    ['a label that ends with a dash', 'Namespace', ['metadata', 'labels', 'forgeway.dev/preview'], 'a-'],
    ['a label whose key has two slashes', 'Namespace', ['metadata', 'labels', 'a/b/c'], 'x'],
    ['an annotation without end', 'Namespace', ['metadata', 'annotations', 'forgeway.dev/branch'], 'x'.repeat(262_145)],
    ['a variable that is none', 'Deployment', ['spec', 'template', 'spec', 'containers', 0, 'env', 0, 'name'], '0=x'],
    [
      'an image in capitals',
      'Deployment',
      ['spec', 'template', 'spec', 'containers', 0, 'image'],
      'ghcr.io/Acme/web:1',
    ],
    [
      'an image with a tag of 129 letters',
      'Deployment',
      ['spec', 'template', 'spec', 'containers', 0, 'image'],
      `a/b:${'x'.repeat(129)}`,
    ],
    ['a container with a dot', 'Deployment', ['spec', 'template', 'spec', 'containers', 0, 'name'], 'a.b'],
    [
      'a port with sixteen letters',
      'Deployment',
      ['spec', 'template', 'spec', 'containers', 0, 'ports', 0, 'name'],
      'a'.repeat(16),
    ],
    ['a job of 64 letters', 'Job', ['metadata', 'name'], 'a'.repeat(64)],
    ['a database whose pods have too long a label', 'StatefulSet', ['metadata', 'name'], 'a'.repeat(53)],
    ['a host with an underscore', 'Ingress', ['spec', 'rules', 0, 'host'], 'a_b.preview.example.net'],
    ['a host with a label of 64 letters', 'Ingress', ['spec', 'rules', 0, 'host'], `${'a'.repeat(64)}.example.net`],
    ['a host that a browser reads otherwise', 'Ingress', ['spec', 'rules', 0, 'host'], 'xn--a.example.net'],
    ['no name at all', 'Secret', ['metadata', 'name'], ''],
  ])('finds %s', (_, kind, path, value) => {
    const right = of(kind);
    expect(problems(right)).toEqual([]);
    const wrong = changed(right, path, (parent, key) => {
      parent[key] = value;
    });
    let said: string[];
    try {
      said = problems(wrong);
    } catch (error) {
      said = [String(error)];
    }
    expect(said).not.toEqual([]);
  });
});
