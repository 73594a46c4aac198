/** What GitLab's REST lists of files leave out and its GraphQL tells: how large they are, and their SHAs. */
import { z } from 'zod';
import type { RouteContext } from '../../kit/route.js';
import type { FileInput } from '../../kit/shapes/inputs.js';
import { askGraphql } from './graphql-ask.js';
import { type Place, refused } from './place.js';

const blobs = z.looseObject({
  project: z
    .looseObject({
      repository: z
        .looseObject({
          blobs: z
            .looseObject({
              nodes: z.array(
                z
                  .looseObject({ path: z.string(), oid: z.string().nullish(), size: z.coerce.number().nullish() })
                  .nullish(),
              ),
            })
            .nullish(),
        })
        .nullish(),
    })
    .nullish(),
});
const BLOBS =
  'query blobs($project: ID!, $ref: String!, $paths: [String!]!) { project(fullPath: $project) { repository { blobs(ref: $ref, paths: $paths) { nodes { path oid size } } } } }';
/** Nodes of one of GitLab's pages. */
const AT_ONCE = 100;
/** The GraphQL of a server that is too old, or that a token without `read_api` may not ask. */
const NOT_TOLD: readonly number[] = [401, 403, 404, 501];

interface BlobFacts {
  sha: string | undefined;
  size: number | undefined;
}

/** By path; empty where GitLab's GraphQL may not be asked. A path that is no file has none. */
export async function blobFacts(
  context: RouteContext,
  place: Pick<Place, 'path'>,
  ref: string,
  paths: readonly string[],
): Promise<ReadonlyMap<string, BlobFacts>> {
  const found = new Map<string, BlobFacts>();
  for (let from = 0; from < paths.length; from += AT_ONCE) {
    const variables = { project: place.path, ref, paths: paths.slice(from, from + AT_ONCE) };
    const told = await refused(
      () => askGraphql(context, BLOBS, variables, blobs),
      NOT_TOLD,
      () => undefined,
    );
    if (told === undefined) break;
    for (const node of told.project?.repository?.blobs?.nodes ?? [])
      if (node) found.set(node.path, { sha: node.oid ?? undefined, size: node.size ?? undefined });
  }
  return found;
}

/** The same files with their SHAs: those that are there at `now`, and those that were removed as they were at `before`. */
export async function withShas(
  context: RouteContext,
  place: Pick<Place, 'path'>,
  files: readonly FileInput[],
  { now, before }: { now: string; before: string | undefined },
): Promise<FileInput[]> {
  const pathsOf = (gone: boolean) =>
    files.filter(({ status }) => (status === 'removed') === gone).map(({ path }) => path);
  const [present, removed] = await Promise.all([
    blobFacts(context, place, now, pathsOf(false)),
    before === undefined ? undefined : blobFacts(context, place, before, pathsOf(true)),
  ]);
  return files.map((one) => {
    const sha = (one.status === 'removed' ? removed : present)?.get(one.path)?.sha;
    return { ...one, ...(sha !== undefined && { sha }) };
  });
}
