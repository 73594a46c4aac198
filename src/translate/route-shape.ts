/** Names a request in logs without saying whose it is: no owner, no repository, no number, no query. */

/** Words after which this many segments are names; Infinity means the rest of the path is one. */
const NAMES_AFTER: Readonly<Record<string, number>> = {
  repos: 2,
  orgs: 1,
  users: 1,
  teams: 1,
  enterprises: 1,
  collaborators: 1,
  assignees: 1,
  members: 1,
  memberships: 1,
  environments: 1,
  secrets: 1,
  variables: 1,
  workflows: 1,
  branches: Number.POSITIVE_INFINITY,
  compare: Number.POSITIVE_INFINITY,
  commits: 1,
  contents: Number.POSITIVE_INFINITY,
  labels: Number.POSITIVE_INFINITY,
  ref: Number.POSITIVE_INFINITY,
  refs: Number.POSITIVE_INFINITY,
  'matching-refs': Number.POSITIVE_INFINITY,
  statuses: 1,
  tags: Number.POSITIVE_INFINITY,
  tarball: Number.POSITIVE_INFINITY,
  zipball: Number.POSITIVE_INFINITY,
};
const WORD = /^[a-z][a-z_-]*$/;

/** `/repos/acme/web/issues/7/comments` as `/repos/{}/{}/issues/{}/comments`. */
export function routeShape(path: string): string {
  const shape: string[] = [];
  let names = 0;
  for (const segment of path.split('/').filter((part) => part !== '')) {
    if (names > 0) {
      names -= 1;
      if (names !== Number.POSITIVE_INFINITY || shape.at(-1) !== '{}') shape.push('{}');
    } else if (WORD.test(segment)) {
      shape.push(segment);
      names = NAMES_AFTER[segment] ?? 0;
    } else shape.push('{}');
  }
  return `/${shape.join('/')}`;
}
