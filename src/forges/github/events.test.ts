import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ForgewayError } from '../../lib/errors.js';
import type { Classification, JsonObject } from '../forge.js';
import { github } from './forge.js';

interface Example {
  name: string;
  payload: JsonObject & { action?: string };
}

const require = createRequire(import.meta.url);
const published = (require('@octokit/webhooks-examples') as { name: string; examples: Example['payload'][] }[]).flatMap(
  ({ name, examples }) => examples.map((payload): Example => ({ name, payload })),
);
const fixtures = new URL('./fixtures/', import.meta.url);
const ours = readdirSync(fixtures).map(
  (file): Example => ({
    name: file.split('.', 1)[0] ?? '',
    payload: JSON.parse(readFileSync(new URL(file, fixtures), 'utf8')) as Example['payload'],
  }),
);
const all = [...ours, ...published];

const fixture = (name: string): Record<string, unknown> & JsonObject =>
  JSON.parse(readFileSync(new URL(`${name}.json`, fixtures), 'utf8')) as Record<string, unknown>;
const keyOf = (classified: Classification) => (classified.kind === 'events' ? classified.semanticKey : undefined);

const ports = { base: { api: 'https://api.github.com', web: 'https://github.com' }, wanted: new Set<string>() };
const translated = (eventType: string, payload: JsonObject) =>
  github.payload({ eventType, payload, receivedAt: new Date() }, { name: eventType }, ports);

