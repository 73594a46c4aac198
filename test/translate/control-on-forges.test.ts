/** Shadow, rehearsal and replay on every forge that can be played, from its webhook to its API. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { liftHolds, placeHold } from '../../src/inbox/hold-changes.js';
import { type ReplayOptions, replayDelivery } from '../../src/inbox/replay.js';
import type { App } from '../../src/translate/bridge.js';
import { type ConnectedForge, fakedForges, startConnectedForge } from '../support/connected-forge.js';

const place = { owner: 'acme', name: 'shop' };

/** Answers each issue, each of its comments but its own, and each pull request and review; and remembers what it was told. */
function answering() {
  const told: { title: unknown; event: string }[] = [];
  const tools: { forget?(comment: string): Promise<unknown> } = {};
  const app: App = {
    name: 'answering',
    optional: true,
    load: (probot) => {
      probot.on(['issues.opened', 'issue_comment.created'], async (context) => {
        if (context.isBot) return;
        told.push({ event: context.name, title: context.payload.issue.title });
        await context.octokit.rest.issues.createComment(
          context.issue({ body: `Seen: ${context.payload.issue.title}` }),
        );
        tools.forget = (id) => context.octokit.rest.issues.deleteComment({ ...context.repo(), comment_id: Number(id) });
      });
      probot.on(['pull_request.opened', 'pull_request_review.submitted'], async ({ name, payload }) => {
        told.push({ event: name, title: payload.pull_request.title });
      });
    },
  };
  return { told, tools, app };
}

/** One of each family: a second flavour has the same routes and events in all that matters here. */
const families = fakedForges.filter(({ label }) => label !== 'Forgejo');

