/** What only members may read on GitLab reaches neither apps nor the database by polling, unless its owner asked for it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from '@jest/globals';
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { fakedForges } from '../support/connected-forge.js';
import { type PollRig, startPollRig } from './poll-rig.js';

let rig: PollRig;
afterEach(() => rig.close());

const HIDDEN = 'hush';

/** As alice, in GitLab's own language. Answers the number. */
async function write(fake: ForgeFake, path: string, body: object, method = 'POST'): Promise<number> {
  const answer = await fetch(`${fake.url}/api/v4/projects/acme%2Fweb/${path}`, {
    method,
    headers: { 'private-token': 'glpat-alice', 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { iid?: number }).iid ?? 0;
}

/** An issue that everybody may read, told by a webhook, becomes confidential; then its event is told again. */
async function replayed(confidential: boolean | undefined) {
  const gitlab = fakedForges.find(({ id }) => id === 'gitlab');
  if (gitlab === undefined) throw new Error('no double');
  const payloads: string[] = [];
  rig = await startPollRig(gitlab, {
    mode: 'both',
    confidential,
    app: (app) => {
      app.on('issues', async ({ payload }) => void payloads.push(JSON.stringify(payload)));
    },
  });
  const issue = await rig.as('alice').openIssue({ title: 'For all' });
  await rig.quiet();
  const told = payloads.length;
  const late = rig.hold();
  await write(rig.fake, `issues/${issue - 1_000_000_000}`, { title: `A ${HIDDEN}`, confidential: true }, 'PUT');
  late.drop();
  const count = await rig.replay('issues');
  const reasons = await rig.rows<{ reason: string | null }>(
    `SELECT reason FROM dispatch WHERE app = 'notes' AND replay_of IS NOT NULL`,
  );
  return { told, count, showing: payloads.filter((text) => text.includes(HIDDEN)).length, reasons };
}

/** Tables that hold something of it; bodies of deliveries are read by the app. */
async function tablesWithHidden(): Promise<string[]> {
  const found: string[] = [];
  for (const table of ['issue', 'pull_request', 'comment', 'told_object', 'sync_cursor', 'webhook_delivery'])
    if ((await rig.rows(`SELECT FROM ${table} t WHERE to_jsonb(t)::text ILIKE '%${HIDDEN}%'`)).length > 0)
      found.push(table);
  return found;
}

async function poll(confidential: boolean | undefined) {
  const gitlab = fakedForges.find(({ id }) => id === 'gitlab');
  if (gitlab === undefined) throw new Error('no double');
  const payloads: string[] = [];
  rig = await startPollRig(gitlab, {
    mode: 'poll',
    confidential,
    async before(fake) {
      await write(fake, 'issues', { title: `Old ${HIDDEN}`, confidential: true });
      await fake.as('alice', { owner: 'acme', name: 'web' }).openIssue({ title: 'Old' });
      // What is of the same second as the first look is new to it.
      await sleep(1_000);
    },
    app: (app) => {
      app.onAny(async ({ payload }) => void payloads.push(JSON.stringify(payload)));
    },
  });
  const { summary } = await rig.poll();
  const { fake } = rig;
  const [alice, hidden] = [rig.as('alice'), { body: `An internal ${HIDDEN}`, internal: true }];
  await alice.push({ branch: 'change', files: { 'a.txt': 'a\n' }, message: 'Change' });
  const pull = await alice.openPullRequest({ head: 'change', title: 'A change' });
  const issue = await alice.openIssue({ title: 'New' });
  const iid = await write(fake, 'issues', { title: `New ${HIDDEN}`, confidential: true });
  await write(fake, `issues/${iid}/notes`, { body: `About the ${HIDDEN}` });
  await write(fake, `issues/${iid - 1}/notes`, hidden);
  await write(fake, `merge_requests/${pull}/notes`, hidden);
  await alice.comment(issue, 'For all');
  await alice.comment(pull, 'For all');
  const heard = await rig.pollUntilCalm();
  expect(fake.violations()).toEqual([]);
  const count = (event: string) => heard.filter((one) => one.startsWith(event)).length;
  return {
    imported: summary.imported,
    opened: count('issues.opened'),
    comments: count('issue_comment.created'),
    showing: payloads.filter((text) => text.includes(HIDDEN)).length,
    tables: await tablesWithHidden(),
  };
}

it('keeps confidential issues and internal notes out of the mirror, of what was told and of events', async () => {
  expect(await poll(undefined)).toEqual({ imported: 1, opened: 1, comments: 2, showing: 0, tables: [] });
});

it('tells them where the owner of the connection asked for them', async () => {
  expect(await poll(true)).toEqual({
    imported: 2,
    opened: 2,
    comments: 5,
    showing: 4,
    tables: ['issue', 'comment', 'told_object'],
  });
});

it('does not read what became confidential meanwhile, when its event is told again', async () => {
  const reason = 'The issue is no longer there (404).';
  expect(await replayed(undefined)).toEqual({ told: 1, count: 1, showing: 0, reasons: [{ reason }] });
});

it('reads it where the owner of the connection asked for it', async () => {
  expect(await replayed(true)).toEqual({ told: 1, count: 1, showing: 1, reasons: [{ reason: null }] });
});
