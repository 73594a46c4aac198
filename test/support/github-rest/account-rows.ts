/** Accounts, searches and limits of the forge in memory. */
import { user } from '../../../src/forges/kit/shapes/account.js';
import { repository } from '../../../src/forges/kit/shapes/repository.js';
import { team } from '../../../src/forges/kit/shapes/team.js';
import { PAGES, type Rows, row } from './row.js';
import { base, fail, OWNER, people, person, REPO, repositoryInput, type World } from './world.js';

export function accountRows(world: World): Rows {
  const { w, failRoute, asIssue, conversation, pageOf } = world;
  return {
    'GET /user': row('', () => user(base, person('robot'))),
    'GET /user/{account_id}': row('', (p) =>
      user(
        base,
        Object.values(people).find((one) => String(one.id) === String(p.account_id)) ?? failRoute(404, 'Not Found'),
      ),
    ),
    'GET /users/{username}': row('', (p) => user(base, people[String(p.username)] ?? failRoute(404, 'Not Found'))),
    'GET /orgs/{org}': row('', () => ({ ...user(base, person(OWNER)), description: 'Tools' })),
    'GET /orgs/{org}/teams/{team_slug}': row('', (p) =>
      team(base, { id: 5, name: 'Core', slug: String(p.team_slug), organization: OWNER }),
    ),
    'GET /orgs/{org}/teams/{team_slug}/members': row(PAGES, (p) =>
      pageOf([user(base, person('anna')), user(base, person('ben'))], p),
    ),
    'GET /rate_limit': row('', () => ({
      resources: { core: { limit: 5_000, remaining: 4_000, used: 1_000, reset: 1_767_225_600 } },
    })),
    'GET /repositories/{repository_id}': row('', (p) =>
      String(p.repository_id) === '40' ? repository(base, repositoryInput) : failRoute(404, 'Not Found'),
    ),
    'GET /search/issues': row(`q ${PAGES}`, (p) => {
      const wanted = String(p.q);
      if (!wanted.startsWith(`repo:${OWNER}/${REPO}`)) fail(`odd search: ${wanted}`);
      const numbers = [...w.issues.keys(), ...w.pulls.keys()].filter(
        (one) => wanted.includes('is:closed') === (conversation(one).state === 'closed'),
      );
      return { total_count: numbers.length, incomplete_results: false, items: pageOf(numbers, p).map(asIssue) };
    }),
  };
}
