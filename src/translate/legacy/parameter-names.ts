/** What parameters of a route were called before, and the few whose meaning moved with their name. */

export type Parameters = Readonly<Record<string, unknown>>;

/**
 * By what a route calls a part of its path now, the names under which old code gives it, the likeliest first. `number` was
 * an issue's and a pull request's, and `context.issue()` is given to routes of both.
 */
const OLD_NAMES: Readonly<Record<string, readonly string[]>> = {
  issue_number: ['number', 'pull_number'],
  pull_number: ['number', 'issue_number'],
  milestone_number: ['number'],
  comment_id: ['id'],
  review_id: ['id'],
  release_id: ['id'],
  asset_id: ['id'],
  hook_id: ['id'],
  installation_id: ['id'],
  deployment_id: ['id'],
  event_id: ['id'],
  account_id: ['id'],
  plan_id: ['id'],
  check_run_id: ['id'],
  check_suite_id: ['id'],
  commit_sha: ['sha'],
  tree_sha: ['sha'],
  file_sha: ['sha'],
  tag_sha: ['sha'],
  ref: ['sha', 'branch', 'namespace'],
  username: ['user', 'login'],
};

/** Names of the same number; a route gets the one it knows, and not the others as fields of its body. */
const NUMBERS = ['number', 'issue_number', 'pull_number'] as const;

type Rewrite = (parameters: Parameters) => Parameters;

/** The old name stands for the label, the new one for what it is to be called. */
const renamedLabel: Rewrite = ({ current_name: current, oldname, name, ...rest }) => {
  const label = current ?? oldname;
  return label === undefined
    ? { ...rest, name }
    : { ...rest, name: label, ...(name !== undefined && { new_name: name }) };
};

const asSha: Rewrite = (parameters) => ({ ...parameters, mediaType: { format: 'sha' } });

/** What is uploaded was its `file`, or its `contents`; `url` is the release's, and is asked instead of the route. */
const asData: Rewrite = ({ file, contents, contentLength: _, contentType, headers, ...rest }) => {
  const type =
    contentType === undefined ? headers : { ...(headers as object | undefined), 'content-type': contentType };
  return { ...rest, ...(type !== undefined && { headers: type }), data: rest.data ?? file ?? contents };
};

/** By namespace and the method as old code calls it. */
const REWRITES: Readonly<Record<string, Rewrite>> = {
  'repos.uploadAsset': asData,
  'repos.uploadReleaseAsset': asData,
  'issues.updateLabel': renamedLabel,
  'repos.getShaOfCommitRef': asSha,
  'repos.getCommitRefSha': asSha,
};

/** The parameters as the route of now knows them. `template` is its path, such as `/repos/{owner}/{repo}/pulls/{pull_number}`. */
export function currentParameters(template: string, method: string, given: Parameters): Parameters {
  const parameters: Record<string, unknown> = { ...(REWRITES[method]?.(given) ?? given) };
  const wanted = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  for (const name of wanted) {
    if (parameters[name] !== undefined) continue;
    const old = (OLD_NAMES[name] ?? []).find((candidate) => parameters[candidate] !== undefined);
    if (old === undefined) continue;
    parameters[name] = parameters[old];
    if (!wanted.includes(old)) delete parameters[old];
  }
  if (wanted.some((name) => NUMBERS.some((number) => number === name)))
    for (const number of NUMBERS) if (!wanted.includes(number)) delete parameters[number];
  return parameters;
}
