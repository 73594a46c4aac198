/**
 * B12: random histories of one pull request, whose webhooks are lost, late, repeated or out of order, with looks of the
 * poller in between, on the very decisions that the inbox and the poller make. Whatever happened: apps are told of each
 * change once, and in the end what they were told is what there is.
 */
import { describe, expect, it } from '@jest/globals';
import {
  READ,
  readVersion,
  stateOf,
  type ToldState,
  toldAfter,
  type Versions,
  wholeSeconds,
} from '../../store/told/state.js';
import { alsoCovered, type Finding, type KnownComment } from './difference.js';
import { isCovered, type Passed, passedBy, type Report } from './pieces.js';
import { findingsOf, newestOf } from './report.js';

type Json = Record<string, unknown>;

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A change that a person made, as its webhook tells it. */
interface Change {
  id: number;
  at: number;
  name: string;
  action: string;
  /** Changes of one subject can undo each other. */
  subject: string;
  object: Json;
  fields: Json;
  /** How apps heard of it: by its webhook, by a finding that includes it. */
  told: string[];
  /** When its webhook was handled, counted. */
  handled: number;
}

const START = Date.parse('2026-03-01T00:00:00Z');
const iso = (at: number) => new Date(at).toISOString();
const LABELS = ['bug', 'later'];

class History {
  readonly #random: (below: number) => number;
  now = START;
  object: Json | undefined;
  comments = new Map<number, Json>();
  readonly changes: Change[] = [];
  /** Webhooks under way, with when they arrive. */
  readonly late: { change: Change; at: number }[] = [];
  /** Taken in and not handled yet. */
  readonly waiting: Change[] = [];
  readonly arrived = new Set<string>();
  told: { state: ToldState; versions: Versions } | undefined;
  toldAt = 0;
  seen: { version: string; settled: boolean } | undefined;
  readonly reports = new Map<string, Report>();
  readonly known = new Map<string, KnownComment & { tick: number }>();
  /** It is to be looked at again. */
  again = false;
  /** The look that told of the opening, with all that had happened by then. */
  #openedIn = 0;
  /** Its webhook is made a moment later, when the object may have been touched again. */
  #unmade: Change | undefined;
  ids = 0;
  ticks = 0;

  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  chance = (percent: number): boolean => this.#random(100) < percent;
  pick = <T>(from: readonly T[]): T => from[this.#random(from.length)] as T;

  #touch(change: Json): void {
    this.object = { ...this.object, ...change, updated_at: iso(this.now) };
    const late = this.#unmade;
    this.#unmade = undefined;
    if (late && change.head === undefined && !this.arrived.has(String(late.id))) late.object.updated_at = iso(this.now);
  }

  #note(name: string, action: string, subject: string, fields: Json = {}): void {
    const change: Change = {
      id: ++this.ids,
      at: this.now,
      name,
      action,
      subject,
      object: structuredClone(this.object ?? {}),
      fields: structuredClone(fields),
      told: [],
      handled: 0,
    };
    this.changes.push(change);
    if (this.chance(30)) return;
    const delay = this.chance(60) ? 0 : this.#random(240_000);
    if (action === 'synchronize' && this.chance(50)) this.#unmade = change;
    this.late.push({ change, at: this.now + delay });
    if (this.chance(15)) this.late.push({ change, at: this.now + this.#random(240_000) });
  }

  /** A person does something. */
  act(): void {
    this.#note(...this.#change());
  }

  #change(): [name: string, action: string, subject: string, fields?: Json] {
    if (this.object === undefined) {
      this.object = { number: 1, created_at: iso(this.now), title: 'T0', body: null, state: 'open', labels: [] };
      this.#touch({ head: { sha: 'sha-0' }, base: { ref: 'main', sha: 'base' }, assignees: [], user: { id: 1 } });
      return ['pull_request', 'opened', 'opened'];
    }
    const { object } = this;
    const kind = this.#random(6);
    if (kind === 0) {
      const open = object.state === 'open';
      this.#touch({ state: open ? 'closed' : 'open' });
      return ['pull_request', open ? 'closed' : 'reopened', 'state'];
    }
    if (kind === 1) {
      this.#touch({ head: { sha: `sha-${++this.ids}` } });
      return ['pull_request', 'synchronize', 'head'];
    }
    if (kind === 2) {
      const from = object.title;
      this.#touch({ title: `T${++this.ids}` });
      return ['pull_request', 'edited', 'text', { changes: { title: { from } } }];
    }
    if (kind === 3) {
      const name = this.pick(LABELS);
      const labels = object.labels as Json[];
      const has = labels.some((label) => label.name === name);
      this.#touch({ labels: has ? labels.filter((label) => label.name !== name) : [...labels, { name }] });
      return ['pull_request', has ? 'unlabeled' : 'labeled', `label ${name}`, { label: { name } }];
    }
    if (kind === 4 && this.comments.size > 0 && this.chance(40)) {
      const [id, comment] = this.pick([...this.comments]);
      const edited = { ...comment, body: `B${++this.ids}`, updated_at: iso(this.now) };
      this.comments.set(id, edited);
      this.#touch({});
      return ['issue_comment', 'edited', `comment ${id}`, { comment: edited }];
    }
    const id = ++this.ids;
    const comment = { id, body: `B${id}`, user: { id: 2 }, created_at: iso(this.now), updated_at: iso(this.now) };
    this.comments.set(id, comment);
    this.#touch({});
    return ['issue_comment', 'created', `comment ${id}`, { comment }];
  }

