import { describe, expect, it } from '@jest/globals';
import { hostOf, previewOfHost, serviceOfHost } from '../../../src/jobs/preview/kubernetes/manifests/hosts.js';
import { imageName } from '../../../src/jobs/preview/kubernetes/manifests/image.js';
import {
  annotationValue,
  belongsTo,
  identityAnnotations,
  labelValue,
  previewLabels,
} from '../../../src/jobs/preview/kubernetes/manifests/marks.js';
import { literal } from '../../../src/jobs/preview/kubernetes/manifests/pod.js';
import { nameCandidates } from '../../../src/jobs/preview/name.js';
import { applied, CORPUS, configOf, EVERYTHING, FIXTURES, identityOf, settingsOf } from './hostile.js';
import type { Found } from './pod-security.js';

/** As a kubelet reads a value: `$$` is `$`, and `$(NAME)` is the variable of that name where there is one. */
function expanded(text: string, variables: Record<string, string>): string {
  let result = '';
  for (let at = 0; at < text.length; at += 1) {
    const next = text[at + 1];
    if (text[at] !== '$' || next === undefined) result += text[at];
    else if (next === '$') {
      result += '$';
      at += 1;
    } else if (next === '(' && text.indexOf(')', at) > 0) {
      const end = text.indexOf(')', at);
      const name = text.slice(at + 2, end);
      result += variables[name] ?? text.slice(at, end + 1);
      at = end;
    } else result += '$';
  }
  return result;
}

const LABEL_VALUE = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const REFERENCE = /^[a-z0-9.-]+(?::\d+)?(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+:[\w][\w.-]{0,127}$/;
const sha = 'abcdef0123456789abcdef0123456789abcdef01';

describe.each(CORPUS.map((text) => [JSON.stringify(text.slice(0, 40)), text]))('%s', (_shown, text) => {
  it('is a valid label', () => expect(labelValue(text)).toMatch(LABEL_VALUE));

  it('is an annotation that says it as it is', () => {
    expect(annotationValue(text)).toBe(text);
    const identity = identityOf({ owner: text, subject: { kind: 'branch', branch: text } });
    const metadata = { labels: previewLabels('x', identity), annotations: identityAnnotations(identity) };
    expect(belongsTo({ metadata }, identity)).toBe(true);
    expect(belongsTo({ metadata }, identityOf({ owner: text, subject: { kind: 'branch', branch: `${text}x` } }))).toBe(
      false,
    );
  });

  it('is part of a valid image', () => {
    for (const changes of [
      { owner: text },
      { repository: text },
      { subject: { kind: 'branch', branch: text } as const },
    ])
      for (const registry of [
        { kind: 'forge', host: 'ghcr.io' },
        { kind: 'shared', prefix: 'r.example:5000/p' },
      ] as const) {
        const image = imageName({ registry }, identityOf(changes), { name: 'web', only: true }, sha);
        expect(image).toMatch(REFERENCE);
        expect(image.slice(0, image.lastIndexOf(':')).length).toBeLessThanOrEqual(255);
      }
  });

  it('is part of a valid host', () => {
    const identity = identityOf({ owner: text, repository: text });
    const config = configOf(EVERYTHING);
    for (const name of nameCandidates(identity)) {
      const frame = { name, identity, trusted: true, private: false, settings: settingsOf(), config };
      for (const service of ['web', 'docs']) {
        const [label = '', ...domain] = hostOf(frame, service).split('.');
        expect(domain.join('.')).toBe('preview.example.net');
        expect(label).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
        expect([previewOfHost(label), serviceOfHost(frame, label)]).toEqual([name, service]);
      }
      expect(serviceOfHost(frame, `api--${name}`)).toBeUndefined();
    }
  });

  it('is a variable and an argument as it is written, whatever else is set', () => {
    expect(expanded(literal(text), { id: 'INJECTED', DATABASE_URL: 'INJECTED', PATH: 'INJECTED' })).toBe(text);
  });
});

it('keeps two of them apart', () => {
  const identities = CORPUS.map((text, index) => identityOf({ owner: text, repositoryRemoteId: BigInt(index) }));
  expect(new Set(CORPUS.map(labelValue)).size).toBe(CORPUS.length);
  const shared = { registry: { kind: 'shared', prefix: 'r.example' } } as const;
  const images = identities.map((one) => imageName(shared, one, { name: 'web', only: true }, sha));
  expect(new Set(images).size).toBe(CORPUS.length);
  const branches = CORPUS.map((branch) =>
    imageName(shared, identityOf({ subject: { kind: 'branch', branch } }), { name: 'web', only: true }, sha),
  );
  expect(new Set(branches).size).toBe(CORPUS.length);
});

it('names images as people expect them', () => {
  const settings = settingsOf();
  const name = (changes: object, only = true) => imageName(settings, identityOf(changes), { name: 'api', only }, sha);
  expect(name({ owner: 'Acme', repository: 'Web.App' })).toBe('ghcr.io/acme/web.app:pr-12-abcdef0');
  expect(name({ owner: 'group~sub', repository: 'web' })).toBe('ghcr.io/group/sub/web:pr-12-abcdef0');
  expect(name({}, false)).toBe('ghcr.io/acme/web/api:pr-12-abcdef0');
  expect(name({ subject: { kind: 'branch', branch: 'main' } })).toBe('ghcr.io/acme/web:branch-main-abcdef0');
});

it('gives a script nothing of a pull request: only constants, and values by the environment', () => {
  const scripts = FIXTURES.flatMap((fixture) =>
    (
      applied(fixture) as (Found & {
        spec?: {
          template?: { spec?: { initContainers?: { command?: string[] }[]; containers?: { command?: string[] }[] } };
        };
      })[]
    )
      .filter(({ metadata }) => metadata.name.startsWith('build-'))
      .flatMap(({ spec }) => [
        ...(spec?.template?.spec?.initContainers ?? []),
        ...(spec?.template?.spec?.containers ?? []),
      ])
      .map(({ command }) => command)
      .filter((command) => command?.[0] === '/bin/sh'),
  );
  expect(scripts.length).toBeGreaterThan(60);
  // The fetch, the build and the export: three texts, whoever asks for whatever.
  expect(new Set(scripts.map((command) => command?.[2])).size).toBe(3);
});
