import { describe, expect, it } from '@jest/globals';
import { versionWarnings } from './server-version.js';

describe('the version of a server', () => {
  const warned = (version: string, oldest: readonly [number, number]) =>
    versionWarnings(version, { label: 'Forge', oldest }).length > 0;
  const unread = (version: string) => versionWarnings(version, { label: 'Forge', oldest: [1, 20] });

  it.each([
    ['1.17.3', [1, 20]],
    ['1.19.99', [1, 20]],
    ['15.11.13-ee', [16, 0]],
    ['v0.9.99', [1, 20]],
    ['6.0.1+gitea-1.21.0', [7, 0]],
  ] as const)('%s is too old where %j is the oldest', (version, oldest) => expect(warned(version, oldest)).toBe(true));

  it.each([
    ['1.20.0', [1, 20]],
    ['1.22.0+dev-3-gabc', [1, 20]],
    ['2.0.0', [1, 20]],
    ['16.0.0', [16, 0]],
    ['18.6.0-pre', [16, 0]],
    ['7.0.0+gitea-1.22.0', [7, 0]],
  ] as const)('%s is not where %j is', (version, oldest) => expect(warned(version, oldest)).toBe(false));

  it.each(['development', '99999999999999999999.1', 'master-0a1b2c3', '1', 'x'.repeat(9_999)])(
    'that cannot be read is taken for a current one, and that is said: %.20s',
    (version) =>
      expect(unread(version)).toEqual([
        expect.stringMatching(/^Forge tells "[^"]{1,40}" as its version: it is taken for a current one\./),
      ]),
  );

  it('that is not told neither', () =>
    expect(unread('')).toEqual([
      'Forge does not tell its version: it is taken for a current one. If it is older than 1.20, events may lack fields, and requests may fail.',
    ]));

  it('is said with what to do', () => {
    expect(versionWarnings('15.1.0', { label: 'GitLab', oldest: [16, 0] })).toEqual([
      expect.stringMatching(/^GitLab 15\.1\.0 is older than 16, .*Update the server\.$/),
    ]);
  });
});
