/**
 * The columns that the requirements name (spec/requirements.md 24-36, 75, 98-109, 145; S1 section 1) are in
 * the database: under the same name in snake_case and with the same type, or as the table of differences says, each
 * with its reason.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { withConnection } from '../../src/store/connection.js';
import { type CatalogColumn, readColumns } from '../support/catalog.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

type Wanted = readonly [requirement: number, name: string, type: string, nullable?: 'null'];

/** By the sources' table names, as they spell the columns. */
const wanted: Readonly<Record<string, readonly Wanted[]>> = {
  git_provider_connections: [
    [24, 'id', 'uuid'],
    [25, 'userId', 'text'],
    [26, 'provider', 'varchar'],
    [27, 'instanceUrl', 'text', 'null'],
    [28, 'providerAccountId', 'text'],
    [29, 'scopes', 'text', 'null'],
    [30, 'accessTokenCiphertext', 'text'],
    [30, 'accessTokenIv', 'text'],
    [30, 'accessTokenTag', 'text'],
    [31, 'refreshTokenCiphertext', 'text', 'null'],
    [31, 'refreshTokenIv', 'text', 'null'],
    [31, 'refreshTokenTag', 'text', 'null'],
    [32, 'accessTokenExpiresAt', 'timestamptz', 'null'],
    [32, 'refreshTokenExpiresAt', 'timestamptz', 'null'],
    [33, 'revokedAt', 'timestamptz', 'null'],
    [34, 'createdAt', 'timestamptz'],
    [34, 'updatedAt', 'timestamptz', 'null'],
    [18, 'status', 'text'],
  ],
  webhook_deliveries: [
    [75, 'id', 'uuid'],
    [75, 'provider', 'varchar'],
    [75, 'deliveryId', 'text', 'null'],
    [75, 'eventType', 'varchar'],
    [75, 'action', 'varchar', 'null'],
    [75, 'signatureValid', 'bool'],
    [75, 'headers', 'json', 'null'],
    [75, 'payload', 'json'],
    [75, 'status', 'varchar'],
    [75, 'errorMessage', 'text', 'null'],
    [75, 'retryCount', 'int4'],
    [75, 'nextRetryAt', 'timestamptz', 'null'],
    [75, 'receivedAt', 'timestamptz'],
  ],
  pull_requests: [
    [98, 'id', 'uuid'],
    [98, 'userId', 'text'],
    [98, 'repositoryId', 'uuid', 'null'],
    [98, 'provider', 'varchar'],
    [98, 'instanceUrl', 'text', 'null'],
    [98, 'remoteOwner', 'text'],
    [98, 'remoteName', 'text'],
    [98, 'number', 'int4'],
    [98, 'headBranch', 'text'],
    [98, 'baseBranch', 'text'],
    [98, 'title', 'text'],
    [98, 'body', 'text', 'null'],
    [98, 'status', 'varchar'],
    [98, 'url', 'text'],
    [98, 'sessionId', 'uuid', 'null'],
    [98, 'kanbangerTaskId', 'text', 'null'],
    [98, 'createdAt', 'timestamptz'],
    [98, 'updatedAt', 'timestamptz', 'null'],
    [98, 'mergedAt', 'timestamptz', 'null'],
    [101, 'state', 'text'],
    [101, 'authorLogin', 'text', 'null'],
    [101, 'authorId', 'int8', 'null'],
    [101, 'labels', 'jsonb'],
    [101, 'assignees', 'jsonb'],
    [101, 'reviewers', 'jsonb'],
    [101, 'additions', 'int4', 'null'],
    [101, 'deletions', 'int4', 'null'],
    [101, 'changedFiles', 'int4', 'null'],
    [101, 'headSha', 'text'],
    [101, 'baseSha', 'text'],
    [103, 'draft', 'bool'],
  ],
  git_commits: [
    [107, 'id', 'uuid'],
    [107, 'repositoryId', 'uuid', 'null'],
    [107, 'provider', 'varchar'],
    [107, 'instanceUrl', 'text', 'null'],
    [107, 'remoteOwner', 'text'],
    [107, 'remoteName', 'text'],
    [107, 'sha', 'varchar'],
    [107, 'message', 'text'],
    [107, 'authorName', 'text', 'null'],
    [107, 'authorEmail', 'text', 'null'],
    [107, 'committedAt', 'timestamptz'],
    [107, 'pullRequestId', 'uuid', 'null'],
    [107, 'sessionId', 'uuid', 'null'],
    [107, 'isBobCommit', 'bool'],
  ],
  repositories: [
    [109, 'remoteUrl', 'text'],
    [109, 'remoteProvider', 'text'],
    [109, 'remoteOwner', 'text'],
    [109, 'remoteName', 'text'],
    [109, 'remoteInstanceUrl', 'text', 'null'],
    [109, 'gitProviderConnectionId', 'uuid', 'null'],
  ],
  task_runs: [
    [145, 'id', 'uuid'],
    [145, 'userId', 'text', 'null'],
    [145, 'kanbangerWorkspaceId', 'text', 'null'],
    [145, 'kanbangerIssueId', 'text', 'null'],
    [145, 'kanbangerIssueIdentifier', 'text', 'null'],
    [145, 'sessionId', 'uuid', 'null'],
    [145, 'repositoryId', 'uuid', 'null'],
    [145, 'worktreeId', 'text', 'null'],
    [145, 'status', 'text'],
    [145, 'blockedReason', 'text', 'null'],
    [145, 'pullRequestId', 'uuid', 'null'],
    [145, 'createdAt', 'timestamptz'],
    [145, 'updatedAt', 'timestamptz'],
    [145, 'completedAt', 'timestamptz', 'null'],
  ],
};

