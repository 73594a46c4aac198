import { describe, expect, it } from '@jest/globals';
import { formerRoutes } from '../../../src/forges/kit/former-routes.js';
import { installationRoutes } from '../../../src/translate/installation-routes.js';
import { githubRouter, routeAt, shapeOf } from './github-routes.js';
import { isSkipped } from './skips.js';
import { type Subject, table, translate } from './subjects.js';
import { UNSERVED } from './unserved.js';

/** Addresses of git, which are not of HTTP. */
const OF_GIT = /^(?:ssh_url|git_url)$/;
const IS_ADDRESS = /(?:^|_)url$|^href$/;

/** `{/sha}` is a path's next segment, which may be left out like a query; `{base}` is a part of a segment. */
const expand = (template: string, optional: string): string =>
  template
    .replaceAll('{archive_format}', 'tarball')
    .replace(/\{([/?+]?)[^}]*\}/g, (_whole, kind: string) => (kind === '/' ? optional : kind === '?' ? '' : '1'));

/** Both readings of a template: with what may be left out, and without. */
const readings = (template: string): readonly string[] => [expand(template, '/1'), expand(template, '')];

interface Address {
  key: string;
  value: string;
  /** Fixture and place, for whoever reads the failure. */
  at: string;
}

function addressesIn(value: unknown, at: string, key = ''): Address[] {
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([inner, child]) => addressesIn(child, `${at}.${inner}`, inner));
  return typeof value === 'string' && value !== '' && IS_ADDRESS.test(key) ? [{ key, value, at }] : [];
}

async function addressesOf(subject: Subject): Promise<(Address & { told: string })[]> {
  const found: (Address & { told: string })[] = [];
  for (const fixture of subject.fixtures) {
    const told = JSON.stringify([fixture.payload, fixture.answers]);
    // What is passed on as it came stands under the forge's own name.
    for (const { payload, name } of await translate(subject, fixture))
      for (const [key, value] of Object.entries(payload))
        if (key !== subject.descriptor.id)
          found.push(...addressesIn(value, `${fixture.name}/${name}.${key}`, key).map((one) => ({ ...one, told })));
  }
  return found;
}

describe.each(table.filter(([id]) => !isSkipped(id, 'addresses')))('addresses in events of %s', (_id, subject) => {
  const { base, descriptor } = subject;
  const { routes = {} } = descriptor;
  const known = UNSERVED[descriptor.id] ?? {};
  const keys = [routes, formerRoutes(routes), installationRoutes].flatMap((rows) => Object.keys(rows));
  const served = new Set(keys.map(shapeOf));

  it('on the virtual base lead to a route that is served, or to one that this forge is known to lack', async () => {
    const seen = new Set<string>();
    const nowhere = new Map<string, string>();
    const count = { served: 0 };
    for (const { value, at } of await addressesOf(subject)) {
      if (!value.startsWith(`${base.api}/`)) continue;
      const paths = readings(value).map((address) => address.slice(base.api.length));
      const routes = paths.toReversed().map((path) => routeAt(githubRouter, path));
      if (routes.some((route) => route !== undefined && served.has(shapeOf(route)))) {
        count.served += 1;
        continue;
      }
      const named = routes.find((one) => one !== undefined);
      const route = named ?? (paths[1] ?? '').replace(/^\/repos\/[^/]+\/[^/]+/, '/repos/{}/{}');
      if (!Object.hasOwn(known, route)) nowhere.set(route, `${at}: ${value}`);
      seen.add(route);
    }
    expect(Object.fromEntries(nowhere)).toEqual({});
    expect(count.served).toBeGreaterThan(subject.fixtures.length * 10);
    expect(Object.keys(known).filter((route) => !seen.has(route))).toEqual([]);
  });

  it('for people are of the server itself, or stood in the delivery', async () => {
    for (const { key, value, at, told } of await addressesOf(subject)) {
      if (OF_GIT.test(key) || value.startsWith(`${base.api}/`)) continue;
      const address = expand(value, '');
      const isOwn = `${address}/`.startsWith(`${base.web}/`);
      const wasTold = told.includes(value.replace(/\.(?:git|diff|patch)$/, ''));
      if (!URL.canParse(address) || !(isOwn || wasTold)) throw new Error(`${at}: ${value} is of nobody.`);
    }
  });
});
