import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { commandsIn } from './grammar.js';

const only = (name: string, args = '') => [{ name, args }];

describe('commandsIn', () => {
  it.each([
    ['/ok-to-test 1234567', only('ok-to-test', '1234567')],
    ['/fw ok-to-test 1234567', only('ok-to-test', '1234567')],
    ['/fw /ok-to-test 1234567', only('ok-to-test', '1234567')],
    ['Looks fine.\r\n/OK-to-Test  1234567  \r\nThanks', only('ok-to-test', '1234567')],
    ['/a\n/b c', [...only('a'), ...only('b', 'c')]],
    ['~~~\n/a\n~~~\n/b', only('b')],
    ['````\n/a\n```\n/b\n````\n/c', only('c')],
    ['```\n/a', []],
    ['<!-- \n/a\n-->\n/b', only('b')],
    ['<!--\n/a', []],
    ['> /a', []],
    ['    /a', []],
    [' /a', []],
    ['see /a', []],
    ['`/a`', []],
    ['/', []],
    ['//a', []],
    ['/usr/bin/env', []],
    ['/1a', []],
    ['', []],
  ])('%j', (body, expected) => {
    expect(commandsIn(body).map(({ name, args }) => ({ name, args }))).toEqual(expected);
  });

  it('gives each the lines below it, up to the next', () => {
    const body = 'Hi\n/reply take\r\nthe second\n\n```\n/cancel\n```\n> as said\n<!-- hidden -->\n/status\n';
    expect(commandsIn(body)).toEqual([
      { name: 'reply', args: 'take', below: 'the second\n\n```\n/cancel\n```\n> as said' },
      { name: 'status', args: '', below: '' },
    ]);
  });

  it('takes what nobody knows for text', () => {
    const known = (name: string) => name === 'reply';
    expect(commandsIn('/b\n/reply why?\n/tmp is full\n/reply x', known)).toEqual([
      { name: 'reply', args: 'why?', below: '/tmp is full' },
      { name: 'reply', args: 'x', below: '' },
    ]);
  });

  it('takes no more than ten, and survives any text', () => {
    expect(commandsIn('/a\n'.repeat(50))).toHaveLength(10);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (body) => {
        for (const { name } of commandsIn(body)) expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
      }),
    );
  });
});