/** Design section 4: singular names in snake_case, and one word for each thing. */
const tableNames: Readonly<Record<string, string>> = {
  git_provider_connections: 'connection',
  webhook_deliveries: 'webhook_delivery',
  pull_requests: 'pull_request',
  git_commits: 'git_commit',
  repositories: 'repository',
  task_runs: 'task_run',
};

interface Difference {
  column?: string;
  type?: string;
  nullable?: boolean;
  reason: string;
}

const forge: Difference = {
  column: 'forge',
  type: 'text',
  reason: 'decision 8: `forge` is one word everywhere and never limited to a list',
};
const sealedKind: Difference = { nullable: true, reason: 'C3: a GitHub App connection has a private key and no token' };
const neverNull: Difference = { nullable: false, reason: 'set at once, so that sorting by it needs no special case' };
const text: Difference = { type: 'text', reason: 'no length of a forge’s words is ours to limit' };

const differences: Readonly<Record<string, Difference>> = {
  'git_provider_connections.provider': forge,
  'git_provider_connections.userId': {
    nullable: true,
    reason: 'C4: a connection belongs to a user or to an organization',
  },
  'git_provider_connections.accessTokenCiphertext': sealedKind,
  'git_provider_connections.accessTokenIv': sealedKind,
  'git_provider_connections.accessTokenTag': sealedKind,
  'git_provider_connections.updatedAt': neverNull,
  'webhook_deliveries.id': { type: 'int8', reason: 'the inbox runs in the order of arrival (decision 10)' },
  'webhook_deliveries.provider': forge,
  'webhook_deliveries.deliveryId': {
    column: 'delivery_key',
    nullable: false,
    reason: 'decision 12: a hash of hook, event and body where the forge sends no id',
  },
  'webhook_deliveries.eventType': text,
  'webhook_deliveries.action': text,
  'webhook_deliveries.headers': {
    type: 'jsonb',
    nullable: false,
    reason: 'only allow-listed headers, possibly none of them',
  },
  'webhook_deliveries.payload': {
    column: 'body',
    type: 'bytea',
    nullable: true,
    reason: 'raw bytes, so that the signature can be checked again; emptied after the retention time (decision 16)',
  },
  'webhook_deliveries.status': text,
  'pull_requests.userId': {
    nullable: true,
    reason: 'most authors on a forge are not users here; a deleted user leaves the pull request',
  },
  'pull_requests.provider': forge,
  'pull_requests.status': { type: 'text', reason: 'generated from state and draft (C13)' },
  'pull_requests.updatedAt': neverNull,
  'git_commits.provider': forge,
  'git_commits.isBobCommit': { column: 'is_forgeway_commit', reason: 'the product’s own name' },
  'repositories.remoteProvider': { nullable: true, reason: 'generated from forge, which is never null' },
};

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

