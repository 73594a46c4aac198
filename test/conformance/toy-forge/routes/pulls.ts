/** Proposals as pull requests. */
import {
  invalid,
  notFound,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../../../src/forges/kit/route.js';
import { commit } from '../../../../src/forges/kit/shapes/commit.js';
import { pullRequest, simplePullRequest } from '../../../../src/forges/kit/shapes/pull-request.js';
import * as convert from '../convert.js';
import { type NativeMatter, nativeChanges, nativeMatter } from '../schema.js';
import { ask, exact, pageOf, shelfOf } from './wire.js';

type Asked = readonly [RouteRequest, RouteContext];
const HOW = { added: 'added', changed: 'modified', gone: 'removed' } as const;

async function proposal([request, context]: Asked): Promise<NativeMatter> {
  const native = await ask(request, context, 'matter.show', nativeMatter, { no: request.params.pull_number });
  if (native.sort !== 'proposal') throw notFound();
  return native;
}

const full = async (asked: Asked, native: NativeMatter) => {
  const { base } = asked[1];
  return pullRequest(base, convert.proposal(base, native, await shelfOf(...asked)));
};

const changes = (...[request, context]: Asked) =>
  ask(request, context, 'proposal.changes', nativeChanges, { no: request.params.pull_number });

export const pulls: RouteTable = {
  'GET /repos/{owner}/{repo}/pulls': exact('read', 'matter.list', async (request, context) => {
    const { base } = context;
    const shelf = await shelfOf(request, context);
    const stage = { open: 'open', closed: 'shut' }[request.query.state ?? 'open'];
    const shape = (one: NativeMatter) => simplePullRequest(base, convert.proposal(base, one, shelf));
    return pageOf(request, context, 'matter.list', nativeMatter, shape, { sort: 'proposal', stage });
  }),
  'POST /repos/{owner}/{repo}/pulls': exact('findable', 'matter.open', async (...asked) => {
    const { title: heading, body: text, head: from, base: into } = asked[0].body;
    if (typeof heading !== 'string') throw invalid('PullRequest', 'title', 'missing_field');
    const args = { sort: 'proposal', heading, text, from, into };
    return { status: 201, data: await full(asked, await ask(...asked, 'matter.open', nativeMatter, args)) };
  }),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}': exact('read', 'matter.show', async (...asked) => ({
    data: await full(asked, await proposal(asked)),
  })),
  'PATCH /repos/{owner}/{repo}/pulls/{pull_number}': exact('idempotent', 'matter.edit', async (...asked) => {
    const { no } = await proposal(asked);
    const { title: heading, body: text, state } = asked[0].body;
    const stage = { open: 'open', closed: 'shut' }[String(state)];
    return { data: await full(asked, await ask(...asked, 'matter.edit', nativeMatter, { no, heading, text, stage })) };
  }),
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge': exact('findable', 'proposal.merge', async (...asked) => {
    const { no } = await proposal(asked);
    const says = asked[0].body.commit_title;
    const native = await ask(...asked, 'proposal.merge', nativeMatter, { no, says });
    return { data: { sha: native.landed, merged: true, message: 'Pull Request successfully merged' } };
  }),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/merge': exact('read', 'matter.show', async (...asked) => {
    if ((await proposal(asked)).stage !== 'merged') throw notFound();
    return { status: 204 };
  }),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/commits': exact('read', 'proposal.changes', async (...asked) => {
    const [{ params }, { base }] = asked;
    const shelf = await shelfOf(...asked);
    const { commits } = await changes(...asked);
    const data = commits.map((one) =>
      commit(base, params.owner ?? '', params.repo ?? '', convert.commit(base, one, shelf)),
    );
    return { data, pages: { next: false } };
  }),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/files': exact('read', 'proposal.changes', async (...asked) => {
    const { files } = await changes(...asked);
    return { data: files.map(({ path, how }) => ({ filename: path, status: HOW[how] })), pages: { next: false } };
  }),
};
