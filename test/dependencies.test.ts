import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import semver from 'semver';

interface Package {
  version: string;
  engines?: { node?: string };
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
}

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Package;
const project = read(join(process.cwd(), 'package.json'));
const direct = { ...project.dependencies, ...project.devDependencies, ...project.optionalDependencies };
const installed = (name: string) => join(process.cwd(), 'node_modules', name, 'package.json');

describe('direct dependencies', () => {
  it.each(Object.entries(direct))('%s is pinned to an exact version (%s)', (_name, version) => {
    expect(semver.valid(version)).toBe(version);
  });

  it('accept every Node version that this project accepts at its lower end and the one that runs', () => {
    const refused = Object.keys(direct)
      .filter((name) => existsSync(installed(name)))
      .map((name) => ({ name, node: read(installed(name)).engines?.node ?? '*' }))
      .filter(({ node }) => !semver.satisfies(process.versions.node, node) || !semver.satisfies('20.20.0', node));
    expect(refused).toEqual([]);
  });

  // Its main entry is for another generator than ours.
  const entries: Record<string, string> = { '@prisma/client': '@prisma/client/runtime/client' };

  // A package that only breaks when it is loaded (some claim Node 20 and crash on import) must be found here.
  it.each(Object.keys(project.dependencies))('%s can be loaded', async (name) => {
    const require = createRequire(join(process.cwd(), 'package.json'));
    const loaded: unknown = await import(entries[name] ?? name).catch(() => require(name));
    expect(loaded).toBeDefined();
  });
});
