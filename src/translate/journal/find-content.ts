/** Refs and files: by what they hold now. */
import type { JsonObject } from '../../forges/forge.js';
import { done, made, noEffect, objectIn, sameText, textIn } from './candidates.js';
import type { Candidate, Finder, Finders, Sought } from './find.js';
import type { Look } from './look.js';

const REPOSITORY = '/repos/{owner}/{repo}';

/** The ref, when it points to what was sent. */
async function refAt(sought: Sought, ref: string, look: Look): Promise<JsonObject | undefined> {
  const { owner, repo } = sought.params;
  const found = await look.get(`GET ${REPOSITORY}/git/ref/{ref}`, { owner, repo, ref: ref.replace(/^refs\//, '') });
  return objectIn(found, 'object').sha === sought.sent.sha ? found : undefined;
}

/** The last commit that touched the file, in the form in which contents are answered. */
async function lastCommit({ params, sent }: Sought, look: Look): Promise<JsonObject | undefined> {
  const { owner, repo, path } = params;
  const list = `GET ${REPOSITORY}/commits`;
  const branch = textIn(sent, 'branch');
  const [last] = await look.list(
    list,
    { owner, repo, path, ...(branch !== '' && { sha: branch }) },
    { enough: () => true },
  );
  if (last === undefined) return undefined;
  const { sha, node_id, url, html_url, parents } = last;
  const commit = objectIn(last, 'commit');
  return sameText(commit.message, sent.message) ? { ...commit, sha, node_id, url, html_url, parents } : undefined;
}

/** What a delete is asked for stands in its query where a client keeps no body. */
const withQuery = (sought: Sought): Sought => ({
  ...sought,
  sent: { ...Object.fromEntries(sought.query), ...sought.sent },
});

async function file(sought: Sought, look: Look): Promise<JsonObject | undefined> {
  const { owner, repo, path } = sought.params;
  const branch = textIn(sought.sent, 'branch');
  return look.get(`GET ${REPOSITORY}/contents/{path}`, { owner, repo, path, ...(branch !== '' && { ref: branch }) });
}

const commitEffect: Finder['effect'] = (answer) => {
  const { sha } = objectIn(answer, 'commit');
  return typeof sha === 'string' ? `commit ${sha}` : undefined;
};

async function written(sought: Sought, look: Look): Promise<readonly Candidate[]> {
  const content = await file(sought, look);
  const bytes = (text: string) => Buffer.from(text, 'base64');
  if (content === undefined || !bytes(textIn(content, 'content')).equals(bytes(textIn(sought.sent, 'content'))))
    return [];
  const commit = await lastCommit(sought, look);
  if (commit === undefined) return [];
  const { content: _content, encoding: _encoding, ...rest } = content;
  return [(sought.sent.sha === undefined ? made : done)({ content: rest, commit })];
}

async function removed(asked: Sought, look: Look): Promise<readonly Candidate[]> {
  const sought = withQuery(asked);
  if ((await file(sought, look)) !== undefined) return [];
  const commit = await lastCommit(sought, look);
  return commit === undefined ? [] : [done({ content: null, commit })];
}

export const contentFinders: Finders = {
  [`POST ${REPOSITORY}/git/refs`]: {
    effect: noEffect,
    async find(sought, look) {
      const found = await refAt(sought, textIn(sought.sent, 'ref'), look);
      return found === undefined ? [] : [made(found)];
    },
  },
  [`PATCH ${REPOSITORY}/git/refs/{ref}`]: {
    effect: noEffect,
    async find(sought, look) {
      const found = await refAt(sought, sought.params.ref ?? '', look);
      return found === undefined ? [] : [done(found)];
    },
  },
  [`PUT ${REPOSITORY}/contents/{path}`]: { effect: commitEffect, find: written },
  [`DELETE ${REPOSITORY}/contents/{path}`]: { effect: commitEffect, find: removed },
};
