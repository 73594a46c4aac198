/** What GitHub might have answered to a write that was not sent: the object as it was asked for, with an id. */

const STATUS: Readonly<Record<string, number>> = { POST: 201, PUT: 200, PATCH: 200, DELETE: 204 };
const GRAPHQL = /\/graphql$/;
const NO_COMMIT = '0'.repeat(40);

type Json = Readonly<Record<string, unknown>>;
const objectOf = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};

/** `path` is below the API's base, and may have a query; `sent` is the body read as JSON, a bare list as it was or as `items`. */
export function madeUpAnswer(method: string, path: string, sent: unknown): Response {
  const [plain = path] = path.split('?', 1);
  if (GRAPHQL.test(plain)) return Response.json({ data: {} });
  const status = STATUS[method] ?? 200;
  if (status === 204) return new Response(null, { status });
  return Response.json(madeUp(plain, sent), { status });
}

function madeUp(path: string, sent: unknown): unknown {
  const fields = objectOf(sent);
  if (/\/issues\/[^/]+\/labels$/.test(path)) {
    const names = Array.isArray(sent) ? sent : (fields.labels ?? fields.items);
    return Array.isArray(names)
      ? names.map((name: unknown, at) => ({ id: at + 1, ...(typeof name === 'object' ? name : { name }) }))
      : [];
  }
  if (/\/pulls\/[^/]+\/merge$/.test(path))
    return { sha: fields.sha ?? NO_COMMIT, merged: true, message: 'Pull Request successfully merged' };
  if (/\/contents\//.test(path)) return { content: { sha: NO_COMMIT }, commit: { sha: NO_COMMIT, ...fields } };
  if (/\/git\/refs/.test(path)) return { ref: fields.ref, object: { type: 'commit', sha: fields.sha ?? NO_COMMIT } };
  if (/\/git\/(blobs|trees|commits|tags)$/.test(path)) return { ...fields, sha: NO_COMMIT };
  return { id: 1, node_id: '', number: 1, html_url: '', ...fields };
}