  /** Webhooks whose time has come are taken in: ignored when the poller told the same. */
  deliver(): void {
    const due = this.late.filter(({ at }) => at <= this.now);
    for (const one of due) {
      this.late.splice(this.late.indexOf(one), 1);
      const { change } = one;
      if (this.arrived.has(String(change.id))) continue;
      this.arrived.add(String(change.id));
      const comment = change.fields.comment as Json | undefined;
      const telling = {
        // Webhooks of some forges count whole seconds.
        version: wholeSeconds(String(change.object.updated_at)),
        head: String((change.object.head as Json).sha),
        ...(comment && { comment: { id: String(comment.id), version: wholeSeconds(String(comment.updated_at)) } }),
      };
      const event = { name: change.name, action: change.action };
      if (isCovered(event, telling, this.reports)) continue;
      this.#pass(passedBy(event, telling, this.reports));
      this.waiting.push(change);
    }
  }

  #pass(beyond: Passed | undefined): void {
    const report = this.reports.get(beyond?.piece ?? '');
    if (report !== undefined && report.before === null)
      this.reports.set(report.piece, { ...report, before: beyond?.since ?? null });
  }

  /** The mirror writes down what apps are told. */
  handle(): void {
    for (const change of this.waiting.splice(0)) {
      change.told.push('webhook');
      change.handled = ++this.ticks;
      if (change.name === 'issue_comment') this.#know(change.fields.comment as Json, change.action);
      else {
        const object = { ...change.object, updated_at: wholeSeconds(String(change.object.updated_at)) };
        const event = { action: change.action, payload: change.fields, object };
        this.told = toldAfter(this.told, event, { watermark: new Date(START), imported: true });
        this.toldAt = ++this.ticks;
      }
    }
  }

  /** As the mirror does it: the creation loses against what has the same second. */
  #know(comment: Json, action: string): void {
    const known = this.known.get(String(comment.id));
    const [before, now] = [wholeSeconds(known?.updatedAt ?? ''), wholeSeconds(String(comment.updated_at))];
    if (known && (before > now || (before === now && action === 'created'))) return;
    this.known.set(String(comment.id), {
      body: String(comment.body),
      updatedAt: new Date(String(comment.updated_at)),
      deleted: false,
      fresh: false,
      tick: ++this.ticks,
      url: '',
      author: null,
    });
  }

  /** One look, during which other things go on. */
  poll(): void {
    const listed = this.object;
    if (listed === undefined) return;
    const asOf = Math.floor(this.now / 1_000) * 1_000;
    const isSeen = this.seen?.settled && this.seen.version === wholeSeconds(String(listed.updated_at));
    if (isSeen && !this.again) return;
    const readAt = ++this.ticks;
    const object = structuredClone(this.object ?? {});
    const comments = structuredClone([...this.comments.values()]);
    const readId = this.ids;
    if (this.chance(30)) this.#meanwhile();
    this.again = true;
    if (this.waiting.length > 0 || this.toldAt > readAt) return;
    const nothing = { lineComments: [], reviews: [], happened: [] };
    const read = { number: 1, isPull: true, object, comments, count: comments.length, ...nothing };
    const conversation = new Map([...this.known].map(([id, one]) => [id, { ...one, fresh: one.tick > readAt }]));
    const parts = { comments: { conversation, lines: new Map() }, reviews: new Map<string, string>() };
    const o = { watermark: new Date(START), imported: true, allComments: false };
    const findings = findingsOf(read, this.told, parts, o);
    for (const finding of findings) this.#tell(finding, readId, stateOf(object));
    for (const report of [...newestOf(findings), ...alsoCovered(findings, object)])
      this.reports.set(report.piece, report);
    const settled = asOf - Date.parse(String(object.updated_at)) >= 1_000;
    this.told = { state: stateOf(object), versions: { [READ]: readVersion(String(object.updated_at), settled) } };
    this.seen = { version: wholeSeconds(String(object.updated_at)), settled };
    this.again = !settled;
    // What was reported is handled like every other event before the next look.
    for (const { name, action = '', fields } of findings)
      if (name === 'issue_comment') this.#know(fields.comment as Json, action);
  }

  #meanwhile(): void {
    this.now += this.#random(1_500);
    if (this.chance(50)) this.act();
    this.deliver();
    if (this.chance(70)) this.handle();
  }

  /** A finding tells of every change of its subject that it includes and that nobody told before. */
  #tell({ name, action = '', fields }: Finding, readId: number, { labels }: ToldState): void {
    const label = (fields.label as Json | undefined)?.name;
    const comment = (fields.comment as Json | undefined)?.id;
    const subjects: Readonly<Record<string, string>> = {
      opened: 'opened',
      closed: 'state',
      reopened: 'state',
      synchronize: 'head',
      edited: 'text',
      labeled: `label ${String(label)}`,
      unlabeled: `label ${String(label)}`,
    };
    const subject = name === 'issue_comment' ? `comment ${String(comment)}` : subjects[action];
    // What it has by then is told after its opening.
    const told = new Set(labels.map((one) => `label ${String(one.name)}`));
    const included = this.changes.filter(
      (change) =>
        change.id <= readId &&
        change.told.length === 0 &&
        (change.subject === subject ||
          (action === 'opened' && change.name === 'pull_request' && !told.has(change.subject))),
    );
    if (included.length === 0 && this.isMixedUp(subject)) return;
    if (included.length === 0 && !(action === 'closed' && this.#openedIn === readId))
      throw new Error(`${name}.${action} was told before`);
    for (const change of included) change.told.push('poll');
    if (action === 'opened') this.#openedIn = readId;
  }

  /**
   * Two changes of one second whose webhooks came in the wrong order: no version tells which was the last, so that apps
   * believe the wrong one until the poller tells what there is. Not of heads: no commit is told twice.
   */
  isMixedUp(subject: string | undefined): boolean {
    if (subject === 'head') return false;
    const handled = this.changes.filter((change) => change.subject === subject && change.handled > 0);
    return handled.some((first) =>
      handled.some(
        (second) =>
          first.id < second.id &&
          first.handled > second.handled &&
          wholeSeconds(iso(first.at)) === wholeSeconds(iso(second.at)),
      ),
    );
  }

  step(): void {
    this.now += this.pick([0, 100, 700, 3_000, 20_000, 61_000]);
    const what = this.#random(10);
    if (what < 4) this.act();
    else if (what < 6) this.deliver();
    else if (what < 8) this.handle();
    else this.poll();
  }

  /** Everything that is under way arrives, and the poller looks until it is calm. */
  end(): void {
    for (let round = 0; round < 8; round += 1) {
      this.now += 61_000;
      this.deliver();
      this.handle();
      this.poll();
    }
  }
}

describe('random histories', () => {
  it.each(Array.from({ length: 10 }, (_, batch) => batch * 20))('seeds from %i', (from) => {
    for (let seed = from; seed < from + 20; seed += 1) {
      const history = new History(seed);
      try {
        for (let step = 0; step < 150; step += 1) history.step();
        history.end();
        const twice = history.changes.filter(({ told }) => told.length > 1);
        expect(twice).toEqual([]);
        if (history.object === undefined) continue;
        const { unopened, ...told } = history.told?.state ?? stateOf({});
        expect(unopened).toBeUndefined();
        expect(told).toEqual(stateOf(history.object));
        for (const [id, comment] of history.comments)
          if (!history.isMixedUp(`comment ${id}`)) expect(history.known.get(String(id))?.body).toBe(comment.body);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});
