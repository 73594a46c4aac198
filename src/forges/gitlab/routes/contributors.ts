/** Who wrote how many commits. GitLab counts by address and does not say whose account one is: a commit of it does. */
import { z } from 'zod';
import type { Route, RouteContext, RouteTable } from '../../kit/route.js';
import { type Contribution, contributors as shownContributors } from '../../kit/shapes/contributor.js';
import { nativeCommit } from '../convert/commit.js';
import { readAll } from '../convert/read.js';
import { accountsOf } from './commit-people.js';
import { everything, type Place, placeOf, slice } from './place.js';

const nativeContributor = z.looseObject({ name: z.string(), email: z.string(), commits: z.number() });

/** Of so many the accounts are asked for; the others count as people without one. */
const MOST_ASKED = 20;

/** The newest commit with this address; GitLab looks for it as a pattern, so the answer is looked at. */
async function commitBy(context: RouteContext, place: Place, email: string) {
  const query = { author: `<${email}>`, all: true, per_page: 1 };
  const found = readAll(nativeCommit, await context.native.get(`${place.api}/repository/commits`, query), 'commits');
  return found.find((one) => one.author_email?.toLowerCase() === email.toLowerCase());
}

const list: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'repositories: GET /projects/:id/repository/contributors; commits: GET /projects/:id/repository/commits',
  note: `Accounts are looked for of the ${MOST_ASKED} who wrote most; others are there with \`anon\` alone.`,
  async run(request, context) {
    const place = placeOf(request);
    const query = { order_by: 'commits', sort: 'desc' };
    const all = await everything(context, `${place.api}/repository/contributors`, nativeContributor, query);
    const commits = await Promise.all(all.slice(0, MOST_ASKED).map(({ email }) => commitBy(context, place, email)));
    const people = await accountsOf(
      context,
      place,
      commits.filter((one) => one !== undefined),
    );
    const counted = all.map(
      ({ name, email, commits: count }): Contribution => ({
        account: people.get(email.toLowerCase()) ?? null,
        name,
        email,
        count,
      }),
    );
    const isAnonymous = ['1', 'true'].includes(request.query.anon ?? '');
    const { items, pages } = slice(request, shownContributors(context.base, counted, isAnonymous));
    return { data: items, pages };
  },
};

export const contributors: RouteTable = { 'GET /repos/{owner}/{repo}/contributors': list };
