/** What the forge says of a repository, in GitHub's language, for the runs of workspaces. */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import { refusalOf } from '../sync/denied.js';
import type { ForgeOctokit } from '../sync/octokit.js';

const id = z.union([z.number(), z.string(), z.bigint()]).transform(BigInt);
const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/);
const repository = z.object({
  id,
  full_name: z.string(),
  default_branch: z.string(),
  private: z.boolean().default(true),
});
const reference = z.object({ object: z.object({ sha }) });
const pull = z.object({
  number: z.number().int(),
  title: z.string().default(''),
  user: z.object({ id, login: z.string() }).nullish(),
  head: z.object({ sha, ref: z.string().default(''), repo: z.object({ id }).nullish() }),
  base: z.object({ ref: z.string(), repo: z.object({ id }) }),
});
const files = z.array(z.object({ filename: z.string(), previous_filename: z.string().nullish() }));
const compared = z.object({ files: files.optional() });

export type OpenPull = z.output<typeof pull>;
/** `isWhole`: there are no more than these. */
export type OpenPulls = { list: OpenPull[]; isWhole: boolean };
export type RepositoryFacts = z.output<typeof repository>;

/** `group/sub/name` as GitHub's routes take it. */
export function placeOf(path: string): { owner: string; repo: string } {
  const parts = path.split('/');
  return { owner: parts.slice(0, -1).join('~'), repo: parts.at(-1) ?? '' };
}

/** As a path again. */
export const pathOf = (fullName: string): string => fullName.replaceAll('~', '/');

export type Conditional<T> = { changed: true; value: T; etag: string | null } | { changed: false };

