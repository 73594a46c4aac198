import { describe, expect, it } from '@jest/globals';
import { type Address, addressesIn, createAddressCheck, expand } from './address.js';
import { isSkipped } from './skips.js';
import { type Subject, table, translate } from './subjects.js';
import { UNSERVED } from './unserved.js';

/** Addresses of git, which are not of HTTP. */
const OF_GIT = /^(?:ssh_url|git_url)$/;
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
  const known = UNSERVED[descriptor.id] ?? {};
  const lacking = createAddressCheck(descriptor.routes ?? {});

  it('on the virtual base lead to a route that is served, or to one that this forge is known to lack', async () => {
    const seen = new Set<string>();
    const nowhere = new Map<string, string>();
    const count = { served: 0 };
    for (const { value, at } of await addressesOf(subject)) {
      if (!value.startsWith(`${base.api}/`)) continue;
      const route = lacking(base.api, value);
      if (route === undefined) {
        count.served += 1;
        continue;
      }
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
