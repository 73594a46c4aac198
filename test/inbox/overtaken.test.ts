/**
 * Forges send webhooks beside each other, so that a later one may come first. Five changes of one object in every order: an app
 * hears of each of them once, with the forges' own code and what the inbox keeps of their webhooks.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { ForgeDescriptor, JsonObject } from '../../src/forges/forge.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import { gitlab } from '../../src/forges/gitlab/forge.js';
import { compared } from '../../src/inbox/compared.js';
import type { Received } from '../../src/inbox/received.js';
import { previousSnapshots } from '../../src/inbox/snapshots.js';

interface Hook {
  eventType: string;
  payload: JsonObject;
}

const fixture = (forge: string, name: string): Hook =>
  JSON.parse(readFileSync(new URL(`../../src/forges/${forge}/fixtures/${name}.json`, import.meta.url), 'utf8'));

const receivedAs = (forge: ForgeDescriptor, { eventType, payload }: Hook, id = 0) =>
  ({
    id: BigInt(id),
    hookId: 'hook',
    classification: forge.classify(eventType, payload),
    classifyAfter: (state: JsonObject) => forge.classify(eventType, payload, { previous: state }),
    snapshot: forge.snapshot?.(eventType, payload),
  }) as unknown as Received;

const nothingBefore = () => previousSnapshots(undefined as never, []);

/** What an assigner that takes them one by one tells of them, in words. */
async function toldIn(forge: ForgeDescriptor, hooks: readonly Hook[]): Promise<string[]> {
  const previous = await nothingBefore();
  const waiting = hooks.map((_, at) => at);
  const heard: string[] = [];
  for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
    const known = previous.unread().length;
    heard.push(...namesOf(compared([receivedAs(forge, hooks[at] as Hook, at)], previous)));
    // As the assigner does: what said nothing is taken in once more.
    waiting.unshift(...previous.unread().slice(known).map(Number));
  }
  return heard;
}

const namesOf = (deliveries: readonly Received[]): string[] =>
  deliveries.flatMap(({ classification: found }) => {
    if (found.kind !== 'events') return [];
    return found.events.map(({ action, change = {} }) => {
      const { label, assignee } = change as Record<string, JsonObject | undefined>;
      return [action, label?.name, assignee?.login ?? assignee?.username].filter(Boolean).join(' ');
    });
  });

function ordersOf<T>(all: readonly T[]): T[][] {
  if (all.length <= 1) return [[...all]];
  return all.flatMap((one, at) => ordersOf([...all.slice(0, at), ...all.slice(at + 1)]).map((rest) => [one, ...rest]));
}

/** Orders after the first in which something is told twice, or never. */
async function wrongOrders(
  forge: ForgeDescriptor,
  [first, ...others]: readonly Hook[],
  isRight: (heard: readonly string[]) => boolean,
) {
  const wrong: string[] = [];
  for (const order of ordersOf(others)) {
    const heard = await toldIn(forge, first === undefined ? order : [first, ...order]);
    if (!isRight(heard)) wrong.push(`${order.map((hook) => others.indexOf(hook) + 1).join(' ')}: ${heard.join(', ')}`);
  }
  return wrong;
}

const sameAs =
  (...told: readonly string[]) =>
  (heard: readonly string[]): boolean =>
    heard.toSorted().join() === told.toSorted().join();

describe('a merge request of GitLab', () => {
  const { eventType, payload } = fixture('gitlab', 'merge_request.update.nothing');
  const { object_kind, event_type, user, project, object_attributes: mr, repository } = payload;
  const label = (id: number, title: string) => ({ id, title, color: '#d9534f', type: 'ProjectLabel' });
  const [bug, ui] = [label(1, 'bug'), label(2, 'ui')];
  const bob = { id: 7, name: 'Bob', username: 'bob', avatar_url: '', email: '' };

  function hook(
    second: number,
    now: { labels: object[]; assignees: object[]; changes?: object },
    action = 'update',
  ): Hook {
    const object_attributes = {
      ...(mr as JsonObject),
      action,
      title: 'A change',
      draft: false,
      work_in_progress: false,
      updated_at: `2026-03-02 10:00:0${second} UTC`,
    };
    return {
      eventType,
      payload: { object_kind, event_type, user, project, repository, object_attributes, changes: {}, ...now },
    };
  }
  const hooksAt = (...seconds: readonly [number, number, number, number, number]) => [
    hook(0, { labels: [], assignees: [] }, 'open'),
    hook(seconds[0], { labels: [bug], assignees: [], changes: { labels: { previous: [], current: [bug] } } }),
    hook(seconds[1], {
      labels: [bug],
      assignees: [],
      changes: { title: { previous: 'A chance', current: 'A change' } },
    }),
    hook(seconds[2], { labels: [bug], assignees: [bob], changes: { assignees: { previous: [], current: [bob] } } }),
    hook(seconds[3], {
      labels: [bug, ui],
      assignees: [bob],
      changes: { labels: { previous: [bug], current: [bug, ui] } },
    }),
    hook(seconds[4], { labels: [ui], assignees: [bob], changes: { labels: { previous: [bug, ui], current: [ui] } } }),
  ];
  const hooks = hooksAt(1, 2, 3, 4, 5);
  const told = ['opened', 'labeled bug', 'edited', 'assigned bob', 'labeled ui', 'unlabeled bug'];

  it('is told in order when its webhooks come in order', async () => expect(await toldIn(gitlab, hooks)).toEqual(told));

  it('is told once when they do not', async () => {
    expect(await wrongOrders(gitlab, hooks, sameAs(...told))).toEqual([]);
  });

  it('is told once when two came in one second', async () => {
    expect(await wrongOrders(gitlab, hooksAt(1, 1, 2, 2, 3), sameAs(...told))).toEqual([]);
  });

  it('is told what a lost webhook would have told, once', async () => {
    const [open, labeled, edited, ...others] = hooks as [Hook, Hook, Hook, ...Hook[]];
    expect(await toldIn(gitlab, [open, edited, ...others])).toEqual([
      'opened',
      'edited',
      ...told.filter((one) => one !== 'opened' && one !== 'edited'),
    ]);
    // And when it comes after all.
    expect((await toldIn(gitlab, [open, edited, labeled])).toSorted()).toEqual(['edited', 'labeled bug', 'opened']);
  });

  it('is kept in short, and as a database holds it, however much its webhooks tell', async () => {
    const labels = Array.from({ length: 1_000 }, (_, at) => label(at + 1, `${at} \u0000 \uD800`));
    const previous = await nothingBefore();
    const changes = { labels: { previous: [], current: labels } };
    const busy = [1, 2, 3, 4, 5, 6, 7].map((second) =>
      hook(second, { labels: second > 6 ? [] : labels, assignees: [], changes }),
    );
    compared(
      busy.map((one) => receivedAs(gitlab, one)),
      previous,
    );
    const [{ kept } = { kept: undefined }] = previous.changed();
    expect(kept?.told).toHaveLength(24);
    expect(kept?.earlier).toHaveLength(4);
    expect(JSON.stringify(kept?.told)).not.toMatch(/\\u0000|\\ud800/i);
  });
});