export class ForgeRefusal extends Error {
  override readonly name = 'ForgeRefusal';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const PER_PAGE = 100;
const PAGES = 10;
/** More files than this are not compared: then every change counts. */
const MOST_FILES = 300;

/** In words a person can act upon; rethrows what trying again may mend. */
function refused(error: unknown, what: string, hint404: string): never {
  const status = refusalOf(error)?.status;
  const say: Record<number, string> = {
    401: 'The forge does not accept the token of the connection (401): it has expired or was revoked. Connect the account again.',
    403: `The connection may not ${what} (403). GitHub: give the App “Contents: read” and “Pull requests: read”; GitLab: a token with read_api and read_repository.`,
    404: hint404,
    410: hint404,
    451: `The forge does not let anybody ${what} (451).`,
  };
  const text = status === undefined ? undefined : say[status];
  if (status === undefined || text === undefined) throw error;
  throw new ForgeRefusal(status, text);
}

export function createForgeRepository(octokit: ForgeOctokit, path: string, signal: AbortSignal) {
  const place = placeOf(path);

  async function conditional<T>(
    route: string,
    parameters: Record<string, unknown>,
    etag: string | null | undefined,
    read: (data: unknown) => T,
  ): Promise<Conditional<T>> {
    try {
      const { data, headers } = await octokit.request(route, {
        ...{ ...place, ...parameters },
        ...(etag ? { headers: { 'if-none-match': etag } } : {}),
        request: { signal },
      });
      return { changed: true, value: read(data), etag: typeof headers.etag === 'string' ? headers.etag : null };
    } catch (error) {
      if (error instanceof Error && 'status' in error && error.status === 304) return { changed: false };
      throw error;
    }
  }

  return {
    path,

    async facts(): Promise<RepositoryFacts> {
      try {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}', { ...place, request: { signal } });
        return repository.parse(data);
      } catch (error) {
        return refused(
          error,
          `read ${path}`,
          `There is no repository ${path} (404), or the connection does not see it. Correct the workspace's vcs-repo-url, or give the connection access.`,
        );
      }
    },

    async branch(name: string, etag?: string | null): Promise<Conditional<string>> {
      try {
        return await conditional(
          'GET /repos/{owner}/{repo}/git/ref/{ref}',
          { ref: `heads/${name}` },
          etag,
          (data) => reference.parse(data).object.sha,
        );
      } catch (error) {
        return refused(
          error,
          `read branches of ${path}`,
          `There is no branch ${name} in ${path} (404). Push it, or correct the workspace's vcs-branch.`,
        );
      }
    },

    /** The open ones against a branch, the newest first. An answer of one page carries the ETag of the whole. */
    async openPulls(base: string, etag?: string | null): Promise<Conditional<OpenPulls>> {
      const route = 'GET /repos/{owner}/{repo}/pulls';
      const parameters = { state: 'open', base, per_page: PER_PAGE, sort: 'updated', direction: 'desc' };
      const read = (data: unknown) => z.array(pull).parse(data);
      try {
        const page = await conditional(route, parameters, etag, read);
        if (!page.changed) return page;
        if (page.value.length < PER_PAGE) return { ...page, value: { list: page.value, isWhole: true } };
        let isWhole = false;
        const all = new Map(page.value.map((one) => [one.number, one]));
        for (let number = 2; number <= PAGES; number += 1) {
          const next = await conditional(route, { ...parameters, page: number }, null, read);
          const value = next.changed ? next.value : [];
          for (const one of value) all.set(one.number, one);
          isWhole = value.length < PER_PAGE;
          if (isWhole) break;
        }
        return { changed: true, value: { list: [...all.values()], isWhole }, etag: null };
      } catch (error) {
        return refused(error, `list pull requests of ${path}`, `${path} does not show its pull requests (404).`);
      }
    },

    /** Paths that differ between two commits; undefined where there are too many to tell, or they cannot be compared. */
    async changedBetween(from: string, to: string): Promise<string[] | undefined> {
      try {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/compare/{basehead}', {
          ...{ ...place, basehead: `${from}...${to}`, request: { signal } },
        });
        return namesOf(compared.parse(data).files ?? []);
      } catch (error) {
        // The older commit may be gone after a force-push.
        const status = refusalOf(error)?.status;
        if (status === 404 || status === 422 || status === 501) return undefined;
        throw error;
      }
    },

    /** Undefined also where the forge cannot list them: then every change is of interest, and nobody behind it waits. */
    async changedIn(number: number): Promise<string[] | undefined> {
      const all: z.output<typeof files> = [];
      try {
        for (let page = 1; page <= Math.ceil(MOST_FILES / PER_PAGE); page += 1) {
          const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}/files', {
            ...{ ...place, pull_number: number, per_page: PER_PAGE, page, request: { signal } },
          });
          const some = files.parse(data);
          all.push(...some);
          if (some.length < PER_PAGE) return namesOf(all);
        }
      } catch (error) {
        const status = refusalOf(error)?.status;
        if (status !== 404 && status !== 422 && status !== 501) throw error;
      }
      return undefined;
    },

    /** The files at a commit as a tar, while it comes. @throws ForgeRefusal, ForgewayError */
    async archive(commit: string): Promise<AsyncIterable<Uint8Array>> {
      try {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/tarball/{ref}', {
          ...{ ...place, ref: commit },
          request: { signal, parseSuccessResponseBody: false },
        });
        return streamOf(data);
      } catch (error) {
        return refused(
          error,
          `read the files of ${path}`,
          `${path} has no commit ${commit.slice(0, 7)} any more (404), or the connection does not see it.`,
        );
      }
    },
  };
}

export type ForgeRepository = ReturnType<typeof createForgeRepository>;

function namesOf(list: z.output<typeof files>): string[] | undefined {
  if (list.length >= MOST_FILES) return undefined;
  return list.flatMap(({ filename, previous_filename }) =>
    previous_filename ? [filename, previous_filename] : [filename],
  );
}

function streamOf(data: unknown): AsyncIterable<Uint8Array> {
  if (data instanceof Uint8Array || data instanceof ArrayBuffer) return oneChunk(new Uint8Array(data));
  if (typeof data === 'object' && data !== null && Symbol.asyncIterator in data)
    return data as AsyncIterable<Uint8Array>;
  if (typeof data === 'object' && data !== null && Object.prototype.toString.call(data) === '[object ArrayBuffer]')
    return oneChunk(new Uint8Array(data as ArrayBuffer));
  throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', 'The forge answered without an archive.');
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Whether any of the paths lies below one of the prefixes; without prefixes every change is of interest. */
export function concerns(paths: readonly string[] | undefined, prefixes: readonly string[]): boolean {
  if (prefixes.length === 0 || paths === undefined) return true;
  const below = prefixes.map((prefix) => prefix.replace(/^\.?\/+|\/+$/g, ''));
  return paths.some((path) =>
    below.some((prefix) => prefix === '' || path === prefix || path.startsWith(`${prefix}/`)),
  );
}
