import { describe, expect, it } from '@jest/globals';
import { configExtends } from './config-extends.js';

type Reader = Parameters<typeof configExtends>[0];

/** Repositories with these files, by `owner/name:path`. */
function octokit(files: Readonly<Record<string, unknown>>) {
  const asked: string[] = [];
  const endpoint = ({ owner, repo, path }: Record<string, string>) => ({
    url: `https://forge.test/api/v3/repos/${owner}/${repo}/contents/${path}`,
  });
  const request = async ({ owner, repo, path }: Record<string, string>) => {
    const name = `${owner}/${repo}:${path}`;
    asked.push(name);
    if (files[name] === undefined) throw Object.assign(new Error('Not Found'), { status: 404 });
    return { data: files[name], headers: { 'content-type': 'application/vnd.github.raw; charset=utf-8' } };
  };
  return { asked, reader: { request: Object.assign(request, { endpoint }) } as unknown as Reader };
}

const PATH = '.github/bot.yml';
const get = async (files: Readonly<Record<string, unknown>>, path = PATH, owner = 'acme~shop') => {
  const { asked, reader } = octokit(files);
  const { config, files: read } = await configExtends(reader).config.get({ owner, repo: 'web', path });
  return { asked, config, read: read.map(({ owner: of, repo, url }) => [of, repo, url]) };
};

describe('_extends', () => {
  it.each([
    ['acme/shop/settings', 'acme~shop/settings'],
    ['acme~shop/settings', 'acme~shop/settings'],
    ['a/b/c/settings', 'a~b~c/settings'],
    ['"my_team/settings"', 'my_team/settings'],
    ["'my.team/settings' # ours", 'my.team/settings'],
    ['other/settings', 'other/settings'],
    ['settings', 'acme~shop/settings'],
  ])('%s is read from %s', async (value, place) => {
    const { config, asked, read } = await get({
      [`acme~shop/web:${PATH}`]: `limit: 1\n_extends: ${value}\n`,
      [`${place}:${PATH}`]: 'limit: 2\nname: shared\n',
    });
    expect(config).toEqual({ limit: 1, name: 'shared' });
    expect(asked).toEqual([`acme~shop/web:${PATH}`, `${place}:${PATH}`]);
    expect(read[1]).toEqual([...place.split('/'), `https://forge.test/api/v3/repos/${place}/contents/${PATH}`]);
  });

  it('may name a file, go on from there, and stand in JSON', async () => {
    const deep = await get({
      [`acme~shop/web:${PATH}`]: '_extends: acme/ops/settings:bots/main.yml\n',
      'acme~ops/settings:bots/main.yml': '_extends: my_team/base\na: 1\n',
      [`my_team/base:${PATH}`]: 'b: 2\n',
    });
    expect(deep.config).toEqual({ a: 1, b: 2 });
    const json = await get(
      { 'acme~shop/web:.github/bot.json': { _extends: 'acme/ops/s' }, 'acme~ops/s:.github/bot.json': { c: 3 } },
      '.github/bot.json',
    );
    expect(json.config).toEqual({ c: 3 });
  });

  it('is refused when it names no repository, and noticed when it comes round', async () => {
    for (const value of ['https://example.org/x', 'a b/c', '/x', '42: 1'])
      await expect(get({ [`acme~shop/web:${PATH}`]: `_extends: "${value}"\n` })).rejects.toThrow(/Invalid value/);
    const round = { [`acme~shop/web:${PATH}`]: '_extends: a/b/x\n', [`a~b/x:${PATH}`]: '_extends: a/b/x\n' };
    await expect(get(round)).rejects.toThrow(/Recursion/);
  });

  it('leaves alone what only looks like it', async () => {
    const text = 'text: |\n  _extends: a/b/c\nother_extends: a/b/c\n';
    expect((await get({ [`acme~shop/web:${PATH}`]: text })).config).toEqual({
      text: '_extends: a/b/c\n',
      other_extends: 'a/b/c',
    });
  });
});
