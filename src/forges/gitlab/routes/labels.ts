import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import * as shape from '../../kit/shapes/label.js';
import { labelInput, labelInputs, type NativeLabel, nativeLabel } from '../convert/label.js';
import { read } from '../convert/read.js';
import { accept, labelsAt, type Place, page, param, placeOf, refused, type Thread, threadOf } from './place.js';

const shown = (context: RouteContext, place: Place, label: NativeLabel) =>
  shape.label(context.base, place.owner, place.repo, labelInput(label));

const color = z
  .string()
  .regex(/^#?[0-9a-f]{6}$/i)
  .transform((text) => `#${text.replace('#', '')}`);
const newLabel = z.looseObject({
  name: z.string().min(1),
  color: color.default('#ededed'),
  description: z.string().nullish(),
});
const changedLabel = z.looseObject({
  new_name: z.string().min(1).optional(),
  color: color.optional(),
  description: z.string().nullish(),
});

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'labels: GET /projects/:id/labels',
  note: 'Labels that the project inherits from its groups are listed too.',
  async run(request, context) {
    const place = placeOf(request);
    const { items, pages } = await page(request, context, `${place.api}/labels`, nativeLabel);
    return { data: items.map((label) => shown(context, place, label)), pages };
  },
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source: 'labels: GET /projects/:id/labels/:label_id',
  async run(request, context) {
    const place = placeOf(request);
    const label = read(
      nativeLabel,
      await context.native.get(`${place.api}/labels/${segment(param(request, 'name'))}`),
      'label',
    );
    return { data: shown(context, place, label) };
  },
};

const create: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'labels: POST /projects/:id/labels',
  async run(request, context) {
    const place = placeOf(request);
    const { name, color: hex, description } = accept('Label', newLabel, request.body);
    const json = { name, color: hex, description: description ?? '' };
    const answer = await refused(
      () => context.native.send('POST', `${place.api}/labels`, { json }),
      [409],
      () => {
        throw invalid('Label', 'name', 'already_exists');
      },
    );
    return { status: 201, data: shown(context, place, read(nativeLabel, answer.data, 'label')) };
  },
};

const update: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'labels: PUT /projects/:id/labels/:label_id',
  async run(request, context) {
    const place = placeOf(request);
    const path = `${place.api}/labels/${segment(param(request, 'name'))}`;
    const { new_name, color: hex, description } = accept('Label', changedLabel, request.body);
    const json = { new_name, color: hex, ...(description !== undefined && { description: description ?? '' }) };
    // GitLab refuses a change of nothing.
    const isEmpty = Object.values(json).every((value) => value === undefined);
    const data = isEmpty ? await context.native.get(path) : (await context.native.send('PUT', path, { json })).data;
    return { data: shown(context, place, read(nativeLabel, data, 'label')) };
  },
};

const remove: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'labels: DELETE /projects/:id/labels/:label_id',
  async run(request, context) {
    const place = placeOf(request);
    await context.native.send('DELETE', `${place.api}/labels/${segment(param(request, 'name'))}`);
    return { status: 204 };
  },
};

const thread = z.looseObject({ labels: z.array(z.union([z.string(), nativeLabel])) });

/** Labels of an issue or merge request after `change`, or as they are. */
async function labelled(request: RouteRequest, context: RouteContext, change?: Readonly<Record<string, string>>) {
  const place = placeOf(request);
  const { api } = threadOf(request, place);
  const data = change ? (await context.native.send('PUT', api, { json: change })).data : await context.native.get(api);
  const { labels } = read(thread, data, 'labels');
  const known = await labelsAt(context, place, labels);
  return labelInputs(labels, known).map((label) => shape.label(context.base, place.owner, place.repo, label));
}

const names = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.union([z.string(), z.looseObject({ name: z.string() }).transform(({ name }) => name)])),
);
/** GitLab separates names by commas and has none with a comma in it. */
const joined = (list: readonly string[]): string => {
  if (list.some((name) => name.includes(',')))
    throw invalid('Label', 'name', 'invalid', 'A label of GitLab has no comma in its name.');
  return list.join(',');
};
/** Old clients send the bare list as the body. */
const namesIn = (request: RouteRequest): string[] =>
  accept(
    'Label',
    z.looseObject({ labels: names.default([]) }),
    Array.isArray(request.body) ? { labels: request.body } : request.body,
  ).labels;

const listOnThread: Route = {
  support: 'exact',
  retry: 'read',
  source:
    'issues: GET /projects/:id/issues/:issue_iid; merge_requests: GET /projects/:id/merge_requests/:merge_request_iid',
  run: async (request, context) => ({
    data: request.page > 1 ? [] : await labelled(request, context),
    pages: { next: false },
  }),
};

const add: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'issues, merge_requests: PUT with add_labels',
  run: async (request, context) => ({
    data: await labelled(request, context, { add_labels: joined(namesIn(request)) }),
  }),
};

const set: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'issues, merge_requests: PUT with labels',
  run: async (request, context) => ({ data: await labelled(request, context, { labels: joined(namesIn(request)) }) }),
};

/** GitHub answers 404 for a label that is not there; GitLab would not say. */
async function namesOn(context: RouteContext, on: Thread): Promise<string[]> {
  const { labels } = read(thread, await context.native.get(on.api), 'labels');
  return labels.map((label) => (typeof label === 'string' ? label : label.name));
}

const removeOne: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'issues, merge_requests: PUT with remove_labels',
  async run(request, context) {
    const name = param(request, 'name');
    const present = await namesOn(context, threadOf(request, placeOf(request)));
    if (!present.includes(name)) throw notFound('Label does not exist');
    return { data: await labelled(request, context, { remove_labels: joined([name]) }) };
  },
};

const removeAll: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'issues, merge_requests: PUT with labels',
  async run(request, context) {
    await labelled(request, context, { labels: '' });
    return { status: 204 };
  },
};

export const labels: RouteTable = {
  'GET /repos/{owner}/{repo}/labels': list,
  'GET /repos/{owner}/{repo}/labels/{name}': get,
  'POST /repos/{owner}/{repo}/labels': create,
  'PATCH /repos/{owner}/{repo}/labels/{name}': update,
  'DELETE /repos/{owner}/{repo}/labels/{name}': remove,
  'GET /repos/{owner}/{repo}/issues/{issue_number}/labels': listOnThread,
  'POST /repos/{owner}/{repo}/issues/{issue_number}/labels': add,
  'PUT /repos/{owner}/{repo}/issues/{issue_number}/labels': set,
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name}': removeOne,
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels': removeAll,
};
