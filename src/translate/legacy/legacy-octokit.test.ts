import { describe, expect, it } from '@jest/globals';
import { ProbotOctokit } from 'probot';
import { asLegacyOctokit } from './legacy-octokit.js';
import type { LegacyLevel } from './level.js';
import { methods, namespaces } from './method-names.js';
import { currentParameters } from './parameter-names.js';

interface Sent {
  request: string;
  body: unknown;
  accept: string | null;
}

type Call = (parameters?: unknown) => Promise<{ data: unknown }>;
type Old = Record<string, Record<string, Call>> & {
  paginate: (first: unknown, second?: unknown, third?: unknown) => Promise<unknown>;
  query: (query: string) => Promise<unknown>;
  getNextPage: (page: unknown) => Promise<{ data: unknown }>;
  hasNextPage: (page: unknown) => boolean;
};

function open(level: LegacyLevel, answer: (path: string) => Response = () => Response.json({})) {
  const sent: Sent[] = [];
  const octokit = new ProbotOctokit({
    throttle: { enabled: false },
    retry: { enabled: false },
    request: {
      fetch: async (url: string, init: RequestInit) => {
        const { pathname, search } = new URL(url);
        const isJson = typeof init.body === 'string' && /^[[{"]/.test(init.body);
        const body = isJson ? (JSON.parse(String(init.body)) as unknown) : (init.body ?? undefined);
        sent.push({
          request: `${init.method} ${pathname}${search}`,
          body,
          accept: new Headers(init.headers).get('accept'),
        });
        return answer(`${pathname}${search}`);
      },
    },
  });
  return { sent, github: asLegacyOctokit(octokit, level) as unknown as Old };
}

const where = { owner: 'acme', repo: 'web' };

describe('names of methods', () => {
  const rest = new ProbotOctokit().rest as unknown as Record<string, Record<string, unknown>>;

  it('are all new ones that Octokit has, for old ones that it has not', () => {
    const wrong = Object.entries(methods).flatMap(([namespace, names]) =>
      Object.entries(names)
        .filter(([old, now]) => typeof rest[namespace]?.[now] !== 'function' || rest[namespace]?.[old] !== undefined)
        .map(([old, now]) => `${namespace}.${old} → ${now}`),
    );
    expect(wrong).toEqual([]);
    expect(Object.values(namespaces).filter((name) => rest[name] === undefined)).toEqual([]);
    expect(Object.values(methods).flatMap((names) => Object.keys(names)).length).toBeGreaterThan(100);
  });

  it.each([
    ['issues', 'edit', { number: 7, state: 'closed' }, 'PATCH /repos/acme/web/issues/7', { state: 'closed' }],
    ['issues', 'getLabels', {}, 'GET /repos/acme/web/labels', undefined],
    ['issues', 'getIssueLabels', { number: 7 }, 'GET /repos/acme/web/issues/7/labels', undefined],
    [
      'issues',
      'replaceAllLabels',
      { number: 7, labels: ['a'] },
      'PUT /repos/acme/web/issues/7/labels',
      { labels: ['a'] },
    ],
    ['issues', 'editComment', { id: 3, body: 'b' }, 'PATCH /repos/acme/web/issues/comments/3', { body: 'b' }],
    ['issues', 'getMilestone', { number: 2 }, 'GET /repos/acme/web/milestones/2', undefined],
    [
      'issues',
      'updateLabel',
      { current_name: 'old', name: 'new', color: 'aabbcc' },
      'PATCH /repos/acme/web/labels/old',
      { new_name: 'new', color: 'aabbcc' },
    ],
    ['pullRequests', 'get', { number: 7 }, 'GET /repos/acme/web/pulls/7', undefined],
    ['pullRequests', 'getCommits', { number: 7 }, 'GET /repos/acme/web/pulls/7/commits', undefined],
    [
      'pulls',
      'createReviewRequest',
      { number: 7, issue_number: 7, reviewers: ['ann'] },
      'POST /repos/acme/web/pulls/7/requested_reviewers',
      { reviewers: ['ann'] },
    ],
    ['pulls', 'update', { issue_number: 7, title: 't' }, 'PATCH /repos/acme/web/pulls/7', { title: 't' }],
    [
      'repos',
      'createStatus',
      { sha: 'abc', state: 'success' },
      'POST /repos/acme/web/statuses/abc',
      { state: 'success' },
    ],
    ['repos', 'getContent', { path: 'a.yml' }, 'GET /repos/acme/web/contents/a.yml', undefined],
    ['repos', 'getContents', { path: 'a.yml' }, 'GET /repos/acme/web/contents/a.yml', undefined],
    ['repos', 'getCommit', { sha: 'abc' }, 'GET /repos/acme/web/commits/abc', undefined],
    [
      'repos',
      'reviewUserPermissionLevel',
      { username: 'ann' },
      'GET /repos/acme/web/collaborators/ann/permission',
      undefined,
    ],
    ['gitdata', 'getReference', { ref: 'heads/main' }, 'GET /repos/acme/web/git/ref/heads%2Fmain', undefined],
    ['gitdata', 'getTree', { sha: 'abc' }, 'GET /repos/acme/web/git/trees/abc', undefined],
    ['apps', 'getInstallations', {}, 'GET /app/installations', undefined],
    ['integrations', 'getInstallationRepositories', {}, 'GET /installation/repositories', undefined],
    ['orgs', 'checkMembership', { org: 'acme', username: 'ann' }, 'GET /orgs/acme/members/ann', undefined],
    ['users', 'getForUser', { username: 'ann' }, 'GET /users/ann', undefined],
    ['reactions', 'getForIssueComment', { id: 3 }, 'GET /repos/acme/web/issues/comments/3/reactions', undefined],
    ['misc', 'getRateLimit', {}, 'GET /rate_limit', undefined],
  ])('%s.%s', async (namespace, method, parameters, request, body) => {
    const { github, sent } = open('v9');
    await github[namespace]?.[method]?.({ ...where, ...parameters });
    const [{ request: got = '', body: gotBody } = {}] = sent;
    expect(decodeURIComponent(got.replace(/\?owner.*$/, ''))).toBe(decodeURIComponent(request));
    if (body === undefined) expect(gotBody).toBeUndefined();
    else expect(gotBody).toMatchObject(body);
  });

  it('asks for the SHA alone where the old method answered just that', async () => {
    const { github, sent } = open('v7');
    await github.repos?.getShaOfCommitRef?.({ ...where, ref: 'main' });
    expect(sent[0]).toMatchObject({
      request: 'GET /repos/acme/web/commits/main',
      accept: 'application/vnd.github.v3.sha',
    });
  });

  it.each([['file'], ['contents'], ['data']])(
    'uploads what was called %s to the address of the release',
    async (field) => {
      const { github, sent } = open('v9');
      const url = 'https://ghe.example/api/uploads/repos/acme/web/releases/1/assets{?name,label}';
      for (const method of ['uploadAsset', 'uploadReleaseAsset'])
        await github.repos?.[method]?.({ url, name: 'a.txt', headers: { 'content-length': 4 }, [field]: 'abcd' });
      expect(sent.map(({ request, body }) => [request.replace(/&$/, ''), body])).toEqual(
        Array(2).fill(['POST /api/uploads/repos/acme/web/releases/1/assets?name=a.txt', 'abcd']),
      );
    },
  );

  it('are those of their level: 12 and 13 have methods at the root, and no older names', async () => {
    for (const level of ['v12', 'v13'] as const) {
      const { github, sent } = open(level);
      await github.issues?.createComment?.({ ...where, issue_number: 7, body: 'b' });
      expect(sent.map(({ request }) => request)).toEqual(['POST /repos/acme/web/issues/7/comments']);
      expect(github.issues?.getLabels).toBeUndefined();
      expect(github.pullRequests).toBeUndefined();
      expect(github.query).toBeUndefined();
    }
  });
});

describe('names of parameters', () => {
  it('are left alone where the route knows them', () => {
    expect(
      currentParameters('/repos/{owner}/{repo}/git/refs', 'git.createRef', { ref: 'refs/heads/x', sha: 'a' }),
    ).toEqual({
      ref: 'refs/heads/x',
      sha: 'a',
    });
    expect(currentParameters('/a/{pull_number}', 'pulls.get', { pull_number: 1, number: 2, issue_number: 3 })).toEqual({
      pull_number: 1,
    });
  });
});

describe('pages', () => {
  const paged = (path: string) => {
    const page = Number(new URLSearchParams(path.split('?')[1]).get('page') ?? 1);
    const link = `<https://api.github.com/repos/acme/web/issues?page=${page + 1}>; rel="next"`;
    return Response.json([{ id: page }], page < 3 ? { headers: { link } } : {});
  };

  it('are followed from a promise of the first one', async () => {
    const { github } = open('v7', paged);
    const ids = (page: { data: { id: number }[] }) => page.data.map(({ id }) => id);
    expect(await github.paginate(github.issues?.getForRepo?.(where), ids)).toEqual([1, 2, 3]);
    const whole = (await github.paginate(github.issues?.getForRepo?.(where))) as { data: unknown[] }[];
    expect(whole.map(({ data }) => data)).toEqual([[{ id: 1 }], [{ id: 2 }], [{ id: 3 }]]);
  });

  it('end when the callback says so', async () => {
    const { github, sent } = open('v7', paged);
    await github.paginate(github.issues?.getForRepo?.(where), (_page: unknown, done: () => void) => done());
    expect(sent).toHaveLength(1);
  });

  it('are followed as now, with old names', async () => {
    const { github } = open('v9', paged);
    expect(await github.paginate(github.issues?.getForRepo, where)).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  it('are asked for one by one', async () => {
    const { github } = open('v7', paged);
    const first = await github.issues?.getForRepo?.(where);
    expect(github.hasNextPage(first)).toBe(true);
    expect((await github.getNextPage(first)).data).toEqual([{ id: 2 }]);
  });
});

it('tells the status of an error as its code', async () => {
  const { github } = open('v9', () => Response.json({ message: 'Not Found' }, { status: 404 }));
  await expect(github.issues?.get?.({ ...where, number: 7 })).rejects.toMatchObject({ status: 404, code: 404 });
});

it('sends a GraphQL query', async () => {
  const { github, sent } = open('v7', () => Response.json({ data: { viewer: { login: 'ann' } } }));
  expect(await github.query('{ viewer { login } }')).toEqual({ viewer: { login: 'ann' } });
  expect(sent[0]?.request).toBe('POST /graphql');
});
