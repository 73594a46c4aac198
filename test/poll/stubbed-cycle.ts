/**
 * Cycles of the poller on a real database whose forges are stubs of the port it asks through: no server, no app. What is
 * told is what is put into the inbox.
 */
import { pino } from 'pino';
import type { ForgeDescriptor, JsonObject } from '../../src/forges/forge.js';
import type { ForgePoll } from '../../src/forges/poll.js';
import { type CycleOptions, type CycleSummary, runCycle } from '../../src/inbox/poll/cycle.js';
import type { PollAccess, PollPorts } from '../../src/inbox/poll/ports.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createTestDatabase } from '../support/database.js';

const OLD = new Date(Date.now() - 86_400_000).toISOString();
const FORGE = 'stub';

export interface StubIssue {
  number: number;
  title: string;
  state: 'open' | 'closed';
  updatedAt: string;
  /** Long ago unless said otherwise. */
  createdAt?: string;
}

export interface StubHost {
  /** By name of the repository; each is `acme/NAME`. */
  repositories: Map<string, StubIssue[]>;
  /** Nothing answers. */
  away: boolean;
  /** Repositories whose changes were asked for, in order. */
  asked: string[];
  change(repository: string, number: number, change: Partial<StubIssue>): void;
}

export interface StubbedCycles {
  ports: PollPorts;
  addHost(o: { repositories: number; issues: number }): Promise<StubHost>;
  /** One cycle; of every repository unless said otherwise. */
  cycle(options?: Partial<CycleOptions>): Promise<CycleSummary>;
  /** `issues.closed acme/repo-1 1`, in the order in which they were put into the inbox. */
  told(): Promise<string[]>;
  rows<T extends object>(statement: string): Promise<T[]>;
  /** The next test begins with no repositories. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

const shown = (name: string, { number, title, state, updatedAt, createdAt = OLD }: StubIssue): JsonObject => ({
  id: number,
  number,
  title,
  state,
  body: null,
  user: { id: 2, login: 'alice', type: 'User' },
  labels: [],
  assignees: [],
  milestone: null,
  comments: 0,
  html_url: `https://stub.test/acme/${name}/issues/${number}`,
  created_at: createdAt,
  updated_at: updatedAt,
  closed_at: null,
});

function accessOf(host: StubHost): PollAccess {
  const issuesOf = (name: unknown): StubIssue[] => {
    if (host.away) throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', 'Nothing answers.');
    const issues = host.repositories.get(String(name));
    if (issues === undefined) throw Object.assign(new Error('Not Found'), { status: 404 });
    return issues;
  };
  const poll: ForgePoll = {
    async changed(_native, { name }, { since }) {
      host.asked.push(name);
      const items = issuesOf(name)
        .map(({ number, updatedAt }) => ({ number, updatedAt: new Date(updatedAt), isPull: false }))
        .filter(({ updatedAt }) => updatedAt >= since);
      return { kind: 'list', items, etag: null, asOf: null, whole: true };
    },
    branches: async () => ({ kind: 'list', items: [], etag: null, asOf: null, whole: true }),
    telling: () => ({}),
  };
  return {
    forge: { id: FORGE, poll } as ForgeDescriptor,
    native: undefined as never,
    base: { api: 'https://stub.test/api', web: 'https://stub.test' },
    async github(route, { repo, issue_number: number, page }) {
      const issues = issuesOf(repo);
      if (route === 'GET /repos/{owner}/{repo}') return { id: 1, name: repo, full_name: `acme/${repo}` };
      if (route === 'GET /repos/{owner}/{repo}/issues/{issue_number}')
        return issues.filter((one) => one.number === number).map((one) => shown(String(repo), one))[0];
      if (route === 'GET /repos/{owner}/{repo}/issues' && page === 1)
        return issues.filter(({ state }) => state === 'open').map((one) => shown(String(repo), one));
      return [];
    },
  };
}

export async function startStubbedCycles(): Promise<StubbedCycles> {
  const test = await createTestDatabase();
  const { organizationId } = test;
  const store = test.store('worker');
  const hosts = new Map<bigint, StubHost>();
  const ports: PollPorts = {
    store,
    async access(id) {
      const host = hosts.get(id);
      if (host === undefined) throw new Error('no such host');
      return accessOf(host);
    },
    recorder: 'mirror',
    log: pino({ level: 'silent' }),
    metrics: createMetrics(),
  };
  const rows = async <T extends object>(statement: string, values: unknown[] = []) =>
    (await store.tenant(organizationId, (tx) => tx.query(statement, values))).rows as T[];

  async function writeRows(id: number, host: string, names: readonly string[]): Promise<void> {
    await rows(
      `INSERT INTO hook (id, organization_id, forge, host, scope, app_id, secret_source)
       VALUES ($1, $2, $3, $4, 'app', '1', 'environment')`,
      [host, organizationId, FORGE, host],
    );
    const [installation] = await rows<{ id: string }>(
      `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id)
       VALUES ($1, $2, $3, '1', $4, $4) RETURNING id`,
      [organizationId, FORGE, host, id],
    );
    for (const [at, name] of names.entries()) {
      await rows('INSERT INTO repository_claim (forge, host, remote_id, organization_id) VALUES ($1, $2, $3, $4)', [
        ...[FORGE, host, at + 1, organizationId],
      ]);
      await rows(
        `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name,
           installation_id, default_branch, private, archived)
         VALUES ($1, $2, $3, $4, 'https://stub.test/' || $5, 'acme', $5, $6, 'main', false, false)`,
        [organizationId, FORGE, host, at + 1, name, installation?.id],
      );
    }
  }

  return {
    ports,
    async addHost({ repositories, issues }) {
      const numbers = Array.from({ length: issues }, (_, at) => at + 1);
      const fresh = (): StubIssue[] =>
        numbers.map((number) => ({ number, title: 'Old', state: 'open', updatedAt: OLD }));
      const host: StubHost = {
        repositories: new Map(Array.from({ length: repositories }, (_, at) => [`repo-${at + 1}`, fresh()])),
        away: false,
        asked: [],
        change(repository, number, change) {
          const issue = host.repositories.get(repository)?.find((one) => one.number === number);
          if (issue === undefined) throw new Error(`no issue ${number} in ${repository}`);
          Object.assign(issue, { updatedAt: new Date().toISOString() }, change);
        },
      };
      const id = hosts.size + 1;
      hosts.set(BigInt(id), host);
      await writeRows(id, `host-${id}.test`, [...host.repositories.keys()]);
      return host;
    },
    cycle: (options = {}) => runCycle(ports, { intervalMs: 60_000, all: true, settleMs: 0, ...options }),
    async told() {
      const found = await rows<{ event_type: string; body: Buffer }>(
        `SELECT event_type, body FROM webhook_delivery WHERE source = 'poll' ORDER BY id`,
      );
      return found.map(({ event_type: name, body }) => {
        const { action, issue, repository } = JSON.parse(body.toString()) as Record<string, Record<string, unknown>>;
        return `${name}.${String(action)} ${String(repository?.full_name)} ${String(issue?.number)}`;
      });
    },
    rows,
    async forget() {
      await rows('UPDATE repository SET archived = true');
      await rows('DELETE FROM webhook_delivery');
    },
    close: () => test.drop(),
  };
}
