import { describe, expect, it } from '@jest/globals';
import { withGitHubHeaders } from './github-headers.js';

const now = new Date('2026-03-02T10:00:00.900Z');

const told = (headers: Record<string, string> = {}, over: { status?: number; path?: string; accept?: string } = {}) => {
  const { status = 200, path = '/repos/acme/web', accept = 'application/vnd.github+json' } = over;
  const { headers: all } = withGitHubHeaders(new Response('{}', { status, headers }), { path, accept, now });
  return Object.fromEntries(all);
};

describe('an answer of ours', () => {
  it('has the headers that every answer of GitHub has', () => {
    expect(told()).toMatchObject({
      'x-github-media-type': 'github.v3; format=json',
      'x-github-request-id': expect.stringMatching(/^[0-9A-F]{4}(:[0-9A-F]{6,8}){4}$/),
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': '5000',
      'x-ratelimit-reset': '1772449200',
      'x-ratelimit-resource': 'core',
      'x-ratelimit-used': '0',
    });
    expect(told()['x-github-request-id']).not.toBe(told()['x-github-request-id']);
  });

  it.each([
    ['/search/issues?q=x', 'search'],
    ['/search/code?q=x', 'code_search'],
    ['/graphql', 'graphql'],
  ])('names the budget of %s', (path, resource) => {
    expect(told({}, { path })['x-ratelimit-resource']).toBe(resource);
  });

  it('names the form that was asked for', () => {
    const accept = 'application/vnd.github.v3.raw';
    expect(told({}, { accept })['x-github-media-type']).toBe('github.v3; param=raw; format=json');
  });

  it('keeps what the forge says of its limit, and says nothing else beside it', () => {
    const limits = { 'retry-after': '30', 'x-ratelimit-reset': '1772445660' };
    const limited = told(limits, { status: 429 });
    expect(limited).toMatchObject(limits);
    expect(limited).not.toHaveProperty('x-ratelimit-remaining');
    expect(told({ 'x-ratelimit-remaining': '0' }, { status: 403 })).toMatchObject({ 'x-ratelimit-remaining': '0' });
  });
});
