/** What reconcilers need of an Octokit. Answers are unknown until checked: they come from outside. */
export interface ForgeOctokit {
  request(
    route: string,
    parameters?: Record<string, unknown>,
  ): Promise<{ status: number; data: unknown; headers: Record<string, unknown> }>;
}

/** The bridge's: an Octokit for one repository, whatever its forge. Rejects when no active installation covers it. */
export type OctokitFor = (organizationId: string, repositoryId: string) => Promise<ForgeOctokit>;

const PER_PAGE = 100;
/** No thread of a person is longer; a forge that never stops paging must not hold us for ever. */
const PAGES = 100;

/** Every item of a list, page by page, until `take` says that it has enough or the list ends. */
export async function eachItem(
  octokit: ForgeOctokit,
  route: string,
  parameters: Record<string, unknown>,
  signal: AbortSignal,
  take: (item: unknown) => boolean,
): Promise<void> {
  for (let page = 1; page <= PAGES; page += 1) {
    const { data } = await octokit.request(route, { ...parameters, per_page: PER_PAGE, page, request: { signal } });
    if (!Array.isArray(data)) return;
    for (const item of data) if (take(item)) return;
    if (data.length < PER_PAGE) return;
  }
}
