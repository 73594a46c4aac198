/** The toy's webhooks as GitHub's events. It sends the new state alone: what changed is the difference to what was kept. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type {
  Classification,
  ClassifyOptions,
  EventSupport,
  ForgeEvent,
  JsonObject,
  NativeDelivery,
  Snapshot,
  TranslatePorts,
} from '../../../src/forges/forge.js';
import { user, userOrGhost } from '../../../src/forges/kit/shapes/account.js';
import { issueComment } from '../../../src/forges/kit/shapes/comment.js';
import { pushCommit } from '../../../src/forges/kit/shapes/commit.js';
import { issue } from '../../../src/forges/kit/shapes/issue.js';
import { label } from '../../../src/forges/kit/shapes/label.js';
import { pullRequest } from '../../../src/forges/kit/shapes/pull-request.js';
import { repository } from '../../../src/forges/kit/shapes/repository.js';
import { statusEvent } from '../../../src/forges/kit/shapes/status.js';
import { cleaned } from '../../../src/forges/kit/storable-text.js';
import { ForgewayError } from '../../../src/lib/errors.js';
import * as convert from './convert.js';
import {
  type NativeMatter,
  nativeCommit,
  nativeMark,
  nativeMatter,
  nativePerson,
  nativeRemark,
  nativeShelf,
  nativeSticker,
} from './schema.js';

const exact = { support: 'exact' } as const;
const compared = { support: 'partial', note: 'Worked out by comparison with the delivery before.' } as const;

export const eventSupport: EventSupport = {
  push: exact,
  status: { support: 'partial', note: '`branches` is empty.' },
  ...Object.fromEntries(
    ['issues', 'pull_request'].flatMap((name) => [
      ...['opened', 'closed', 'reopened'].map((action) => [`${name}.${action}`, exact] as const),
      ...['edited', 'labeled', 'unlabeled', 'assigned', 'unassigned'].map(
        (action) => [`${name}.${action}`, compared] as const,
      ),
    ]),
  ),
  'pull_request.synchronize': compared,
  issue_comment: exact,
};

const ignored = (reason: string): Classification => ({ kind: 'ignored', reason });

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID naming the field */
function read<T>(schema: z.ZodType<T>, payload: JsonObject, key: string): T {
  const found = schema.safeParse(payload[key]);
  if (found.success) return found.data;
  const where = [key, ...(found.error.issues[0]?.path ?? [])].join('.');
  throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', `${where} is missing or of the wrong type`);
}

const stateOf = (matter: NativeMatter): JsonObject => ({
  heading: matter.heading,
  text: matter.text,
  tip: matter.from?.tip ?? null,
  stickers: matter.stickers,
  helpers: matter.helpers,
});

export function snapshot(eventType: string, told: JsonObject): Snapshot | undefined {
  const payload = cleaned(told);
  const [matter, shelf] = [nativeMatter.safeParse(payload.matter), nativeShelf.safeParse(payload.shelf)];
  if (eventType !== 'matter' || !matter.success || !shelf.success) return undefined;
  return {
    repositoryId: BigInt(convert.idOf(shelf.data.key)),
    kind: matter.data.sort === 'proposal' ? 'pull_request' : 'issue',
    number: matter.data.no,
    updatedAt: matter.data.touched,
    state: stateOf(matter.data),
  };
}

/** What is in one list and not in the other, by key. */
function without<T extends { key: string }>(list: readonly T[], other: readonly T[]): T[] {
  const keys = new Set(other.map(({ key }) => key));
  return list.filter(({ key }) => !keys.has(key));
}

function changesOf(name: string, matter: NativeMatter, previous: JsonObject): ForgeEvent[] {
  const kept = {
    stickers: nativeSticker.array().catch([]).parse(previous.stickers),
    helpers: nativePerson.array().catch([]).parse(previous.helpers),
  };
  const each = (action: string, what: string, entries: readonly JsonObject[]): ForgeEvent[] =>
    entries.map((entry) => ({ name, action, change: { [what]: entry } }));
  const from = Object.fromEntries(
    (['heading', 'text'] as const)
      .filter((key) => previous[key] !== matter[key])
      .map((key) => [key === 'heading' ? 'title' : 'body', { from: previous[key] ?? '' }]),
  );
  const before = previous.tip;
  return [
    ...(typeof before === 'string' && before !== matter.from?.tip
      ? [{ name, action: 'synchronize', change: { before } }]
      : []),
    ...(Object.keys(from).length > 0 ? [{ name, action: 'edited', change: { from } }] : []),
    ...each('labeled', 'sticker', without(matter.stickers, kept.stickers)),
    ...each('unlabeled', 'sticker', without(kept.stickers, matter.stickers)),
    ...each('assigned', 'helper', without(matter.helpers, kept.helpers)),
    ...each('unassigned', 'helper', without(kept.helpers, matter.helpers)),
  ];
}

const MATTER_DEEDS: Readonly<Record<string, string>> = {
  opened: 'opened',
  shut: 'closed',
  merged: 'closed',
  'opened-again': 'reopened',
};
const REMARK_DEEDS: Readonly<Record<string, string>> = { written: 'created', edited: 'edited', dropped: 'deleted' };

