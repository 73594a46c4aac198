import { describe, expect, it } from '@jest/globals';
import { forgeById } from './registry.js';
import { parseRepositoryUrl } from './repository-url.js';

function parse(id: string, text: string, base?: string) {
  const forge = forgeById(id);
  if (forge === undefined) throw new Error(`no forge ${id}`);
  const { host, owner, name } = parseRepositoryUrl(text, forge, base);
  return `${host} ${owner} ${name}`;
}

describe('an address of a repository', () => {
  it.each([
    ['github', 'https://github.com/org/repo', undefined, 'github.com org repo'],
    ['github', 'https://github.com/org/repo.git', undefined, 'github.com org repo'],
    ['github', 'git@github.com:org/repo.git', undefined, 'github.com org repo'],
    ['github', '  HTTPS://GitHub.com/org/repo/ ', undefined, 'github.com org repo'],
    ['github', 'ssh://git@github.com/org/repo.git', undefined, 'github.com org repo'],
    ['github', 'https://ghe.example.com/org/re.po', 'https://ghe.example.com/api/v3', 'ghe.example.com org re.po'],
    ['gitlab', 'https://gitlab.com/group/project', undefined, 'gitlab.com group project'],
    ['gitlab', 'https://gitlab.com/group/subgroup/project', undefined, 'gitlab.com group~subgroup project'],
    ['gitlab', 'git@gitlab.com:group/project.git', undefined, 'gitlab.com group project'],
    ['gitlab', 'https://git.example.com/a/b/c/d.git', 'https://git.example.com', 'git.example.com a~b~c d'],
    ['gitlab', 'ssh://git@git.example.com:2222/a/b.git', 'https://git.example.com:8443', 'git.example.com:8443 a b'],
    ['gitlab', 'https://x.example/gitlab/a/b', 'https://x.example/gitlab/', 'x.example/gitlab a b'],
    // Over SSH there is no sub-path.
    ['gitlab', 'git@x.example:a/b.git', 'https://x.example/gitlab', 'x.example/gitlab a b'],
    ['gitea', 'https://x.example/git/acme/web.git', 'https://x.example/git', 'x.example/git acme web'],
    ['forgejo', 'ssh://git@x.example:2222/acme/web.git', 'https://x.example/git', 'x.example/git acme web'],
    ['gitea', 'https://code.example.com/acme/web.git', 'https://code.example.com', 'code.example.com acme web'],
    ['forgejo', 'git@codeberg.org:acme/web', undefined, 'codeberg.org acme web'],
  ])('%s: %s', (id, text, base, expected) => {
    expect(parse(id, text, base)).toBe(expected);
  });

  it.each([
    ['github', 'org/repo'],
    ['github', ''],
    ['github', 'https://github.com/org'],
    ['github', 'https://github.com/'],
    ['github', 'https://github.com/org/repo/tree/main'],
    ['github', 'https://github.com/org/repo?x=1'],
    ['github', 'https://github.com/org/repo#readme'],
    ['github', 'https://github.com.evil.example/org/repo'],
    ['github', 'https://github.com@evil.example/org/repo'],
    ['github', 'https://user:pass@github.com/org/repo'],
    ['github', 'https://token@github.com/org/repo'],
    ['github', 'http://github.com:8080/org/repo'],
    ['github', 'file:///org/repo'],
    ['github', 'ext::sh -c id'],
    ['github', 'git@evil.example:org/repo.git'],
    ['github', 'git@github.com:org/--upload-pack=x y'],
    ['github', 'https://github.com/org/..'],
    ['github', 'https://github.com/org/%2e%2e%2fx'],
    ['github', 'https://github.com/org//repo'],
    ['github', 'https://github.com/org/.git'],
    ['gitlab', 'https://gitlab.com/project'],
    ['gitlab', 'https://gitlab.com/group/project/-/tree/ma~in'],
  ])('%s: %j is refused', (id, text) => {
    expect(() => parse(id, text)).toThrow(TypeError);
  });

  it('outside the path of its instance it is another server’s', () => {
    for (const text of ['https://x.example/a/b', 'https://x.example/gitlabs/a/b'])
      expect(() => parse('gitlab', text, 'https://x.example/gitlab')).toThrow(/not on x\.example\/gitlab/);
  });
});
