/** Workspaces and runs with the requests of the documentation of VCS workspaces: only host and token are other ones. */

import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pack } from 'tar-stream';
import { tidyRuns } from '../../src/jobs/run/retention.js';
import { type ApiRig, type Caller, startApiRig } from './api-rig.js';

interface Resource {
  id: string;
  type: string;
  attributes: Record<string, unknown>;
  relationships: Record<string, { data: { id: string; type: string } | null }>;
  links: Record<string, string>;
}
interface Errors {
  errors: { status: string; code: string; detail: string; source?: { pointer: string } }[];
}

let rig: ApiRig;
/** The organization's own connection to https://forge.example, a GitLab. */
let connection: string;
beforeAll(async () => {
  rig = await startApiRig();
  connection = `vcs-${rig.mine.connection}`;
});
afterAll(() => rig.close());

const ALL = '/api/v2/organizations/mine/workspaces';
const ask = async (method: string, url: string, body?: unknown, caller: Caller = 'admin') => {
  const answer = await rig.call(caller, method, url, body);
  const text = answer.body;
  return { status: answer.statusCode, headers: answer.headers, document: text === '' ? null : JSON.parse(text) };
};
const data = async (method: string, url: string, body?: unknown, caller?: Caller): Promise<Resource> => {
  const { status, document } = await ask(method, url, body, caller);
  if (status >= 300) throw new Error(`${method} ${url}: ${status} ${JSON.stringify(document)}`);
  return document.data as Resource;
};
const pointers = ({ errors }: Errors) => errors.map(({ source }) => source?.pointer);
const linkedTo = (id: string | null) => ({
  'vcs-connection': { data: id === null ? null : { id, type: 'vcs-connections' } },
});
const workspaceOf = (attributes: Record<string, unknown>, relationships?: unknown) => ({
  data: { type: 'workspaces', attributes, ...(relationships !== undefined && { relationships }) },
});

/** The one of the documentation, on the forge of the rig. */
const myInfra = (name = 'my-infra') =>
  workspaceOf(
    {
      name,
      'execution-mode': 'remote',
      'auto-apply': false,
      'vcs-repo-url': 'https://forge.example/my-org/my-infra-repo',
      'vcs-branch': 'main',
      'vcs-working-directory': 'terraform/',
    },
    linkedTo(connection),
  );

