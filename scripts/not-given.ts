/** Why a forge does not give what an app might look for: the reasons of the matrix, for the gaps that apps ask about. */
import type { ForgeDescriptor } from '../src/forges/forge.js';
import { eventsTold } from '../src/forges/kit/inbox-port.js';

interface Gap {
  /** Events and routes of GitHub's. */
  names: readonly string[];
  forges: readonly string[];
  reason: string;
}

const GITEA = ['gitea', 'forgejo'];
const R = '/repos/{owner}/{repo}';

const gaps: readonly Gap[] = [
  {
    names: ['check_suite.rerequested'],
    forges: ['gitlab', ...GITEA],
    reason:
      'A check is shown as a commit status. The page that it leads to has buttons for the one check run, and none for all of a commit.',
  },
  {
    names: ['GET /search/code'],
    forges: GITEA,
    reason: 'Code is searched on its pages alone: its API has no call for it.',
  },
  {
    names: [`POST ${R}/commits/{commit_sha}/comments`, `GET ${R}/comments/{comment_id}`],
    forges: GITEA,
    reason: 'It knows no comments on commits, on its pages or in its API. Lists of them are empty.',
  },
];

const gives = (forge: ForgeDescriptor, name: string): boolean => {
  const [event = ''] = name.split('.', 1);
  const told = eventsTold(forge) ?? {};
  return Object.hasOwn(forge.routes ?? {}, name) || Object.hasOwn(told, name) || Object.hasOwn(told, event);
};

/** Lines of a table. @throws Error for a gap that is none any more */
export function notGiven(forges: readonly ForgeDescriptor[]): string[] {
  return gaps.map(({ names, forges: ids, reason }) => {
    const lacking = forges.filter(({ id }) => ids.includes(id));
    for (const forge of lacking)
      for (const name of names) if (gives(forge, name)) throw new Error(`${forge.label} gives ${name} by now.`);
    const labels = lacking.map(({ label }) => label).join(', ');
    return `| ${names.map((name) => `\`${name}\``).join(', ')} | ${labels} | ${reason} |`;
  });
}
