import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  hashedName,
  isPreviewName,
  nameCandidates,
  type PreviewIdentity,
  type PreviewSubject,
  plainName,
} from './name.js';

const identity = (changes: Partial<PreviewIdentity> = {}): PreviewIdentity => ({
  organizationId: '11111111-1111-4111-8111-111111111111',
  forge: 'one',
  host: 'one.example',
  repositoryRemoteId: 7n,
  subject: { kind: 'pull-request', number: 12 },
  owner: 'acme',
  repository: 'web',
  tag: 'gh',
  ...changes,
});

const pr = (number: number): PreviewSubject => ({ kind: 'pull-request', number });

const OWNERS = [
  ...['acme', 'Acme', 'a', 'a-b', 'a.b', 'a_b', '0day', 'kube-system', 'trailing-', '-leading', '漢字', 'g~s~p'],
  ...['g~s', 'o'.repeat(39)],
];
const REPOSITORIES = [
  ...['web', 'Web', 'we.b', 'we_b', 'we-b', 'b-c', 'c', 'gh-pr-1', 'x-gh-pr-1', 's~p', 'p', 's-p', '日本', '.github'],
  ...['r'.repeat(100), `${'r'.repeat(99)}x`, '-', '_', '0', 'web-gh', 'default'],
];

/** Allocates as the table does: the first candidate that nobody has. */
function allocate(identities: readonly PreviewIdentity[]): string[] {
  const claimed = new Set<string>();
  return identities.map((one) => {
    const name = nameCandidates(one).find((candidate) => !claimed.has(candidate));
    if (name === undefined) throw new Error(`no name for ${JSON.stringify({ ...one, repositoryRemoteId: '' })}`);
    claimed.add(name);
    return name;
  });
}

describe('names of previews', () => {
  it('is readable where it can be', () => {
    expect(plainName(identity())).toBe('acme-web-gh-pr-12');
    expect(nameCandidates(identity())[0]).toBe('acme-web-gh-pr-12');
    expect(hashedName(identity({ owner: 'Acme', repository: 'we.b' }))).toMatch(/^acme-we-b-pr-12-[0-9a-f]{16}$/);
  });

  it('keeps the hash when a repository is renamed and changes it when it is made again', () => {
    const before = hashedName(identity()).slice(-16);
    expect(hashedName(identity({ owner: 'other', repository: 'name' })).slice(-16)).toBe(before);
    expect(hashedName(identity({ repositoryRemoteId: 8n })).slice(-16)).not.toBe(before);
    expect(hashedName(identity({ host: 'two.example' })).slice(-16)).not.toBe(before);
    expect(hashedName(identity({ organizationId: 'other' })).slice(-16)).not.toBe(before);
  });

  it('gives 882 hostile identities valid and different names', () => {
    const all = OWNERS.flatMap((owner, i) =>
      REPOSITORIES.flatMap((repository, j) =>
        [1, 12, 2_000_000].map((number) =>
          identity({ owner, repository, subject: pr(number), repositoryRemoteId: BigInt(i * 100 + j) }),
        ),
      ),
    );
    expect(all).toHaveLength(882);
    const names = allocate(all);
    expect(new Set(names).size).toBe(882);
    for (const name of names) {
      expect(name).toMatch(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/);
      expect(name.length).toBeLessThanOrEqual(52);
    }
  });

  it('keeps apart what reads alike', () => {
    const of = (owner: string, repository: string, remoteId: number, more: Partial<PreviewIdentity> = {}) =>
      identity({ owner, repository, repositoryRemoteId: BigInt(remoteId), ...more });
    const branch = (name: string): PreviewSubject => ({ kind: 'branch', branch: name });
    const all = [
      ...[of('a', 'b-c', 1), of('a-b', 'c', 2), of('A', 'c', 3), of('a', 'c', 4)],
      ...[
        of('x', 'a.b', 5),
        of('x', 'a_b', 6),
        of('x', 'a-b', 7),
        of('x', 'a-', 8),
        of('x', '-a', 9),
        of('x', 'a--b', 10),
      ],
      ...[of('g~s', 'p', 11), of('g-s', 'p', 12), of('g', 's-p', 13), of('g~s~p', 'q', 14)],
      ...[of('o'.repeat(39), 'r'.repeat(100), 15), of('o'.repeat(39), `${'r'.repeat(99)}s`, 16)],
      ...[
        of('漢字', '漢字', 17),
        of('漢字', '漢', 18),
        of('0', '0', 19),
        of('kube', 'system', 20),
        of('kube-system', '', 21),
      ],
      ...[of('x', 'gh-pr-1', 22), of('x-gh-pr-1', '', 23)],
      // The same path on two hosts, of two tenants, and a repository that was deleted and made again.
      ...[
        of('acme', 'web', 24),
        of('acme', 'web', 24, { host: 'two.example' }),
        of('acme', 'web', 24, { forge: 'two' }),
      ],
      ...[of('acme', 'web', 24, { organizationId: 'other' }), of('acme', 'web', 25)],
      // A branch is no pull request, whatever it is called.
      ...[of('acme', 'web', 24, { subject: branch('main') }), of('acme', 'web', 24, { subject: branch('Main') })],
      ...[of('acme', 'web', 24, { subject: branch('pr-12') }), of('acme', 'web', 24, { subject: branch('gh-pr-12') })],
      of('acme', 'web', 24, { subject: branch('feature/a b') }),
    ];
    const names = allocate(all);
    expect(new Set(names).size).toBe(all.length);
    expect(new Set(all.map(hashedName)).size).toBe(all.length);
    for (const name of [...names, ...all.map(hashedName)]) {
      expect(name).toMatch(/^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$/);
      // Two dashes in a row are what stands between a service and its preview in the name of a host.
      expect(name).not.toContain('--');
      expect(['kube-system', 'kube-public', 'kube-node-lease', 'default']).not.toContain(name);
    }
  });

  it('never begins as what clusters keep for themselves and leave out of their policies', () => {
    for (const owner of [
      'kube-system',
      'kube',
      'openshift-monitoring',
      'OpenShift',
      'forgeway-run',
      'forgeway',
      '1kube',
    ])
      for (const name of nameCandidates(identity({ owner, repository: 'web' })))
        expect(name).not.toMatch(/^(?:kube|openshift|forgeway)-/);
    expect(plainName(identity({ owner: 'kubernetes' }))).toBe('kubernetes-web-gh-pr-12');
  });

  it('is valid for any text, and different for different repositories', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        fc.nat(),
        fc.nat(),
        (owner, repository, a, b) => {
          const left = identity({ owner, repository, repositoryRemoteId: BigInt(a) });
          const right = identity({ owner, repository, repositoryRemoteId: BigInt(b) });
          for (const name of nameCandidates(left)) expect(isPreviewName(name) && name.length <= 52).toBe(true);
          if (a !== b) expect(hashedName(left)).not.toBe(hashedName(right));
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