describe('the columns that the requirements name', () => {
  let db: TestDatabase;
  let columns: CatalogColumn[];
  beforeAll(async () => {
    db = await createTestDatabase();
    columns = await withConnection(db.superuser, readColumns);
  });
  afterAll(() => db.drop());

  const find = (table: string, column: string) => columns.find((c) => c.table === table && c.column === column);

  it.each(
    Object.entries(wanted).flatMap(([source, list]) =>
      list.map(([requirement, name, type, nullable]) => ({ source, requirement, name, type, nullable })),
    ),
  )('$source (requirement $requirement): $name', ({ source, name, type, nullable }) => {
    const difference = differences[`${source}.${name}`];
    const column = find(tableNames[source] ?? source, difference?.column ?? snake(name));
    expect(column).toMatchObject({
      type: difference?.type ?? type,
      nullable: difference?.nullable ?? nullable === 'null',
    });
  });

  it('differ only where the table of differences says so, and it says nothing else', () => {
    const named = new Set(
      Object.entries(wanted).flatMap(([table, list]) => list.map(([, name]) => `${table}.${name}`)),
    );
    expect(Object.keys(differences).filter((key) => !named.has(key))).toEqual([]);
  });

  it('keep 64 hex digits of a commit, for SHA-256 repositories (107)', () => {
    expect(find('git_commit', 'sha')).toMatchObject({ length: 64 });
  });

  it('have the defaults that the requirements name (24, 34, 75, 107)', () => {
    for (const [table, column] of [
      ['connection', 'id'],
      ['connection', 'created_at'],
      ['webhook_delivery', 'status'],
      ['webhook_delivery', 'retry_count'],
      ['webhook_delivery', 'received_at'],
      ['git_commit', 'is_forgeway_commit'],
    ] as const)
      expect([column, find(table, column)?.hasDefault]).toEqual([column, true]);
  });
});

describe('indexes and keys that the requirements name', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it.each([
    [36, 'connection', '(user_id, forge)', false],
    [76, 'webhook_delivery', '(hook_id, delivery_key)', true],
    [99, 'pull_request', '(forge, host, remote_repository_id, number)', true],
    [100, 'pull_request', '(repository_id, updated_at)', false],
    [100, 'pull_request', '(session_id)', false],
    [108, 'git_commit', '(forge, host, remote_repository_id, sha)', true],
  ] as const)('requirement %i: %s %s', async (_requirement, table, on, unique) => {
    // 99 and 108 say (instanceUrl, owner, name): decision 13 puts the numeric id there, which no renaming changes.
    const { rows } = await withConnection(db.superuser, (client) =>
      client.query<{ indexdef: string }>('select indexdef from pg_indexes where tablename = $1', [table]),
    );
    const found = rows.filter(({ indexdef }) => indexdef.includes(on));
    expect(found.map(({ indexdef }) => indexdef.startsWith('CREATE UNIQUE'))).toEqual([unique]);
  });

  it('35: a connection is unique though its user and its instance may be null', async () => {
    const insert = (userId: string | null, instance: string | null) =>
      withConnection(db.superuser, (client) =>
        client.query(
          `insert into connection (organization_id, user_id, name, kind, forge, host, instance_url, provider_account_id)
           values ($1, $2, 'n', 'pat', 'f', 'h', $3, '7')`,
          [db.organizationId, userId, instance],
        ),
      );
    await insert(null, null);
    await expect(insert(null, null)).rejects.toMatchObject({ code: '23505' });
    await insert(null, 'https://forge.example');
    await expect(insert(null, 'https://forge.example')).rejects.toMatchObject({ code: '23505' });
  });

  it('25, 98, 107, 109: what a row refers to may go', async () => {
    const { rows } = await withConnection(db.superuser, (client) =>
      client.query<{ rule: string }>(
        `select concat(c.conrelid::regclass, '.', a.attname, ' ', c.confdeltype) as rule
           from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
          where c.contype = 'f'`,
      ),
    );
    expect(rows.map(({ rule }) => rule)).toEqual(
      expect.arrayContaining([
        'connection.user_id c',
        'pull_request.repository_id n',
        'git_commit.repository_id n',
        'git_commit.pull_request_id n',
        'repository.git_provider_connection_id n',
      ]),
    );
  });

  it('103: status is draft only while the pull request is open', async () => {
    const { rows } = await withConnection(db.superuser, async (client) => {
      const add = (number: number, state: string, draft: boolean) =>
        client.query(
          `insert into pull_request (organization_id, forge, host, remote_repository_id, remote_id, remote_owner, remote_name,
             number, title, state, draft, head_branch, base_branch, head_sha, base_sha, url, remote_updated_at)
           values ($1, 'f', 'h', 1, $2::int4, 'o', 'n', $2::int4, 't', $3, $4, 'a', 'b', 'c', 'd', 'u', now())`,
          [db.organizationId, number, state, draft],
        );
      await add(1, 'open', false);
      await add(2, 'open', true);
      await add(3, 'closed', true);
      await add(4, 'merged', false);
      return client.query('select status from pull_request order by number');
    });
    expect(rows.map(({ status }) => status)).toEqual(['open', 'draft', 'closed', 'merged']);
  });
});