describe('the requests of the documentation', () => {
  let made: Resource;

  it('link a workspace to a repository', async () => {
    const { status, headers, document } = await ask('POST', ALL, myInfra());
    expect([status, headers['content-type']]).toEqual([201, 'application/vnd.api+json; charset=utf-8']);
    made = document.data as Resource;
    expect(made.id).toMatch(/^ws-[0-9a-f-]{36}$/);
    expect(headers.location).toBe(`/api/v2/workspaces/${made.id}`);
    expect(made.attributes).toMatchObject({
      name: 'my-infra',
      'execution-mode': 'remote',
      'auto-apply': false,
      'vcs-repo-url': 'https://forge.example/my-org/my-infra-repo',
      'vcs-branch': 'main',
      'vcs-working-directory': 'terraform',
      'working-directory': 'terraform',
      'trigger-prefixes': [],
      'vcs-last-commit-sha': null,
      'vcs-last-error': null,
      'vcs-last-polled-at': null,
      locked: false,
    });
    expect(made.relationships['vcs-connection']?.data).toEqual({ id: connection, type: 'vcs-connections' });
    const [row] = await rig.rows(
      `SELECT forge, host, remote_path, remote_repository_id FROM workspace WHERE name = 'my-infra'`,
    );
    expect(row).toEqual({
      forge: 'gitlab',
      host: 'forge.example',
      remote_path: 'my-org/my-infra-repo',
      remote_repository_id: null,
    });
  });

  it('show it, by id and by name, and list it', async () => {
    expect(await data('GET', `/api/v2/workspaces/${made.id}`)).toEqual(made);
    expect(await data('GET', `${ALL}/my-infra`)).toEqual(made);
    const { document } = await ask('GET', ALL);
    expect(document.data.map(({ id }: Resource) => id)).toContain(made.id);
    expect(document.meta.pagination['total-count']).toBe(document.data.length);
  });

  it('show its runs, with what triggered them', async () => {
    const id = made.id.slice(3);
    const [cv] = await rig.rows<{ id: string }>(
      `INSERT INTO configuration_version (organization_id, workspace_id, source, created_by) VALUES ('${rig.mine.organization}', '${id}', 'vcs', 'x') RETURNING id`,
    );
    const common = `'${rig.mine.organization}', '${id}', '${cv?.id}', 'vcs', 'forgeway'`;
    for (const values of [
      `${common}, 'Push to main', '${'a'.repeat(40)}', 'main', NULL, false`,
      `${common}, 'Speculative plan for PR #42', '${'b'.repeat(40)}', 'feature', 42, true`,
    ]) {
      const [run] = await rig.rows<{ id: string }>(
        `INSERT INTO run (organization_id, workspace_id, configuration_version_id, source, created_by, message, vcs_commit_sha,
           vcs_branch, vcs_pull_request_number, plan_only) VALUES (${values}) RETURNING id`,
      );
      await rig.rows(
        `INSERT INTO run_phase (organization_id, run_id, phase) VALUES ('${rig.mine.organization}', '${run?.id}', 'plan')`,
      );
    }
    const { status, document } = await ask('GET', `/api/v2/workspaces/${made.id}/runs`);
    expect(status).toBe(200);
    expect(document.data.map(({ attributes }: Resource) => attributes)).toMatchObject([
      {
        source: 'vcs',
        'vcs-commit-sha': 'b'.repeat(40),
        'vcs-branch': 'feature',
        'vcs-pull-request-number': 42,
        'plan-only': true,
        message: expect.stringMatching(/^Speculative plan for PR #/),
      },
      {
        source: 'vcs',
        'vcs-commit-sha': 'a'.repeat(40),
        'vcs-branch': 'main',
        'vcs-pull-request-number': null,
        'plan-only': false,
        status: 'pending',
      },
    ]);
    expect(document.data[0].id).toMatch(/^run-/);
  });

  it('disconnect it', async () => {
    const body = workspaceOf({ 'vcs-repo-url': '' }, linkedTo(null));
    const { attributes, relationships } = await data('PATCH', `/api/v2/workspaces/${made.id}`, body);
    expect(attributes).toMatchObject({
      'vcs-repo-url': '',
      'vcs-branch': '',
      'vcs-repo': null,
      'vcs-last-error': null,
    });
    expect(relationships['vcs-connection']?.data).toBeNull();
    // What else there was of it stays.
    expect(attributes).toMatchObject({ name: 'my-infra', 'working-directory': 'terraform' });
  });

  it('link it anew, later and elsewhere', async () => {
    const url = 'git@forge.example:group/subgroup/project.git';
    const body = workspaceOf(
      { 'vcs-repo-url': url, 'trigger-prefixes': ['modules/', '/terraform'] },
      linkedTo(connection),
    );
    const { attributes } = await data('PATCH', `/api/v2/workspaces/${made.id}`, body);
    expect(attributes).toMatchObject({
      'vcs-repo-url': url,
      'vcs-branch': '',
      'trigger-prefixes': ['modules', 'terraform'],
      'vcs-repo-identifier': 'group/subgroup/project',
    });
    const other = await data(
      'POST',
      ALL,
      workspaceOf({ name: 'short', 'vcs-repo': { identifier: 'my-org/x', branch: 'dev' } }, linkedTo(connection)),
    );
    expect(other.attributes).toMatchObject({ 'vcs-repo-url': 'https://forge.example/my-org/x', 'vcs-branch': 'dev' });
  });

  it('keep its settings when the connection goes, and say that nothing is triggered', async () => {
    const [gone] = await rig.rows<{ id: string }>(
      `INSERT INTO connection (organization_id, name, kind, forge, host, instance_url, provider_account_id)
       VALUES ('${rig.mine.organization}', 'gone', 'pat', 'gitlab', 'forge.example', 'https://forge.example', '5') RETURNING id`,
    );
    const body = myInfra('orphan');
    const orphan = await data('POST', ALL, { data: { ...body.data, relationships: linkedTo(`vcs-${gone?.id}`) } });
    await rig.rows('DELETE FROM connection WHERE id = $1', [gone?.id]);
    const { attributes, relationships } = await data('GET', `/api/v2/workspaces/${orphan.id}`);
    expect(attributes['vcs-repo-url']).toBe('https://forge.example/my-org/my-infra-repo');
    expect(attributes['vcs-last-error']).toMatch(/connection of this workspace is gone/);
    expect(relationships['vcs-connection']?.data?.id).toBe(`vcs-${gone?.id}`);
  });
});

describe('what is wrong', () => {
  const cases: [string, unknown, string[]][] = [
    ['no name', workspaceOf({}), ['/data/attributes/name']],
    ['a name with a slash', workspaceOf({ name: 'a/b' }), ['/data/attributes/name']],
    [
      'several at once',
      workspaceOf({ name: 'x', 'execution-mode': 'far', 'auto-apply': 'yes', 'terraform-version': 'newest' }),
      ['/data/attributes/execution-mode', '/data/attributes/auto-apply', '/data/attributes/terraform-version'],
    ],
    [
      'a repository without a connection',
      workspaceOf({ name: 'x', 'vcs-repo-url': 'https://forge.example/a/b' }),
      ['/data/relationships/vcs-connection'],
    ],
    [
      'a connection that is not there',
      workspaceOf(
        { name: 'x', 'vcs-repo-url': 'https://forge.example/a/b' },
        linkedTo('vcs-0190aaaa-0000-7000-8000-000000000000'),
      ),
      ['/data/relationships/vcs-connection'],
    ],
    [
      'a directory outside',
      workspaceOf({ name: 'x', 'working-directory': 'a/../../b' }),
      ['/data/attributes/working-directory'],
    ],
    [
      'more than twenty prefixes',
      workspaceOf({ name: 'x', 'trigger-prefixes': Array.from({ length: 21 }, (_, i) => `p${i}`) }),
      ['/data/attributes/trigger-prefixes'],
    ],
    [
      'two names for one directory that differ',
      workspaceOf({ name: 'x', 'working-directory': 'a', 'vcs-working-directory': 'b' }),
      ['/data/attributes/vcs-working-directory'],
    ],
  ];
  it.each(cases)('%s', async (_, body, wanted) => {
    const { status, document } = await ask('POST', ALL, body);
    expect([status, pointers(document)]).toEqual([422, wanted]);
  });

  it.each([
    ['on another host', 'https://elsewhere.example/a/b'],
    ['with a password', 'https://me:secret1234@forge.example/a/b'],
    ['without a group', 'https://forge.example/b'],
    ['that is none', 'my-infra-repo'],
  ])('an address of a repository %s', async (_, url) => {
    const body = workspaceOf({ name: 'x', 'vcs-repo-url': url }, linkedTo(connection));
    const { status, document } = await ask('POST', ALL, body);
    expect([status, pointers(document)]).toEqual([422, ['/data/attributes/vcs-repo-url']]);
    expect(JSON.stringify(document)).not.toContain('secret1234');
  });

  it('a parameter of an address, and a reason that is none', async () => {
    const sizes = await ask('GET', `${ALL}?page%5Bsize%5D=0`);
    expect([sizes.status, sizes.document.errors]).toEqual([
      422,
      [expect.objectContaining({ source: { parameter: 'page[size]' } })],
    ]);
    const { id } = await data('POST', ALL, workspaceOf({ name: 'reasons' }));
    const at = `/api/v2/workspaces/${id}/actions/lock`;
    for (const [body, pointer] of [
      [{ reason: 5 }, '/reason'],
      [{ data: { attributes: { reason: 5 } } }, '/data/attributes/reason'],
    ] as const) {
      const { status, document } = await ask('POST', at, body);
      expect([status, pointers(document)]).toEqual([422, [pointer]]);
    }
  });

  it('a body of another type than a document; nothing at all is no body', async () => {
    const { id } = await data('POST', ALL, workspaceOf({ name: 'media-types' }));
    const as = (type: string, payload: string, url = `/api/v2/workspaces/${id}/actions/lock`) =>
      rig.app.inject({
        method: 'POST',
        url,
        headers: { ...rig.headers('admin'), 'content-type': type },
        payload,
      });
    for (const url of [ALL, `/api/v2/workspaces/${id}/actions/lock`]) {
      const answer = await as('text/plain', '{"data": {}}', url);
      expect([answer.statusCode, answer.json()]).toEqual([
        415,
        {
          errors: [
            {
              status: '415',
              code: expect.any(String),
              title: 'Unsupported media type',
              detail: expect.stringContaining('application/vnd.api+json'),
            },
          ],
        },
      ]);
    }
    expect((await as('application/x-www-form-urlencoded', '')).statusCode).toBe(200);
  });

  it('no page that is larger than there is: the largest is answered', async () => {
    for (const url of [ALL, '/api/v2/organizations/mine/vcs-connections']) {
      const { status, document } = await ask('GET', `${url}?page%5Bsize%5D=1000`);
      expect([status, document.meta.pagination['page-size']]).toEqual([200, 100]);
    }
  });

  it('another type, and a name that is taken', async () => {
    expect((await ask('POST', ALL, { data: { type: 'runs', attributes: {} } })).status).toBe(409);
    await data('POST', ALL, workspaceOf({ name: 'twice' }));
    const { status, document } = await ask('POST', ALL, workspaceOf({ name: 'twice' }));
    expect([status, pointers(document)]).toEqual([422, ['/data/attributes/name']]);
    const other = await data('POST', ALL, workspaceOf({ name: 'thrice' }));
    const renamed = await ask('PATCH', `/api/v2/workspaces/${other.id}`, workspaceOf({ name: 'twice' }));
    expect([renamed.status, pointers(renamed.document)]).toEqual([422, ['/data/attributes/name']]);
  });

  it('a connection of somebody’s own, or of another organization', async () => {
    for (const id of [rig.theirs.connection]) {
      const { status, document } = await ask(
        'POST',
        ALL,
        workspaceOf({ name: 'x', 'vcs-repo-url': 'https://forge.example/a/b' }, linkedTo(`vcs-${id}`)),
      );
      expect([status, pointers(document)]).toEqual([422, ['/data/relationships/vcs-connection']]);
    }
  });
});

describe('tags', () => {
  const binding = (key: string, value?: string) => ({ type: 'tag-bindings', attributes: { key, value } });
  const bindingsOf = async (id: string) =>
    (await ask('GET', `/api/v2/workspaces/${id}/tag-bindings`)).document.data.map(({ attributes: a }: Resource) => [
      a.key,
      a.value,
    ]);
  const found = async (query: Record<string, string>) =>
    (await ask('GET', `${ALL}?${new URLSearchParams(query)}`)).document.data.map(
      ({ attributes: a }: Resource) => a.name,
    );

  it('are names, or keys with a value, and both are found', async () => {
    const { id } = await data('POST', ALL, {
      data: {
        type: 'workspaces',
        attributes: { name: 'tagged-eu' },
        relationships: { 'tag-bindings': { data: [binding('env', 'eu=1'), binding('tier', 'Gold plus')] } },
      },
    });
    await data('POST', ALL, workspaceOf({ name: 'tagged-us', 'tag-names': ['tier', 'env'] }));
    expect(await bindingsOf(id)).toEqual([
      ['env', 'eu=1'],
      ['tier', 'Gold plus'],
    ]);
    expect(await found({ 'search[tags]': 'env,tier' })).toEqual(['tagged-eu', 'tagged-us']);
    const withValue = { 'filter[tagged][0][key]': 'env', 'filter[tagged][0][value]': 'eu=1' };
    expect(await found({ ...withValue, 'search[tags]': 'env', 'filter[tagged][1][key]': 'tier' })).toEqual([
      'tagged-eu',
    ]);
    expect(await found({ 'filter[tagged][0][key]': 'env', 'filter[tagged][0][value]': 'eu' })).toEqual([]);
    const paged = await ask('GET', `${ALL}?${new URLSearchParams({ ...withValue, 'page[size]': '1' })}`);
    expect(decodeURIComponent(paged.document.links.self)).toContain('filter[tagged][0][value]=eu=1');
  });

  it('take the place of what has the same key, and names leave those with values alone', async () => {
    const { id } = await data('POST', ALL, workspaceOf({ name: 'retagged', 'tag-names': ['net', 'env'] }));
    const at = `/api/v2/workspaces/${id}`;
    const made = await ask('PATCH', `${at}/tag-bindings`, { data: [binding('env', 'eu'), binding('plain')] });
    expect(made.status).toBe(200);
    expect(await bindingsOf(id)).toEqual([
      ['env', 'eu'],
      ['net', ''],
      ['plain', ''],
    ]);
    await ask('PATCH', at, workspaceOf({ 'tag-names': ['other'] }));
    expect((await data('GET', at)).attributes['tag-names']).toEqual(['other']);
    expect(await bindingsOf(id)).toEqual([
      ['env', 'eu'],
      ['other', ''],
    ]);
    await ask('PATCH', at, workspaceOf({ description: 'said' }));
    expect(await bindingsOf(id)).toHaveLength(2);
    const wrong = await ask('PATCH', `${at}/tag-bindings`, { data: [binding('a=b', 'x')] });
    expect([wrong.status, pointers(wrong.document)]).toEqual([422, ['/data/0/attributes/key']]);
    const many = Array.from({ length: 49 }, (_, at) => binding(`k${at}`));
    const tooMany = await ask('PATCH', `${at}/tag-bindings`, { data: many });
    expect([tooMany.status, pointers(tooMany.document)]).toEqual([422, ['/data']]);
  });
});

describe('locks', () => {
  it('have a holder whom everybody sees, and are given back by them or by force', async () => {
    const { id } = await data('POST', ALL, workspaceOf({ name: 'locked' }));
    const at = `/api/v2/workspaces/${id}/actions`;
    const locked = await data('POST', `${at}/lock`, { reason: 'moving state' }, 'member');
    expect(locked.attributes).toMatchObject({ locked: true, 'lock-reason': 'moving state' });
    expect(locked.relationships['locked-by']?.data).toEqual({ id: 'member', type: 'users' });
    const again = await ask('POST', `${at}/lock`, undefined, 'admin');
    expect([again.status, again.document.errors[0].detail]).toEqual([409, expect.stringContaining('moving state')]);
    expect((await ask('POST', `${at}/unlock`, undefined, 'maintainer')).status).toBe(409);
    expect((await ask('POST', `${at}/force-unlock`, undefined, 'maintainer')).status).toBe(403);
    expect((await ask('DELETE', `/api/v2/workspaces/${id}`)).status).toBe(409);
    expect((await data('POST', `${at}/force-unlock`)).attributes.locked).toBe(false);
    // As the command line of Terraform writes it.
    const document = { data: { type: '', attributes: { reason: 'Locked by Terraform' } } };
    expect((await data('POST', `${at}/lock`, document)).attributes['lock-reason']).toBe('Locked by Terraform');
    await ask('POST', `${at}/unlock`);
    expect((await ask('POST', `${at}/unlock`)).status).toBe(409);
  });
});

describe('the lock behind an apply that ended badly', () => {
  it('is shown with its reason, outlives locks of people, and goes by force alone', async () => {
    const { id } = await data('POST', ALL, workspaceOf({ name: 'left' }));
    const at = `/api/v2/workspaces/${id}`;
    const mine = `'${rig.mine.organization}'`;
    const [run] = await rig.rows<{ id: string }>(
      `WITH cv AS (INSERT INTO configuration_version (organization_id, workspace_id, source, created_by)
         VALUES (${mine}, $1, 'api', 'x') RETURNING id)
       INSERT INTO run (organization_id, workspace_id, configuration_version_id, source, created_by, status, status_reason, finished_at)
         SELECT ${mine}, $1, id, 'api', 'x', 'errored', 'It is gone.', now() FROM cv RETURNING id`,
      [id.slice(3)],
    );
    await rig.rows('UPDATE workspace SET locked_by_run_id = $2 WHERE id = $1', [id.slice(3), run?.id]);
    const held = {
      locked: true,
      'locked-by': `run-${run?.id}`,
      'locked-at': expect.any(String),
      'lock-reason': `run-${run?.id} ended badly while it applied: It is gone.`,
    };
    const shown = await data('GET', at);
    expect(shown.attributes).toMatchObject(held);
    expect(shown.relationships['locked-by']?.data).toEqual({ id: `run-${run?.id}`, type: 'runs' });

    const refusedTo = async (caller: Caller, action: string) => {
      const { status, document } = await ask('POST', `${at}/actions/${action}`, undefined, caller);
      return [status, document.errors[0].detail];
    };
    for (const action of ['lock', 'unlock'])
      expect(await refusedTo('member', action)).toEqual([409, expect.stringContaining('It is gone.')]);
    expect(await refusedTo('admin', 'unlock')).toEqual([409, expect.stringContaining('by force')]);
    expect((await refusedTo('maintainer', 'force-unlock'))[0]).toBe(403);
    expect((await ask('DELETE', at)).status).toBe(409);

    // To mend the state, with nobody in between.
    expect((await data('POST', `${at}/actions/lock`, { reason: 'import' })).attributes['lock-reason']).toBe('import');
    expect((await data('POST', `${at}/actions/unlock`)).attributes).toMatchObject(held);
    expect((await data('POST', `${at}/actions/force-unlock`)).attributes).toMatchObject({
      ...{ locked: false, 'locked-by': null, 'locked-at': null, 'lock-reason': null },
    });
    expect((await refusedTo('admin', 'force-unlock'))[0]).toBe(409);
  });
});

describe('variables', () => {
  it('are kept, and the value of a sensitive one is never given', async () => {
    const { id } = await data('POST', ALL, workspaceOf({ name: 'vars' }));
    const at = `/api/v2/workspaces/${id}/vars`;
    const variable = (attributes: Record<string, unknown>) => ({ data: { type: 'vars', attributes } });
    const region = await data('POST', at, variable({ key: 'region', value: 'eu', category: 'terraform' }));
    expect(region.id).toMatch(/^var-/);
    expect(region.attributes).toMatchObject({ key: 'region', value: 'eu', hcl: false, sensitive: false });
    const secret = await data(
      'POST',
      at,
      variable({ key: 'TOKEN', value: 'hunter2-hunter2', category: 'env', sensitive: true }),
    );
    expect(secret.attributes).toMatchObject({ value: null, sensitive: true });
    const listed = await ask('GET', at);
    expect(listed.document.data).toHaveLength(2);
    expect(JSON.stringify(listed.document)).not.toContain('hunter2');
    const [row] = await rig.rows<{ value: null; text: string }>(
      `SELECT value, row_to_json(v)::text AS text FROM workspace_variable v WHERE key = 'TOKEN'`,
    );
    expect([row?.value, row?.text.includes('hunter2')]).toEqual([null, false]);

    const plain = await ask('PATCH', `${at}/${secret.id}`, variable({ sensitive: false }));
    expect([plain.status, pointers(plain.document)]).toEqual([422, ['/data/attributes/sensitive']]);
    expect((await data('PATCH', `${at}/${region.id}`, variable({ value: 'us', hcl: true }))).attributes).toMatchObject({
      value: 'us',
      hcl: true,
    });
    const twice = await ask('POST', at, variable({ key: 'region', value: 'x', category: 'terraform' }));
    expect([twice.status, pointers(twice.document)]).toEqual([422, ['/data/attributes/key']]);
    const path = await ask('POST', at, variable({ key: 'LD_PRELOAD', value: 'x', category: 'env' }));
    expect([path.status, pointers(path.document)]).toEqual([422, ['/data/attributes/key']]);
    expect((await ask('DELETE', `${at}/${region.id}`)).status).toBe(204);
    expect((await ask('GET', `${at}/${region.id}`)).status).toBe(404);
  });
});

const archiveOf = async (files: Record<string, string>): Promise<Buffer> => {
  const tar = pack();
  for (const [name, text] of Object.entries(files)) tar.entry({ name }, text);
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return gzipSync(Buffer.concat(parts));
};
const pathOf = (url: unknown) => String(url).replace('https://forgeway.example', '');
const upload = (url: unknown, payload: Buffer) =>
  rig.app.inject({ method: 'PUT', url: pathOf(url), payload, headers: { 'content-type': 'application/octet-stream' } });

describe('configuration versions and runs', () => {
  let workspace: Resource;
  beforeAll(async () => {
    workspace = await data('POST', ALL, workspaceOf({ name: 'uploads' }));
  });
  const announce = (attributes: Record<string, unknown> = {}) =>
    data('POST', `/api/v2/workspaces/${workspace.id}/configuration-versions`, {
      data: { type: 'configuration-versions', attributes },
    });

  it('take an archive by an address that needs no token, once', async () => {
    const { id, attributes } = await announce({ 'auto-queue-runs': false });
    expect(attributes).toMatchObject({ status: 'pending', source: 'tfe-api', speculative: false });
    const url = attributes['upload-url'];
    expect(url).toMatch(/^https:\/\/forgeway\.example\/api\/v2\/objects\/configuration\//);
    const archive = await archiveOf({ 'main.tf': 'output "x" { value = 1 }' });
    expect((await upload(url, archive)).statusCode).toBe(200);
    const after = await data('GET', `/api/v2/configuration-versions/${id}`);
    expect(after.attributes).toMatchObject({ status: 'uploaded', size: archive.length, 'upload-url': null });
    expect((await upload(url, archive)).statusCode).toBe(409);
    const tampered = String(url).replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    expect((await upload(tampered, archive)).statusCode).toBe(404);
    const download = await rig.call('member', 'GET', String(after.links.download));
    expect(download.rawPayload.equals(archive)).toBe(true);
  });

  it('refuse an archive with an escape, and say so where it is looked at', async () => {
    const { id, attributes } = await announce({ 'auto-queue-runs': false });
    const answer = await upload(attributes['upload-url'], await archiveOf({ '../evil.tf': 'x' }));
    expect(answer.statusCode).toBe(422);
    const after = await data('GET', `/api/v2/configuration-versions/${id}`);
    expect(after.attributes).toMatchObject({ status: 'errored', error: 'FORGEWAY_ARCHIVE_REFUSED' });
    expect(after.attributes['error-message']).toContain('refused');
    const run = await ask('POST', '/api/v2/runs', {
      data: {
        type: 'runs',
        relationships: {
          workspace: { data: { id: workspace.id, type: 'workspaces' } },
          'configuration-version': { data: { id, type: 'configuration-versions' } },
        },
      },
    });
    expect([run.status, pointers(run.document)]).toEqual([422, ['/data/relationships/configuration-version']]);
  });

  it('keep equal archives once', async () => {
    const archive = await archiveOf({ 'same.tf': '# the same' });
    for (const _ of [1, 2])
      await upload((await announce({ 'auto-queue-runs': false })).attributes['upload-url'], archive);
    const rows = await rig.rows<{ blobs: number; versions: number }>(
      `SELECT count(DISTINCT blob_id)::int4 AS blobs, count(*)::int4 AS versions FROM configuration_version WHERE size = ${archive.length} AND workspace_id = '${workspace.id.slice(3)}'`,
    );
    expect(rows).toEqual([{ blobs: 1, versions: 2 }]);
  });

  const runOf = (attributes: Record<string, unknown>) => ({
    data: {
      type: 'runs',
      attributes,
      relationships: { workspace: { data: { id: workspace.id, type: 'workspaces' } } },
    },
  });

  it('are planned, and a run is discarded, canceled and applied by who may', async () => {
    const speculative = await announce({ speculative: true, 'auto-queue-runs': true });
    rig.asked.length = 0;
    await upload(speculative.attributes['upload-url'], await archiveOf({ 'main.tf': '# speculative' }));
    expect(rig.asked).toEqual([`run ${rig.mine.organization}`]);
    const { document } = await ask('GET', `/api/v2/workspaces/${workspace.id}/runs`);
    expect(document.data[0].attributes).toMatchObject({ 'plan-only': true, status: 'pending', source: 'tfe-api' });
    expect(document.data[0].relationships.apply.data).toBeNull();

    const run = await data(
      'POST',
      '/api/v2/runs',
      runOf({ message: 'by hand', variables: [{ key: 'x', value: '"secret-value-1"' }] }),
      'member',
    );
    expect(run.attributes).toMatchObject({
      message: 'by hand',
      'plan-only': false,
      'auto-apply': false,
      status: 'pending',
    });
    expect(run.relationships.plan?.data?.id).toMatch(/^plan-/);
    expect(run.relationships.apply?.data?.id).toMatch(/^apply-/);
    const [row] = await rig.rows<{ text: string }>(
      `SELECT row_to_json(r)::text AS text FROM run r WHERE id = '${run.id.slice(4)}'`,
    );
    expect(row?.text).not.toContain('secret-value-1');

    const at = `/api/v2/runs/${run.id}/actions`;
    expect((await ask('POST', `${at}/apply`)).status).toBe(409);
    expect((await ask('POST', `${at}/apply`, undefined, 'maintainer')).status).toBe(403);
    // Their own is given up by whoever made it; somebody else's takes more.
    const theirs = await data('POST', '/api/v2/runs', runOf({}), 'admin');
    expect((await ask('POST', `/api/v2/runs/${theirs.id}/actions/discard`, undefined, 'member')).status).toBe(403);
    expect((await ask('POST', `${at}/discard`, { comment: 'not now' }, 'member')).status).toBe(202);
    expect((await data('GET', `/api/v2/runs/${run.id}`)).attributes.status).toBe('discarded');
    expect((await ask('POST', `${at}/cancel`, undefined, 'member')).status).toBe(409);
    expect((await ask('POST', `/api/v2/runs/${theirs.id}/actions/cancel`)).status).toBe(202);
  });

  it('are only planned of what was uploaded, once the workspace is linked', async () => {
    const later = await announce();
    await data('PATCH', `/api/v2/workspaces/${workspace.id}`, myInfra('uploads'));
    try {
      await upload(later.attributes['upload-url'], await archiveOf({ 'main.tf': '# announced before' }));
      const { document } = await ask('GET', `/api/v2/workspaces/${workspace.id}/runs`);
      expect(document.data[0].attributes).toMatchObject({ message: 'Queued by an upload', 'plan-only': true });
      const of = {
        ...runOf({}).data.relationships,
        'configuration-version': { data: { id: later.id, type: 'configuration-versions' } },
      };
      const body = (attributes: object) => ({ data: { type: 'runs', attributes, relationships: of } });
      const refused = await ask('POST', '/api/v2/runs', body({}));
      expect([refused.status, pointers(refused.document)]).toEqual([422, ['/data/attributes/plan-only']]);
      expect((await data('POST', '/api/v2/runs', body({ 'plan-only': true }))).attributes['plan-only']).toBe(true);
      // None of its repository is there yet, and none that was uploaded is taken in its place.
      const none = await ask('POST', '/api/v2/runs', runOf({}));
      expect([none.status, pointers(none.document)]).toEqual([422, ['/data/relationships/configuration-version']]);
    } finally {
      const back = workspaceOf({ 'vcs-repo-url': '' }, linkedTo(null));
      await data('PATCH', `/api/v2/workspaces/${workspace.id}`, back);
    }
  });

  it('need the right to apply to have it done by themselves', async () => {
    expect((await ask('POST', '/api/v2/runs', runOf({ 'auto-apply': true }), 'member')).status).toBe(403);
    const generated = await ask('POST', '/api/v2/runs', runOf({ 'allow-config-generation': true }));
    expect([generated.status, pointers(generated.document)]).toEqual([
      422,
      ['/data/attributes/allow-config-generation'],
    ]);
    const contradiction = await ask('POST', '/api/v2/runs', runOf({ 'refresh-only': true, 'is-destroy': true }));
    expect([contradiction.status, pointers(contradiction.document)]).toEqual([422, ['/data/attributes/refresh-only']]);
  });

  it('show a log with its frame, from any place', async () => {
    const run = await data('POST', '/api/v2/runs', runOf({}));
    const plan = await data('GET', `/api/v2/runs/${run.id}/plan`);
    const phase = plan.id.slice(5);
    const url = pathOf(plan.attributes['log-read-url']);
    const read = async (offset: number, limit = 65_536) =>
      (await rig.app.inject({ method: 'GET', url: `${url}?limit=${limit}&offset=${offset}` })).body;
    expect(await read(0)).toBe('');
    const add = (position: number, text: string) =>
      rig.rows(
        `WITH c AS (INSERT INTO run_log_chunk (phase_id, position, organization_id, bytes) VALUES ('${phase}', ${position}, '${rig.mine.organization}', convert_to('${text}', 'UTF8')))
         UPDATE run_phase SET log_size = ${position + text.length} WHERE id = '${phase}'`,
      );
    await add(0, 'Terraform ');
    await add(10, 'plans');
    expect(await read(0)).toBe('\x02Terraform plans');
    expect(await read(0, 4)).toBe('\x02Ter');
    expect(await read(4, 9)).toBe('raform pl');
    expect(await read(16)).toBe('');
    await rig.rows(`UPDATE run_phase SET log_closed = true WHERE id = '${phase}'`);
    expect(await read(0)).toBe('\x02Terraform plans\x03');
    expect(await read(11)).toBe('plans\x03');
    expect(await read(16)).toBe('\x03');
    expect(await read(17)).toBe('');
    expect((await rig.app.inject({ method: 'GET', url: `${url}0` })).statusCode).toBe(404);
  });
});

describe('teams', () => {
  it('let their people do in one workspace what their role does not', async () => {
    const { id } = await data('POST', ALL, workspaceOf({ name: 'of-a-team' }));
    const [team] = await rig.rows<{ id: string }>(
      `SELECT id FROM team WHERE organization_id = '${rig.mine.organization}'`,
    );
    const lock = () => ask('POST', `/api/v2/workspaces/${id}/actions/lock`, undefined, 'viewer');
    await rig.rows(
      `INSERT INTO team_member (team_id, user_id, organization_id, role) VALUES ($1, 'viewer', $2, 'member')`,
      [team?.id, rig.mine.organization],
    );
    expect((await lock()).status).toBe(403);
    const given = await data('POST', '/api/v2/team-workspaces', {
      data: {
        type: 'team-workspaces',
        attributes: { access: 'write' },
        relationships: {
          workspace: { data: { id, type: 'workspaces' } },
          team: { data: { id: `team-${team?.id}`, type: 'teams' } },
        },
      },
    });
    expect(given.attributes).toMatchObject({ access: 'write' });
    expect((await lock()).status).toBe(200);
    // In this one, and not in others.
    const { id: other } = await data('POST', ALL, workspaceOf({ name: 'of-nobody' }));
    expect((await ask('POST', `/api/v2/workspaces/${other}/actions/lock`, undefined, 'viewer')).status).toBe(403);
    expect((await ask('PATCH', `/api/v2/workspaces/${id}`, workspaceOf({ description: 'x' }), 'viewer')).status).toBe(
      403,
    );
    expect((await ask('DELETE', `/api/v2/team-workspaces/${given.id}`)).status).toBe(204);
    expect((await ask('POST', `/api/v2/workspaces/${id}/actions/unlock`, undefined, 'viewer')).status).toBe(403);
  });
});

describe('state', () => {
  const stateOf = (serial: number, value = 'hello') =>
    Buffer.from(
      JSON.stringify({
        version: 4,
        terraform_version: '1.11.4',
        serial,
        lineage: 'l-1',
        outputs: {
          greeting: { type: 'string', value },
          key: { type: 'string', value: 'top-secret-key', sensitive: true },
        },
        resources: [{ mode: 'managed', type: 'terraform_data', name: 'a', provider: 'p', instances: [{}, {}] }],
      }),
    );
  const { createHash } = process.getBuiltinModule('node:crypto');
  const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');
  const announced = (bytes: Buffer, serial: number, more: Record<string, unknown> = {}) => ({
    data: { type: 'state-versions', attributes: { serial, md5: md5(bytes), lineage: 'l-1', ...more } },
  });

  it('is written by who holds the lock, in order, and read whole', async () => {
    const { id } = await data('POST', ALL, workspaceOf({ name: 'stateful' }));
    const at = `/api/v2/workspaces/${id}`;
    expect((await ask('GET', `${at}/current-state-version`)).status).toBe(404);
    const first = stateOf(1);
    expect((await ask('POST', `${at}/state-versions`, announced(first, 1))).status).toBe(409);
    await ask('POST', `${at}/actions/lock`);
    const made = await data('POST', `${at}/state-versions`, announced(first, 1));
    expect(made.attributes).toMatchObject({ status: 'pending', serial: 1 });
    const url = made.attributes['hosted-state-upload-url'];
    expect((await upload(url, stateOf(1, 'other'))).statusCode).toBe(422);
    expect((await upload(url, first)).statusCode).toBe(200);
    const current = await data('GET', `${at}/current-state-version`);
    expect(current).toMatchObject({
      id: made.id,
      attributes: { status: 'finalized', resources: [{ type: 'terraform_data', name: 'a', count: 2 }] },
    });
    const bytes = await rig.app.inject({ method: 'GET', url: pathOf(current.attributes['hosted-state-download-url']) });
    expect(bytes.rawPayload.equals(first)).toBe(true);

    // The same serial with other content, an earlier one, another lineage.
    for (const [next, serial, more] of [
      [stateOf(1, 'other'), 1, {}],
      [stateOf(0), 0, {}],
      [stateOf(2), 2, { lineage: 'l-2' }],
    ] as const)
      expect((await ask('POST', `${at}/state-versions`, announced(next, serial, more))).status).toBe(409);
    // In one request, as older clients do.
    const second = stateOf(2);
    const whole = await data(
      'POST',
      `${at}/state-versions`,
      announced(second, 2, { state: second.toString('base64') }),
    );
    expect(whole.attributes).toMatchObject({ status: 'finalized', serial: 2 });

    const outputs = await ask('GET', `${at}/current-state-version-outputs`);
    const byName = new Map(outputs.document.data.map((one: Resource) => [one.attributes.name, one]));
    expect((byName.get('greeting') as Resource).attributes.value).toBe('hello');
    expect((byName.get('key') as Resource).attributes).toMatchObject({ sensitive: true, value: null });
    const key = await data('GET', `/api/v2/state-version-outputs/${(byName.get('key') as Resource).id}`);
    expect(key.attributes.value).toBe('top-secret-key');
    const local = await data('POST', ALL, workspaceOf({ name: 'planned-elsewhere', 'execution-mode': 'local' }));
    const localState = `/api/v2/workspaces/${local.id}/current-state-version`;
    expect((await ask('GET', localState, undefined, 'member')).status).toBe(403);
    for (const [caller, status] of [
      ['viewer', 403],
      // `init` of somebody who plans goes on without.
      ['member', 404],
    ] as const) {
      expect((await ask('GET', `${at}/current-state-version`, undefined, caller)).status).toBe(status);
      expect((await ask('GET', `${at}/current-state-version-outputs`, undefined, caller)).status).toBe(403);
    }
    const [leak] = await rig.rows<{ n: number }>(
      `SELECT count(*)::int4 AS n FROM blob_chunk WHERE position('top-secret-key'::bytea IN bytes) > 0`,
    );
    expect(leak?.n).toBe(0);
  });

  it('is kept as long as is set, the current one and the newest always, and of others it stays known that they were', async () => {
    const { id } = await data('POST', ALL, workspaceOf({ name: 'old-states' }));
    const at = `/api/v2/workspaces/${id}`;
    await ask('POST', `${at}/actions/lock`);
    for (let serial = 1; serial <= 6; serial += 1)
      await data(
        'POST',
        `${at}/state-versions`,
        announced(stateOf(serial), serial, { state: stateOf(serial).toString('base64') }),
      );
    await data('POST', `${at}/state-versions`, announced(stateOf(7), 7));
    const listed = async () => {
      const { document } = await ask('GET', `${at}/state-versions`);
      return document.data.map(({ attributes: a }: Resource) => [
        a.serial,
        a.status,
        a['hosted-state-download-url'] === null,
      ]);
    };
    const before = await ask('GET', `${at}/state-versions`);
    const oldest = before.document.data.at(-1) as Resource;
    // The current one is put back to the oldest but two, as after a time without any.
    await rig.rows(`UPDATE state_version SET created_at = now() - (10 - serial) * interval '10 days'
      WHERE workspace_id = (SELECT id FROM workspace WHERE name = 'old-states')`);
    await rig.rows(`UPDATE workspace w SET current_state_version_id = s.id FROM state_version s
      WHERE w.name = 'old-states' AND s.workspace_id = w.id AND s.serial = 3`);
    await rig.rows(`UPDATE blob SET created_at = now() - interval '1 day'`);
    const [{ id: mine } = { id: '' }] = await rig.rows<{ id: string }>(
      `SELECT id FROM organization WHERE slug = 'mine'`,
    );
    const tidy = (stateDays: number) =>
      tidyRuns(rig.db.store('worker'), mine, { days: 3_000, stateDays, stateVersions: 2 });
    expect(await tidy(3_000)).toMatchObject({ states: 1 });
    expect((await listed()).map(([, status]: string[]) => status)).toEqual(Array(6).fill('finalized'));
    expect(await tidy(55)).toMatchObject({ states: 3, blobs: 3 });
    const gone = 'backing_data_permanently_deleted';
    expect(await listed()).toEqual([
      [6, 'finalized', false],
      [5, 'finalized', false],
      [4, gone, true],
      [3, 'finalized', false],
      [2, gone, true],
      [1, gone, true],
    ]);
    expect((await data('GET', `/api/v2/state-versions/${oldest.id}`)).attributes).toMatchObject({ status: gone });
    // An address that was given before leads nowhere, and the current state is read as ever.
    const read = (url: unknown) => rig.app.inject({ method: 'GET', url: pathOf(url) });
    expect((await read(oldest.attributes['hosted-state-download-url'])).statusCode).toBe(404);
    const current = await data('GET', `${at}/current-state-version`);
    expect((await read(current.attributes['hosted-state-download-url'])).rawPayload.equals(stateOf(3))).toBe(true);
    expect(await tidy(55)).toMatchObject({ states: 0, blobs: 0 });
  });
});
