import { describe, expect, it } from '@jest/globals';
import { createRouteRig } from '../../../../test/support/route-rig.js';
import { RouteFailure } from '../../kit/route.js';
import { routes } from './index.js';
import { folderEntries, itemsOf, listOf, objectsOf, textsOf } from './native.js';

const at = { owner: 'acme', repo: 'web' };

/** A server that answers everything with this. */
const serverOf = (answer: unknown) =>
  createRouteRig({
    descriptorLike: { routes, apiUrl: 'https://gitea.test/api/v1' },
    handle: async () => Response.json(answer),
    token: 'token',
  });

describe('lists in answers', () => {
  it.each([null, undefined])('are empty when the server says %p', (nothing) => {
    expect(listOf(nothing)).toEqual([]);
    expect(objectsOf(nothing)).toEqual([]);
    expect(folderEntries(nothing)).toEqual([]);
  });

  it.each([{}, { message: 'Maintenance' }, '', '<html>', 0, true])('are none when the server says %p', (other) => {
    for (const read of [listOf, objectsOf])
      expect(() => read(other)).toThrow(expect.objectContaining({ name: 'RouteFailure', status: 502 }));
  });

  it('are what they hold, and an app’s lists are read without blame for the server', () => {
    expect(listOf([1, 'a'])).toEqual([1, 'a']);
    expect(objectsOf([{ id: 1 }, 'a'])).toEqual([{ id: 1 }, {}]);
    expect(itemsOf({ 0: 'a' })).toEqual([]);
    expect(textsOf({})).toEqual([]);
    expect(textsOf('no')).toEqual(['no']);
    expect(textsOf(['no', 1])).toEqual(['no']);
  });

  it('of a folder are empty where a file has its name', () => {
    expect(folderEntries({ type: 'file', path: '.github' })).toEqual([]);
    expect(folderEntries([{ name: 'a' }])).toEqual([{ name: 'a' }]);
    expect(() => folderEntries({ message: 'Maintenance' })).toThrow(RouteFailure);
  });
});

describe('a server that answers something else', () => {
  it.each([
    ['GET /repos/{owner}/{repo}/issues', {}],
    ['GET /repos/{owner}/{repo}/labels', {}],
    ['GET /repos/{owner}/{repo}/issues/{issue_number}/comments', { issue_number: 1 }],
    ['GET /repos/{owner}/{repo}/pulls', {}],
    ['GET /repos/{owner}/{repo}/contents/{path}', { path: 'a.txt' }],
    ['GET /repos/{owner}/{repo}/readme', {}],
  ])('to %s is a bad gateway, not an empty repository', async (route, more) => {
    expect(await serverOf({ message: 'Maintenance' }).request(route, { ...at, ...more })).toMatchObject({
      status: 502,
      data: { message: expect.stringMatching(/^The server sent /) },
    });
  });

  it.each([{ path: 'a.txt' }, { type: 'file' }, { type: '', path: 'a.txt' }, { type: 'file', path: 7 }])(
    'as the file %p is a bad gateway',
    async (file) => {
      const route = 'GET /repos/{owner}/{repo}/contents/{path}';
      for (const answer of [file, [file]])
        expect((await serverOf(answer).request(route, { ...at, path: 'a.txt' })).status).toBe(502);
    },
  );
});
