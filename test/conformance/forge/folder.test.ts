import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { defineForge } from '../../../src/forges/forge.js';
import { skipsOf } from './skips.js';
import { subjects, table } from './subjects.js';

/** By any of its names: what grows beyond one file becomes a folder. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  'forge.ts': ['forge.ts'],
  'verify.ts': ['verify.ts'],
  'events.ts': ['events.ts'],
  'poll.ts': ['poll.ts'],
  'schema.ts': ['schema.ts'],
  routes: ['routes/index.ts'],
  convert: ['convert.ts', 'convert'],
  hooks: ['hooks.ts'],
  roles: ['roles.ts'],
  fake: ['fake.ts'],
  fixtures: ['fixtures'],
  'README.md': ['README.md'],
  'icon.svg': ['icon.svg'],
};

describe.each(table)('the folder of %s', (id, { descriptor, folder }) => {
  it('has the same files as every other, but for what is declared', () => {
    const missing = Object.entries(FILES)
      .filter(([, names]) => !names.some((name) => existsSync(join(folder, name))))
      .map(([what]) => what);
    expect(missing.sort()).toEqual(
      skipsOf(id, 'files')
        .map(({ what }) => what)
        .sort(),
    );
  });

  it('says what it is and shows it', () => {
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toMatch(/^# \S/);
    const icon = readFileSync(join(folder, 'icon.svg'), 'utf8');
    expect(icon).toContain('<svg');
    expect(icon).not.toMatch(/<script|href=|\son\w+=/);
  });

  it('exports a descriptor that defineForge accepts', () => {
    expect(defineForge(descriptor)).toBe(descriptor);
    expect(descriptor.label).not.toBe('');
    const endpoint = descriptor.endpoint(descriptor.cloudUrl ?? 'https://forge.example.org');
    expect(endpoint.forge).toBe(id);
    expect([...endpoint.apiOrigins]).toContain(new URL(endpoint.apiUrl).origin);
    for (const url of [endpoint.apiUrl, endpoint.webUrl]) expect(url).not.toMatch(/\/$/);
    expect(() => descriptor.endpoint('ftp://forge.example.org')).toThrow(TypeError);
    // The same instance, however its name is written.
    const ended = new URL(descriptor.cloudUrl ?? 'https://forge.example.org');
    ended.hostname = `${ended.hostname.toUpperCase()}.`;
    expect(descriptor.endpoint(ended.href)).toEqual(endpoint);
    expect(descriptor.pullRequestRef(12)).toMatch(/^refs\/.*12/);
  });
});

it('no two forges share an id, a tag or a path', () => {
  const all = subjects.map(({ descriptor }) => descriptor);
  for (const values of [
    all.map(({ id }) => id),
    all.map(({ tag }) => tag),
    all.flatMap(({ webhookAliases = [] }) => webhookAliases),
  ])
    expect(new Set(values).size).toBe(values.length);
});