describe('classify', () => {
  it.each(['', 'a\u0000b', 'a\ud800b', 'a\nb', 'x'.repeat(101), 7, null, {}])(
    'ignores an action that is no name: %p',
    (action) => {
      expect(github.classify('star', { action, repository: { id: 42 } })).toMatchObject({ kind: 'ignored' });
    },
  );

  it('finds what every published payload is about', async () => {
    expect(published.length).toBeGreaterThan(300);
    for (const { name, payload } of all) {
      const classified = github.classify(name, payload);
      if (classified.kind === 'ignored') throw new Error(`${name}: ${classified.reason}`);
      const repository = payload.repository as { id: number } | undefined;
      const installation = payload.installation as { id: number } | undefined;
      const holder = (payload.pull_request ?? payload.issue ?? payload.discussion) as { number: number } | undefined;
      expect(classified.events).toEqual([payload.action === undefined ? { name } : { name, action: payload.action }]);
      expect(classified.repositoryId).toBe(repository && BigInt(repository.id));
      expect(classified.installationId).toBe(installation && BigInt(installation.id));
      expect(classified.number).toBe(holder?.number);
      expect(await translated(name, payload)).toBe(payload);
    }
  });

  it('passes on an event it has never heard of', () => {
    expect(github.classify('quantum_merge', { action: 'entangled', repository: { id: 7 } })).toMatchObject({
      kind: 'events',
      events: [{ name: 'quantum_merge', action: 'entangled' }],
      repositoryId: 7n,
    });
  });

  it('keeps ids above 2^53 exact, and ignores those that JSON has rounded', () => {
    expect(github.classify('star', { repository: { id: '9007199254740993' } })).toMatchObject({
      repositoryId: 9007199254740993n,
    });
    expect(github.classify('star', { repository: { id: 2 ** 53 } }).kind).toBe('ignored');
  });

  it.each([
    ['no event name', '', {}],
    ['an event name that is none', 'Push!', {}],
    ['an action that is no text', 'issues', { action: 7 }],
    ['an endless action', 'repository_dispatch', { action: 'a'.repeat(101) }],
    ['no repository', 'push', {}],
    ['a repository without id', 'push', { repository: {} }],
    ['a repository that is text', 'push', { repository: 'acme/web' }],
    ['a negative id', 'push', { repository: { id: -1 } }],
    ['no number', 'pull_request', { repository: { id: 1 }, pull_request: {} }],
    ['a number of zero', 'issues', { repository: { id: 1 }, issue: { number: 0 } }],
    ['no installation', 'installation', { action: 'created' }],
  ])('ignores %s and says so', (_what, name, payload) => {
    expect(github.classify(name, payload)).toEqual({ kind: 'ignored', reason: expect.stringMatching(/^.{10,}\.$/) });
  });

  it('never throws, and a payload breaks only as a ForgewayError', async () => {
    const junk = fc.oneof(
      fc.constant(undefined),
      fc.constant(null),
      fc.boolean(),
      fc.double(),
      fc.string(),
      fc.constant([]),
      fc.constant({}),
      fc.constant({ id: '99999999999999999999' }),
      fc.constant('__proto__'),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...all), fc.nat(), junk, fc.nat(), junk, async (one, first, a, second, b) => {
        const { name, payload } = one;
        const mutated = mutate(mutate(payload, first, a), second, b);
        const classified = github.classify(name, mutated);
        if (classified.kind === 'ignored') expect(classified.reason).not.toBe('');
        else expect(classified.events).toHaveLength(1);
        try {
          await translated(name, mutated);
        } catch (error) {
          expect(error).toBeInstanceOf(ForgewayError);
          expect(error).toMatchObject({ code: 'FORGEWAY_PAYLOAD_INVALID' });
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

/** The payload with one value, somewhere in it, replaced; undefined drops it. */
function mutate(payload: JsonObject, choice: number, value: unknown): JsonObject {
  const copy = structuredClone(payload) as Record<string, unknown>;
  const places: [Record<string, unknown>, string][] = [];
  const visit = (node: unknown) => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key]);
      visit((node as Record<string, unknown>)[key]);
    }
  };
  visit(copy);
  const place = places[choice % places.length];
  if (place === undefined) return copy;
  if (value === undefined) delete place[0][place[1]];
  else place[0][place[1]] = value;
  return copy;
}

describe('semantic key', () => {
  const opened = fixture('pull_request.opened');
  const key = (payload: JsonObject, name = 'pull_request') => keyOf(github.classify(name, payload));

  it('is the same whoever reports the happening, in whatever order of keys', () => {
    const { installation, ...withoutInstallation } = opened;
    const reversed = Object.fromEntries(Object.entries(withoutInstallation).reverse());
    expect(installation).toBeDefined();
    expect(key(opened)).toMatch(/^pull_request\.opened:7001:[0-9a-f]{32}$/);
    expect(key(reversed)).toBe(key(opened));
    const star = { action: 'created', starred_at: '2026-03-02T10:00:00Z', repository: { id: 1, name: 'web' } };
    expect(key({ ...star, repository: { name: 'web', id: 1 }, installation: { id: 9 } }, 'star')).toBe(
      key(star, 'star'),
    );
  });

  it('differs when the object, the head, or what changed differs', () => {
    const pull = opened.pull_request as Record<string, unknown>;
    const labeled = (id: number) => ({ ...opened, action: 'labeled', label: { id } });
    const variants = [
      opened,
      { ...opened, action: 'reopened' },
      { ...opened, pull_request: { ...pull, updated_at: '2026-03-02T10:00:01Z' } },
      { ...opened, pull_request: { ...pull, head: { ...(pull.head as object), sha: 'd'.repeat(40) } } },
      { ...opened, repository: { ...(opened.repository as object), id: 7002 } },
      { ...opened, changes: { title: { from: 'x' } } },
      labeled(1),
      labeled(2),
    ];
    expect(new Set(variants.map((variant) => key(variant))).size).toBe(variants.length);
  });

  it('is absent for what each source sends of its own', () => {
    expect(key({ zen: 'Keep it simple.', hook_id: 1 }, 'ping')).toBeUndefined();
  });
});

it('names the first field that a handler would miss', async () => {
  const opened = fixture('pull_request.opened');
  const pull = opened.pull_request as Record<string, unknown>;
  const broken = { ...opened, pull_request: { ...pull, head: { ref: 'x' } } };
  await expect(translated('pull_request', broken)).rejects.toThrow(/pull_request\.head\.sha/);
});
