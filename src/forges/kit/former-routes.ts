/**
 * Addresses that GitHub had, and that Octokit until version 17 asks for: an app in an old Probot of its own uses them, and so
 * do apps that wrote them by hand. Each runs on the row that replaced it, so that no forge has to know. Where the row's own
 * address may be given without its last part, as GitHub allows for refs, that is here as well.
 */
import { type Route, RouteFailure, type RouteTable } from './route.js';

const REPOSITORY = 'GET /repos/{owner}/{repo}';
const REF = 'GET /repos/{owner}/{repo}/git/ref/{ref}';
const MATCHING_REFS = 'GET /repos/{owner}/{repo}/git/matching-refs/{ref}';
const EVERY_REF = 'GET /repos/{owner}/{repo}/git/matching-refs';

/** All refs: those that begin with nothing. */
const everyRef = <C>(matching: Route<C>): Route<C> => ({
  ...matching,
  run: (request, context) => matching.run({ ...request, params: { ...request.params, ref: '' } }, context),
});

/** The ref, or when there is none the list of those that begin so; 404 when that is empty. */
const refOrMatching = <C>(one: Route<C>, matching: Route<C>): Route<C> => ({
  ...one,
  async run(request, context) {
    try {
      return await one.run(request, context);
    } catch (error) {
      if (!(error instanceof RouteFailure) || error.status !== 404) throw error;
      const answer = await matching.run(request, context);
      if (Array.isArray(answer.data) && answer.data.length === 0) throw error;
      return answer;
    }
  },
});

/** GitHub's downloads ended in 2012, and their list has been empty since; what was asked for is looked for all the same. */
const noDownloads = <C>(repository: Route<C>): Route<C> => ({
  ...repository,
  async run(request, context) {
    await repository.run(request, context);
    return { data: [], pages: { next: false } };
  },
});

/** Rows for what a table answers under another address. */
export function formerRoutes<C>(table: RouteTable<C>): RouteTable<C> {
  const one = table[REF];
  const matching = table[MATCHING_REFS];
  const repository = table[REPOSITORY];
  const downloads = repository && { [`${REPOSITORY}/downloads`]: noDownloads(repository) };
  if (one === undefined || matching === undefined) return { ...downloads };
  return {
    ...downloads,
    [EVERY_REF]: everyRef(matching),
    'GET /repos/{owner}/{repo}/git/refs': everyRef(matching),
    'GET /repos/{owner}/{repo}/git/refs/{ref}': refOrMatching(one, matching),
  };
}
