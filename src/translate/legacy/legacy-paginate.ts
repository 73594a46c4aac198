/** `paginate(promise, callback)` as it was before Octokit took methods: the first page is asked for by the caller. */
import type { ForgeOctokit } from '../forge-octokit.js';

interface Page {
  headers: { link?: string };
  data: unknown;
}

type OnPage = (page: Page, done: () => void) => unknown;

const LINK = (relation: string) => new RegExp(`<([^>]+)>;\\s*rel="${relation}"`);

function linkOf(page: Page, relation: string): string | undefined {
  return LINK(relation).exec(page.headers.link ?? '')?.[1];
}

export const hasPage = (relation: string) => (page: Page) => linkOf(page, relation) !== undefined;

/** Rejects when there is no such page, as it did. */
export const getPage =
  (octokit: ForgeOctokit, relation: string) =>
  async (page: Page): Promise<Page> => {
    const url = linkOf(page, relation);
    if (url === undefined) throw new Error(`No ${relation} page found`);
    return (await octokit.request(`GET ${url}`)) as Page;
  };

/** What the callback returned for every page in one list; without one the pages themselves. */
async function everyPage(octokit: ForgeOctokit, first: Promise<Page>, onPage: OnPage = (page) => page) {
  const collected: unknown[] = [];
  const state = { done: false };
  const done = () => {
    state.done = true;
  };
  for (let page: Page | undefined = await first; page !== undefined; ) {
    collected.push(...[await onPage(page, done)].flat());
    const next: string | undefined = state.done ? undefined : linkOf(page, 'next');
    page = next === undefined ? undefined : ((await octokit.request(`GET ${next}`)) as Page);
  }
  return collected;
}

const isPromise = (value: unknown): value is Promise<Page> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** Octokit's own `paginate`, which also takes what older code gives it. */
export function legacyPaginate(octokit: ForgeOctokit): ForgeOctokit['paginate'] {
  return new Proxy(octokit.paginate, {
    apply: (target, self, args: unknown[]) =>
      isPromise(args[0])
        ? everyPage(octokit, args[0], args[1] as OnPage | undefined)
        : Reflect.apply(target, self, args),
  });
}
