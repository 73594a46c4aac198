import { describe, expect, it } from '@jest/globals';
import { seemsSameSite, sharesCookies } from './sites.js';

describe('hosts', () => {
  it('share cookies with what lies below them, and not with what only ends alike', () => {
    expect(sharesCookies('example.com', 'preview.example.com')).toBe(true);
    expect(sharesCookies('a.preview.example.com', 'preview.example.com')).toBe(true);
    expect(sharesCookies('badexample.com', 'example.com')).toBe(false);
    expect(sharesCookies('a.example.com', 'b.example.com')).toBe(false);
  });

  it.each([
    ['forgeway.example.com', 'preview.example.com', true],
    ['forgeway.example.com', 'preview.example.net', false],
    ['a.example.co.uk', 'b.example.co.uk', true],
    ['one.co.uk', 'two.co.uk', false],
    ['forgeway.localhost', 'preview.localhost', false],
    ['10.0.0.1', '10.0.0.1', false],
    ['forgeway', 'preview', false],
    ['EXAMPLE.com.', 'a.example.COM', true],
  ])('%s and %s seem to be one site: %s', (a, b, is) => {
    expect([seemsSameSite(a, b), seemsSameSite(b, a)]).toEqual([is, is]);
  });
});
