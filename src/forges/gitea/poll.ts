/**
 * What changed in a repository of Gitea's or Forgejo's. Its list of issues holds pull requests too, and stands in the order
 * of creation: what is changed while it is read can move others to a later page only.
 *
 * @see https://docs.gitea.com/api, issue: GET /repos/{owner}/{repo}/issues and repository: GET /repos/{owner}/{repo}/branches
 */
import { z } from 'zod';
import { segment } from '../kit/native-client.js';
import { pollList, pollTime, tellingOf } from '../kit/poll-list.js';
import type { ForgePoll, PolledPlace } from '../poll.js';

/** What a server allows unless its owner said less; a shorter page than asked for is told by the link to the next one. */
const PAGE = 50;

const changed = z
  .object({ number: z.number().int().positive(), updated_at: pollTime, pull_request: z.unknown().optional() })
  .transform(({ number, updated_at: updatedAt, pull_request: pull }) => ({
    number,
    updatedAt,
    isPull: pull !== undefined && pull !== null,
  }));
const branch = z
  .object({ name: z.string(), commit: z.object({ id: z.string() }) })
  .transform(({ name, commit }) => ({ name, sha: commit.id }));

const pathOf = ({ owner, name }: PolledPlace) => `/repos/${segment(owner)}/${segment(name)}`;

export const poll: ForgePoll = {
  changed: (native, place, { since, etag }) =>
    pollList(native, {
      path: `${pathOf(place)}/issues`,
      query: { state: 'all', since: since.toISOString() },
      size: ['limit', PAGE],
      etag,
      item: changed,
    }),
  branches: (native, place, { etag }) =>
    pollList(native, { path: `${pathOf(place)}/branches`, query: {}, size: ['limit', PAGE], etag, item: branch }),
  telling: tellingOf,
};
