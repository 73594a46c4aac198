/** Whether a repository wants a preview of this at all: by label, by what was changed, by the name of the branch. */
import { z } from 'zod';
import type { ForgeOctokit } from '../sync/octokit.js';
import { someMatches } from './patterns.js';
import type { PreviewConfig } from './preview-config.js';
import type { PreviewRecord } from './preview-record.js';

const PAGE = 100;
/** What forges tell of one pull request; of a larger one everything counts as changed. */
const MOST_PAGES = 30;
const files = z.array(z.object({ filename: z.string(), previous_filename: z.string().nullish() }));

async function changesOneOf(
  octokit: ForgeOctokit,
  { repository: { owner, name } }: PreviewRecord,
  o: { number: number; paths: readonly string[]; signal: AbortSignal },
): Promise<boolean> {
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}/files', {
      ...{ owner, repo: name, pull_number: o.number, per_page: PAGE, page },
      request: { signal: o.signal },
    });
    const changed = files.parse(data);
    const names = changed.flatMap((one) => [one.filename, one.previous_filename ?? one.filename]);
    if (names.some((path) => someMatches(o.paths, path))) return true;
    if (changed.length < PAGE) return false;
  }
  return true;
}

/** @param facts of the pull request as it is now; what was asked for by hand is wanted whatever they are */
export async function isWanted(
  octokit: ForgeOctokit,
  record: PreviewRecord,
  config: PreviewConfig,
  o: { labels: readonly string[]; signal: AbortSignal },
): Promise<boolean> {
  const { subject } = record;
  if (subject.kind === 'branch') return someMatches(config.branches, subject.branch);
  if (record.byHand) return true;
  if (config.labels.length > 0 && !config.labels.some((label) => o.labels.includes(label))) return false;
  return (
    config.paths.length === 0 || changesOneOf(octokit, record, { ...o, number: subject.number, paths: config.paths })
  );
}
