/**
 * What changed in a repository of GitHub's. A conditional request that finds nothing does not count against the limit.
 *
 * @see https://docs.github.com/rest/issues/issues#list-repository-issues and https://docs.github.com/rest/branches/branches
 */
import { z } from 'zod';
import { segment } from '../kit/native-client.js';
import { pollList, pollTime, tellingOf } from '../kit/poll-list.js';
import type { ForgePoll, PolledPlace } from '../poll.js';

const changed = z
  .object({ number: z.number().int().positive(), updated_at: pollTime, pull_request: z.unknown().optional() })
  .transform(({ number, updated_at: updatedAt, pull_request: pull }) => ({
    number,
    updatedAt,
    isPull: pull !== undefined && pull !== null,
  }));
const branch = z
  .object({ name: z.string(), commit: z.object({ sha: z.string() }) })
  .transform(({ name, commit: { sha } }) => ({ name, sha }));

const pathOf = ({ owner, name }: PolledPlace) => `/repos/${segment(owner)}/${segment(name)}`;

export const poll: ForgePoll = {
  // Newest first: what is changed meanwhile comes to the front, so that nothing slips through between two pages, and
  // every change alters the first page, which is all that its ETag speaks of.
  changed: (native, place, { since, etag }) =>
    pollList(native, {
      path: `${pathOf(place)}/issues`,
      query: { state: 'all', sort: 'updated', direction: 'desc', since: since.toISOString() },
      size: ['per_page', 100],
      etag,
      item: changed,
    }),
  branches: (native, place, { etag }) =>
    pollList(native, { path: `${pathOf(place)}/branches`, query: {}, size: ['per_page', 100], etag, item: branch }),
  telling: tellingOf,
};