describe('a pull request of Gitea or Forgejo, whose webhooks name no label', () => {
  const { eventType, payload } = fixture('gitea', 'pull_request.label_updated');
  const label = (id: number, name: string) => ({ id, name, color: 'd9534f', description: '', url: '' });
  const [bug, ui] = [label(1, 'bug'), label(2, 'ui')];
  const bob = { id: 7, login: 'bob', full_name: '', email: '', avatar_url: '' };

  function hook(second: number, action: string, labels: object[], assignees: object[], changes?: object): Hook {
    const pull_request = {
      ...(payload.pull_request as JsonObject),
      title: 'A change',
      labels,
      assignees,
      assignee: assignees[0] ?? null,
      updated_at: `2026-03-02T10:00:0${second}Z`,
    };
    return { eventType, payload: { ...payload, action, changes, pull_request } };
  }
  const hooksAt = (...seconds: readonly [number, number, number, number, number]) => [
    hook(0, 'opened', [], []),
    hook(seconds[0], 'label_updated', [bug], []),
    hook(seconds[1], 'edited', [bug], [], { title: { from: 'A chance' } }),
    hook(seconds[2], 'assigned', [bug], [bob]),
    hook(seconds[3], 'label_updated', [bug, ui], [bob]),
    hook(seconds[4], 'label_updated', [ui], [bob]),
  ];
  const hooks = hooksAt(1, 2, 3, 4, 5);
  const told = ['opened', 'labeled bug', 'edited', 'assigned bob', 'labeled ui', 'unlabeled bug'];

  it('is told in order when they come in order', async () => expect(await toldIn(gitea, hooks)).toEqual(told));

  it('is told once when they do not', async () => {
    // A label that came and went before the first of its webhooks came is no difference: then neither is told.
    const without = told.filter((one) => !one.endsWith(' bug'));
    const isRight = (heard: readonly string[]) => sameAs(...told)(heard) || sameAs(...without)(heard);
    expect(await wrongOrders(gitea, hooks, isRight)).toEqual([]);
    expect(await wrongOrders(gitea, hooksAt(1, 1, 2, 2, 3), isRight)).toEqual([]);
  });

  it('is told once when one of them comes before its opening', async () => {
    const [opened, labeled, edited] = hooks as [Hook, Hook, Hook];
    const docs = { ...ui, id: 3, name: 'docs' };
    const all = [opened, labeled, edited, hook(3, 'label_updated', [bug, docs], [])];
    for (const order of ordersOf(all))
      expect((await toldIn(gitea, order)).toSorted()).toEqual(['edited', 'labeled bug', 'labeled docs', 'opened']);
  });

  it('is told once when all labels came in one second, and none is told to have gone', async () => {
    const docs = { id: 3, name: 'docs', color: 'd9534f', description: '', url: '' };
    const burst = [
      hook(0, 'opened', [], []),
      hook(1, 'label_updated', [bug], []),
      hook(1, 'label_updated', [bug, ui], []),
      hook(1, 'label_updated', [bug, ui, docs], []),
    ];
    const named = sameAs('opened', 'labeled bug', 'labeled ui', 'labeled docs');
    expect(await wrongOrders(gitea, burst, named)).toEqual([]);
    const later = [...burst, hook(2, 'assigned', [bug, ui, docs], [bob])];
    const withLater = sameAs('opened', 'labeled bug', 'labeled ui', 'labeled docs', 'assigned bob');
    expect(await wrongOrders(gitea, later, withLater)).toEqual([]);
    // What really went in that second is told.
    const gone = [...burst.slice(0, 2), hook(1, 'label_updated', [], [])];
    expect(await toldIn(gitea, gone)).toEqual(['opened', 'labeled bug', 'unlabeled bug']);
  });
});
