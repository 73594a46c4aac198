/** Matters as issues, their remarks, stickers and helpers. */
import { z } from 'zod';
import {
  invalid,
  notFound,
  type RouteAnswer,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../../../src/forges/kit/route.js';
import { issueComment } from '../../../../src/forges/kit/shapes/comment.js';
import { issue } from '../../../../src/forges/kit/shapes/issue.js';
import { label } from '../../../../src/forges/kit/shapes/label.js';
import * as convert from '../convert.js';
import { type NativeMatter, type NativeRemark, type NativeShelf, nativeMatter, nativeRemark } from '../schema.js';
import { ask, exact, pageOf, shelfOf } from './wire.js';

type Asked = readonly [RouteRequest, RouteContext];

const asIssue =
  ([{ params }, { base }]: Asked, shelf: NativeShelf) =>
  (native: NativeMatter) =>
    issue(base, params.owner ?? '', params.repo ?? '', convert.issue(base, native, shelf));
const asComment =
  ([{ params }, { base }]: Asked, shelf: NativeShelf) =>
  (native: NativeRemark) =>
    issueComment(base, params.owner ?? '', params.repo ?? '', convert.remark(base, native, shelf));
const asLabels = ([{ params }, { base }]: Asked, native: NativeMatter) =>
  native.stickers.map((one) => label(base, params.owner ?? '', params.repo ?? '', convert.sticker(one)));

const matter = ([request, context]: Asked) =>
  ask(request, context, 'matter.show', nativeMatter, { no: request.params.issue_number });

async function edited(asked: Asked, change: object): Promise<NativeMatter> {
  const [request, context] = asked;
  return ask(request, context, 'matter.edit', nativeMatter, { no: request.params.issue_number, ...change });
}

const namesIn = ({ body }: RouteRequest): string[] => {
  const list = body.labels ?? body.items;
  if (!Array.isArray(list)) throw invalid('Label', 'labels', 'missing_field');
  return list.map((one) => (typeof one === 'string' ? one : String(one?.name)));
};

/** Replaces the stickers by what `change` makes of them. */
const relabel =
  (change: (now: string[], request: RouteRequest) => string[], status = 200) =>
  async (...asked: Asked): Promise<RouteAnswer> => {
    const now = (await matter(asked)).stickers.map(({ word }) => word);
    const native = await edited(asked, { stickers: change(now, asked[0]) });
    return status === 204 ? { status } : { status, data: asLabels(asked, native) };
  };

function withoutOne(now: string[], { params }: RouteRequest): string[] {
  const name = params.name?.toLowerCase();
  if (!now.some((word) => word.toLowerCase() === name)) throw notFound('Label does not exist');
  return now.filter((word) => word.toLowerCase() !== name);
}

const reassign =
  (change: (now: string[], named: string[]) => string[], status: number) =>
  async (...asked: Asked): Promise<RouteAnswer> => {
    const named = z.array(z.string()).safeParse(asked[0].body.assignees);
    const now = (await matter(asked)).helpers.map(({ handle }) => handle);
    const native = await edited(asked, { helpers: change(now, named.data ?? []) });
    return { status, data: asIssue(asked, await shelfOf(...asked))(native) };
  };

const keyOf = ({ params }: RouteRequest) => ({ key: `re-${params.comment_id}` });
const STAGES: Readonly<Record<string, string>> = { open: 'open', closed: 'shut' };

export const issues: RouteTable = {
  'GET /repos/{owner}/{repo}/issues': exact('read', 'matter.list', async (...asked) => {
    const [request] = asked;
    const { state = 'open' } = request.query;
    const convertOne = asIssue(asked, await shelfOf(...asked));
    return pageOf(...asked, 'matter.list', nativeMatter, convertOne, { stage: STAGES[state] });
  }),
  'POST /repos/{owner}/{repo}/issues': exact('findable', 'matter.open', async (...asked) => {
    const { title: heading, body: text, labels: stickers } = asked[0].body;
    if (typeof heading !== 'string' || heading === '') throw invalid('Issue', 'title', 'missing_field');
    const native = await ask(...asked, 'matter.open', nativeMatter, { sort: 'ticket', heading, text, stickers });
    return { status: 201, data: asIssue(asked, await shelfOf(...asked))(native) };
  }),
  'GET /repos/{owner}/{repo}/issues/{issue_number}': exact('read', 'matter.show', async (...asked) => ({
    data: asIssue(asked, await shelfOf(...asked))(await matter(asked)),
  })),
  'PATCH /repos/{owner}/{repo}/issues/{issue_number}': exact('idempotent', 'matter.edit', async (...asked) => {
    const { title: heading, body: text, state, labels: stickers, assignees: helpers } = asked[0].body;
    const change = { heading, text, stage: STAGES[String(state)], stickers, helpers };
    return { data: asIssue(asked, await shelfOf(...asked))(await edited(asked, change)) };
  }),
  'GET /repos/{owner}/{repo}/issues/{issue_number}/comments': exact('read', 'remark.list', async (...asked) => {
    const convertOne = asComment(asked, await shelfOf(...asked));
    return pageOf(...asked, 'remark.list', nativeRemark, convertOne, { no: asked[0].params.issue_number });
  }),
  'POST /repos/{owner}/{repo}/issues/{issue_number}/comments': exact('findable', 'remark.write', async (...asked) => {
    const args = { no: asked[0].params.issue_number, text: asked[0].body.body };
    const native = await ask(...asked, 'remark.write', nativeRemark, args);
    return { status: 201, data: asComment(asked, await shelfOf(...asked))(native) };
  }),
  'GET /repos/{owner}/{repo}/issues/comments/{comment_id}': exact('read', 'remark.show', async (...asked) => {
    const native = await ask(...asked, 'remark.show', nativeRemark, keyOf(asked[0]));
    return { data: asComment(asked, await shelfOf(...asked))(native) };
  }),
  'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}': exact('idempotent', 'remark.edit', async (...asked) => {
    const args = { ...keyOf(asked[0]), text: asked[0].body.body };
    const native = await ask(...asked, 'remark.edit', nativeRemark, args);
    return { data: asComment(asked, await shelfOf(...asked))(native) };
  }),
  'DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}': exact('idempotent', 'remark.drop', async (...asked) => {
    await ask(...asked, 'remark.drop', z.null(), keyOf(asked[0]));
    return { status: 204 };
  }),
  'GET /repos/{owner}/{repo}/issues/{issue_number}/labels': exact('read', 'matter.show', async (...asked) => ({
    data: asLabels(asked, await matter(asked)),
  })),
  'POST /repos/{owner}/{repo}/issues/{issue_number}/labels': exact(
    'idempotent',
    'matter.edit',
    relabel((now, request) => [...new Set([...now, ...namesIn(request)])]),
  ),
  'PUT /repos/{owner}/{repo}/issues/{issue_number}/labels': exact(
    'idempotent',
    'matter.edit',
    relabel((_now, request) => namesIn(request)),
  ),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels': exact(
    'idempotent',
    'matter.edit',
    relabel(() => [], 204),
  ),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}': exact(
    'idempotent',
    'matter.edit',
    relabel(withoutOne),
  ),
  'POST /repos/{owner}/{repo}/issues/{issue_number}/assignees': exact(
    'idempotent',
    'matter.edit',
    reassign((now, named) => [...new Set([...now, ...named])], 201),
  ),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/assignees': exact(
    'idempotent',
    'matter.edit',
    reassign((now, named) => now.filter((handle) => !named.includes(handle)), 200),
  ),
};