describe.each(families.map((descriptor) => ({ descriptor, label: descriptor.label })))(
  'on $label',
  ({ descriptor }) => {
    const { told, tools, app } = answering();
    let connected: ConnectedForge;
    beforeAll(async () => {
      connected = await startConnectedForge(descriptor, {
        apps: [app],
        people: ['alice', 'bob'],
        repository: { ...place, people: { alice: 'write', bob: 'write' } },
      });
    });
    afterAll(() => connected.close());

    const issue = async () => {
      const { issues } = await connected.fake.state(place);
      const [first] = issues;
      if (first === undefined) throw new Error('there is no issue');
      return first;
    };
    const bot = () => connected.fake.bot.login;
    const ofBot = async () => (await issue()).comments.filter(({ author }) => author === bot()).map(({ body }) => body);
    const deliveryOf = async (event: string) => {
      const { rows } = await connected.store.pool.query<{ id: bigint }>(
        `SELECT min(w.id) AS id FROM webhook_delivery w JOIN dispatch d ON d.delivery_id = w.id
       WHERE d.event_name || '.' || d.action = $1`,
        [event],
      );
      return rows[0]?.id ?? 0n;
    };
    const replay = async (event: string, o: Partial<ReplayOptions> = {}) => {
      const queued = await replayDelivery(connected.store, await deliveryOf(event), { actor: 'cli:ada', ...o });
      if (queued.kind === 'refused') throw new Error(queued.reason);
      await connected.quiet();
      const { rows } = await connected.store.pool.query<{ status: string; reason: string | null }>(
        'SELECT status, reason FROM dispatch WHERE id = ANY($1::bigint[])',
        [queued.dispatches],
      );
      const writes = await connected.store.pool.query<{ route: string; status: string; sent: string | null }>(
        `SELECT route, status, convert_from(request_body, 'UTF8') AS sent FROM write_journal WHERE sent_by = ANY($1::bigint[])`,
        [queued.dispatches],
      );
      return { rows, writes: writes.rows };
    };
    const CREATE = 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments';

    it('a shadow sends nothing, keeps what would have been sent, and sends nothing of it later', async () => {
      const { store, organizationId, fake } = connected;
      const { id } = await placeHold(store, organizationId, { mode: 'shadow', scope: {}, actor: 'cli:ada' });
      const alice = fake.as('alice', place);
      const number = await alice.openIssue({ title: 'Broken', body: 'It is.' });
      await alice.comment(number, 'Still broken.');
      await connected.quiet();
      expect(told.map(({ event }) => event)).toEqual(['issues', 'issue_comment']);
      const { rows } = await store.pool.query('SELECT route, status, request_body FROM write_journal');
      expect(rows).toMatchObject([1, 2].map(() => ({ route: CREATE, status: 'shadow' })));
      expect(JSON.parse(String(rows[0]?.request_body))).toEqual({ body: 'Seen: Broken' });
      await liftHolds(store, organizationId, [id], 'cli:ada');
      await alice.comment(number, 'Mended by now?');
      await connected.quiet();
      // The one that came after it, and none for those before.
      expect(await ofBot()).toEqual(['Seen: Broken']);
      expect((await issue()).comments.map(({ body }) => body).at(-1)).toBe('Seen: Broken');
    });

    it('a rehearsal lists what a replay would write, and leaves no trace of itself', async () => {
      const id = await deliveryOf('issues.opened');
      const before = await connected.store.pool.query('SELECT * FROM webhook_delivery WHERE id = $1', [id]);
      const { rows, writes } = await replay('issues.opened', { rehearsal: true });
      expect(rows).toEqual([{ status: 'done', reason: null }]);
      expect(writes).toEqual([{ route: CREATE, status: 'shadow', sent: JSON.stringify({ body: 'Seen: Broken' }) }]);
      expect(await ofBot()).toEqual(['Seen: Broken']);
      const after = await connected.store.pool.query('SELECT * FROM webhook_delivery WHERE id = $1', [id]);
      expect(after.rows).toEqual(before.rows);
    });

    it('a replay is told the title that the issue has now, unless it is to be told as it was', async () => {
      const { number } = await issue();
      await connected.fake.as('bob', place).editIssue(number, { title: 'Broken on Tuesdays' });
      await connected.quiet();
      await replay('issues.opened');
      await replay('issues.opened', { asStored: true });
      expect(await ofBot()).toEqual(['Seen: Broken', 'Seen: Broken on Tuesdays', 'Seen: Broken']);
    });

    it('a replay of a comment that was deleted is ignored, with that reason', async () => {
      const again = await connected.fake.as('alice', place).comment((await issue()).number, 'Forget this.');
      await connected.quiet();
      await tools.forget?.(again);
      await connected.quiet();
      const { rows: deliveries } = await connected.store.pool.query<{ id: bigint }>(
        `SELECT w.id FROM webhook_delivery w JOIN dispatch d ON d.delivery_id = w.id
       WHERE d.event_name = 'issue_comment' AND d.action = 'created' ORDER BY w.id`,
      );
      const outcomes: (string | null)[] = [];
      for (const { id } of deliveries) {
        const queued = await replayDelivery(connected.store, id, { actor: 'cli:ada', rehearsal: true });
        if (queued.kind === 'refused') throw new Error(queued.reason);
        await connected.quiet();
        const found = await connected.store.pool.query<{ reason: string | null }>(
          'SELECT reason FROM dispatch WHERE id = ANY($1::bigint[])',
          [queued.dispatches],
        );
        outcomes.push(found.rows[0]?.reason ?? null);
      }
      expect(outcomes.filter((reason) => reason !== null)).toEqual(['The comment is no longer there (404).']);
      expect(outcomes.length).toBeGreaterThan(1);
    });

    it('pull requests and reviews are found again under the numbers that their events have', async () => {
      const { fake } = connected;
      const [alice, bob] = [fake.as('alice', place), fake.as('bob', place)];
      await alice.push({ branch: 'change', files: { 'a.txt': 'a\n' }, message: 'a' });
      const number = await alice.openPullRequest({ head: 'change', title: 'A change' });
      await bob.review(number, { verdict: 'approve', body: 'Fine.' });
      await alice.editPullRequest(number, { title: 'A better change' });
      await connected.quiet();
      told.length = 0;
      for (const event of ['pull_request.opened', 'pull_request_review.submitted'])
        expect((await replay(event)).rows).toEqual([{ status: 'done', reason: null }]);
      expect(told).toEqual([
        { event: 'pull_request', title: 'A better change' },
        { event: 'pull_request_review', title: 'A better change' },
      ]);
    });
  },
);
