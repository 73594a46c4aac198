/**
 * Deliveries of a pull request's life in every order, repeated and late, through the handlers, the reconciler and the driver
 * to a cluster, whichever the tests run against: what stands there afterwards is what the forge says now, and nothing else.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type LifeEvent,
  type LifeState,
  labeler,
  permutations,
  pullRequestPayload,
  pusher,
  sha,
  start,
} from '../../handlers/pull-request-life.js';
import { isReal } from '../../support/kubernetes-api/chosen.js';
import { listenTo } from './deliveries.js';
import { createRig, type Rig } from './rig.js';

const REPOSITORY = 900;
/** A real one takes seconds to be rid of each namespace. */
const PATIENCE_OF_ALL_MS = 1_200_000;
const receivedAt = new Date(start + 600_000);
const fresh: LifeState = { state: 'open', title: 'First', labels: [], head: sha(1), merged: false };
const pushed = { ...fresh, head: sha(2) };
/** As it happened. Where the branch is deleted, forges close the pull request, too; its number is known no longer on some. */
const life: LifeEvent[] = [
  { action: 'opened', state: fresh, sender: pusher, at: 0 },
  { action: 'synchronize', state: pushed, sender: pusher, at: 1 },
  { action: 'closed', state: { ...pushed, state: 'closed' }, sender: labeler, at: 2 },
  { action: 'reopened', state: pushed, sender: pusher, at: 3 },
];
const deleted: LifeEvent = { action: 'branch deleted', state: { ...pushed, state: 'closed' }, sender: pusher, at: 4 };

let rig: Rig;
let receive: ReturnType<typeof listenTo>;
beforeAll(async () => {
  rig = await createRig({
    ...(isReal ? { timeoutMs: 10_000, readyTimeoutSeconds: 60 } : { pollMs: 5 }),
    ...{ on: 'chosen, told', api: { fate: () => 'runs' } },
  });
  receive = listenTo(rig, receivedAt);
  Object.assign(rig.forge, { repositoryId: REPOSITORY, userId: pusher.id });
});
afterAll(() => rig.end());

/** One pull request and the order in which its deliveries arrive. */
interface Story {
  number: number;
  order: readonly LifeEvent[];
  /** The newest event that has happened by now. */
  truth?: LifeEvent;
}

/** What happened is true before anybody is told of it. */
function happens(story: Story, event: LifeEvent): void {
  if (story.truth !== undefined && story.truth.at >= event.at) return;
  story.truth = event;
  const { number } = story;
  if (event === deleted && number % 2 === 0) rig.forge.pullRequests.delete(number);
  else
    rig.forge.pullRequests.set(number, {
      ...{ state: event.state.state, sha: event.state.head },
      headRepositoryId: REPOSITORY,
    });
}

async function deliver({ number }: Story, event: LifeEvent): Promise<void> {
  const told = event === deleted ? { ...event, action: 'closed' } : event;
  const payload = pullRequestPayload({ repositoryId: REPOSITORY, number }, told);
  if (event !== deleted) return receive(`pull_request.${told.action}`, payload);
  const { repository } = payload;
  const push = { ref: `refs/heads/branch-${number}`, deleted: true, after: '0'.repeat(40), repository, sender: pusher };
  await receive('push', { ...push, before: event.state.head, created: false, commits: [] });
  await receive('pull_request.closed', payload);
}

/** Everything that was ever told. */
const known = new Map<number, Story>();

async function expectTruth(stories: readonly Story[]): Promise<void> {
  const { rows } = await rig.store.tenant(rig.organizationId, (tx) =>
    tx.query<{ number: number; name: string; phase: string; message: string | null }>(
      `SELECT q.number, p.name, p.phase, p.message FROM preview p JOIN pull_request q ON q.id = p.pull_request_id`,
    ),
  );
  const byNumber = new Map(rows.map((row) => [row.number, row]));
  for (const story of stories) known.set(story.number, story);
  const wanted: string[] = [];
  for (const { number, order, truth } of known.values()) {
    const row = byNumber.get(number);
    const said = order.map(({ action }) => action).join(', ');
    const { behind } = rig.chosen;
    const images = (await behind.list('Deployment', row?.name ?? 'none')).map(({ spec }) => {
      const { template } = spec as { template: { spec: { containers: { image: string }[] } } };
      return template.spec.containers[0]?.image;
    });
    const isOpen = truth?.state.state === 'open';
    if (isOpen) wanted.push(row?.name ?? said);
    expect({
      ...{ said, message: row?.message ?? null },
      phase: row?.phase ?? 'gone',
      images,
      services: (await behind.list('Service', row?.name ?? 'none')).length,
    }).toEqual({
      ...{ said, message: null },
      phase: isOpen ? 'ready' : expect.stringMatching(/^(gone|pending)$/),
      images: isOpen ? [`registry.example.com/web:${truth.state.head}`] : [],
      services: isOpen ? 1 : 0,
    });
  }
  const ours = (await rig.chosen.behind.list('Namespace')).filter(
    ({ metadata }) =>
      metadata.annotations?.['forgeway.dev/identity']?.includes(rig.organizationId) &&
      rig.chosen.isMadeHere(metadata.name),
  );
  expect(ours.map(({ metadata }) => metadata.name).sort()).toEqual(wanted.sort());
}

/** Each delivery of each story, one after the other; all is at rest before the next one comes, or nothing waits. */
async function play(stories: readonly Story[], isPatient: boolean): Promise<void> {
  const longest = Math.max(...stories.map(({ order }) => order.length));
  for (let at = 0; at < longest; at += 1) {
    for (const story of stories) {
      const event = story.order[at];
      if (event === undefined) continue;
      happens(story, event);
      await deliver(story, event);
    }
    if (isPatient) await rig.drained();
  }
  await rig.drained();
}

describe('events in every order', () => {
  it(
    'of opened, synchronize, closed, reopened: 24 orders, at rest between them',
    async () => {
      const stories: Story[] = permutations(life).map((order, index) => ({ number: 1_000 + index, order }));
      await play(stories, true);
      await expectTruth(stories);
    },
    PATIENCE_OF_ALL_MS,
  );

  it(
    'of what has happened by then: 33 orders, each told twice and all at once, then a close that comes late',
    async () => {
      const stories: Story[] = [1, 2, 3, 4]
        .flatMap((length) => permutations(life.slice(0, length)))
        .map((order, index) => ({ number: 2_000 + index, order: [...order, ...[...order].reverse()] }));
      expect(stories).toHaveLength(33);
      await play(stories, false);
      await expectTruth(stories);
      const [, , closed] = life;
      for (const story of stories) {
        happens(story, { ...deleted, at: 9 });
        if (closed !== undefined) await deliver(story, { ...closed, at: 9 });
      }
      await rig.drained();
      await expectTruth(stories);
    },
    PATIENCE_OF_ALL_MS,
  );

  it(
    'with the branch deleted at the end: nothing is left, in any of 120 orders',
    async () => {
      const stories: Story[] = permutations([...life, deleted]).map((order, index) => ({
        number: 3_000 + index,
        order,
      }));
      expect(stories).toHaveLength(120);
      // Told late, all of it: whatever is said first, the forge says that it is over.
      for (const story of stories) happens(story, deleted);
      await play(stories, false);
      await expectTruth(stories);
    },
    PATIENCE_OF_ALL_MS,
  );
});
