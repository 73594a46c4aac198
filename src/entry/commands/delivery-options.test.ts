import { describe, expect, it } from '@jest/globals';
import { Command } from 'commander';
import { addFilterOptions, deliveryName, numberFrom, readRepositoryName, timeFrom } from './delivery-options.js';

describe('options of deliveries', () => {
  it('read a time, or how long ago', () => {
    expect(timeFrom('2026-11-24T08:00Z')).toEqual(new Date('2026-11-24T08:00:00Z'));
    const ago = Date.now() - timeFrom('2h').getTime();
    expect(ago).toBeGreaterThanOrEqual(7_200_000);
    expect(ago).toBeLessThan(7_260_000);
    for (const wrong of ['yesterday', '2', '2w', '', '99999999d', '1'])
      expect(() => timeFrom(wrong)).toThrow('how long ago');
  });

  it('read numbers within their limits, names of repositories, and names of deliveries', () => {
    expect(numberFrom(1, 10)('10')).toBe(10);
    for (const wrong of ['0', '11', '1.5', 'x']) expect(() => numberFrom(1, 10)(wrong)).toThrow('from 1 to 10');
    expect(readRepositoryName('a~b/web')).toEqual({ owner: 'a~b', name: 'web' });
    for (const wrong of ['web', 'a/b/c', '/web', 'a b/c'])
      expect(() => readRepositoryName(wrong)).toThrow('owner/name');
    expect(deliveryName('72d3162e-cc78')).toBe('72d3162e-cc78');
    expect(() => deliveryName('a b')).toThrow('deliveries list');
  });

  it('take a repository by either name of the option', () => {
    for (const name of ['--repo', '--repository']) {
      const command = addFilterOptions(new Command(), false).parse([name, 'acme/web'], { from: 'user' });
      expect(command.opts()).toEqual({ repository: 'acme/web' });
    }
  });
});