function eventsOf(topic: string, payload: JsonObject, previous: JsonObject | undefined): ForgeEvent[] | string {
  const deed = typeof payload.deed === 'string' ? payload.deed.slice(0, 50) : 'that is missing';
  if (topic === 'commits') return [{ name: 'push' }];
  if (topic === 'mark') return [{ name: 'status' }];
  const matter = nativeMatter.safeParse(payload.matter);
  if (!matter.success) return `${topic}: the payload has no matter.`;
  const table = topic === 'remark' ? REMARK_DEEDS : MATTER_DEEDS;
  const action = Object.hasOwn(table, deed) ? table[deed] : undefined;
  if (topic === 'remark')
    return action === undefined ? `remark: nothing is ${deed}.` : [{ name: 'issue_comment', action }];
  const name = matter.data.sort === 'proposal' ? 'pull_request' : 'issues';
  if (action !== undefined) return [{ name, action }];
  if (deed !== 'changed') return `matter: nothing is ${deed}.`;
  if (previous === undefined) return 'The toy does not say what changed, and nothing is known of before.';
  const changes = changesOf(name, matter.data, previous);
  return changes.length > 0 ? changes : 'Nothing differs from what was known before.';
}

export function classify(eventType: string, told: JsonObject, options: ClassifyOptions = {}): Classification {
  const payload = cleaned(told);
  const shelf = nativeShelf.safeParse(payload.shelf);
  if (!/^(commits|mark|matter|remark)$/.test(eventType)) return ignored(`GitHub has no event for "${eventType}".`);
  if (!shelf.success) return ignored(`${eventType}: the payload has no shelf.`);
  if (shelf.data.secret && !options.confidential && payload.hushed === true) return ignored('It is confidential.');
  const events = eventsOf(eventType, payload, options.previous);
  if (typeof events === 'string') return ignored(events);
  const matter = nativeMatter.safeParse(payload.matter);
  const digest = createHash('sha256').update(JSON.stringify(payload)).digest('hex').slice(0, 32);
  return {
    kind: 'events',
    events,
    repositoryId: BigInt(convert.idOf(shelf.data.key)),
    ...(matter.success && { number: matter.data.no }),
    semanticKey: `${eventType}:${digest}`,
  };
}

export async function payload(
  { eventType, payload: sent }: NativeDelivery,
  { action, change = {} }: ForgeEvent,
  { base, records }: TranslatePorts,
): Promise<JsonObject> {
  const told = cleaned(sent);
  const shelf = read(nativeShelf, told, 'shelf');
  const [owner = '', repo = ''] = shelf.path.split('/');
  const by = nativePerson.safeParse(told.by);
  const common = {
    ...(action !== undefined && { action }),
    repository: repository(base, convert.shelf(base, shelf)),
    sender: userOrGhost(base, by.success ? convert.account(by.data) : undefined),
  };
  const changes = action === 'edited' && { changes: change.from ?? {} };
  if (eventType === 'commits') {
    const commits = read(nativeCommit.array(), told, 'commits').map((one) =>
      pushCommit(base, convert.commit(base, one, shelf)),
    );
    const [before, after, line] = (['from', 'to', 'line'] as const).map((key) => read(z.string(), told, key));
    return {
      ref: `refs/heads/${line}`,
      before,
      after,
      created: /^0+$/.test(before ?? ''),
      deleted: /^0+$/.test(after ?? ''),
      forced: false,
      base_ref: null,
      compare: `${base.web}/${shelf.path}/compare/${before}...${after}`,
      commits,
      head_commit: commits.at(-1) ?? null,
      pusher: { name: by.success ? by.data.handle : 'ghost', email: null },
      ...common,
    };
  }
  if (eventType === 'mark') {
    const input = convert.mark(read(nativeMark, told, 'mark'));
    const commit = convert.commit(base, read(nativeCommit, told, 'commit'), shelf);
    return { ...statusEvent(base, owner, repo, input, { commit }), ...common };
  }
  const matter = read(nativeMatter, told, 'matter');
  const asIssue = issue(base, owner, repo, convert.issue(base, matter, shelf));
  if (eventType === 'remark') {
    const remark = read(nativeRemark, told, 'remark');
    await records?.put('remark', remark.key, { no: remark.no });
    return {
      ...changes,
      issue: asIssue,
      comment: issueComment(base, owner, repo, convert.remark(base, remark, shelf)),
      ...common,
    };
  }
  const [sticker, helper] = [nativeSticker.safeParse(change.sticker), nativePerson.safeParse(change.helper)];
  const isProposal = matter.sort === 'proposal';
  return {
    ...changes,
    ...(isProposal
      ? { number: matter.no, pull_request: pullRequest(base, convert.proposal(base, matter, shelf)) }
      : { issue: asIssue }),
    ...(action === 'synchronize' && { before: change.before, after: matter.from?.tip }),
    ...(sticker.success && { label: label(base, owner, repo, convert.sticker(sticker.data)) }),
    ...(helper.success && { assignee: user(base, convert.account(helper.data)) }),
    ...common,
  };
}
