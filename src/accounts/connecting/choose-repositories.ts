/** Which of the repositories that a token reaches are meant. */
import type { ForgeRepository, TokenFacts } from '../../forges/administration.js';
import { refused } from './probe.js';

export interface RepositoryChoice {
  /** `owner/name` as people write it; an owner may have several segments. */
  repositories: readonly string[];
  all: boolean;
  /** With everything below it. */
  organization: string | undefined;
  level: 'repository' | 'organization' | 'system' | 'none';
}

const MOST_REPOSITORIES = 5_000;

/** `group/sub/web` as its name is known here: `group~sub/web` (decision 13), in lower case. */
function nameOf(text: string): string {
  const path = text.trim().replace(/^\/+|\/+$|\.git$/g, '');
  const slash = path.lastIndexOf('/');
  if (slash < 1 || /\s|:/.test(path))
    throw refused(`"${text}" is no repository: write owner/name, as the forge shows it in the address of its page.`);
  return `${path.slice(0, slash).replaceAll('/', '~')}/${path.slice(slash + 1)}`.toLowerCase();
}

const isBelow = (owner: string, organization: string): boolean =>
  owner.toLowerCase() === organization || owner.toLowerCase().startsWith(`${organization}~`);

/** @throws ForgewayError FORGEWAY_CONNECTION_REFUSED when one that is named is not among them */
export async function chooseRepositories(
  reached: AsyncIterable<ForgeRepository>,
  choice: RepositoryChoice,
  { account }: Pick<TokenFacts, 'account'>,
  progress: (line: string) => void,
): Promise<ForgeRepository[]> {
  const wanted = new Map(choice.repositories.map((text) => [nameOf(text), text]));
  const organization = choice.organization?.replaceAll('/', '~').toLowerCase();
  const several = choice.all || organization !== undefined;
  if (!several && wanted.size === 0) return [];
  const chosen: ForgeRepository[] = [];
  let leftOut = 0;
  for await (const repository of reached) {
    const named = wanted.delete(`${repository.owner}/${repository.name}`.toLowerCase());
    const meant = named || choice.all || (organization !== undefined && isBelow(repository.owner, organization));
    // Nobody asked for this very one, and its webhook would be refused.
    const hopeless = !named && choice.level === 'repository' && repository.mayHook === false;
    if (meant && hopeless) leftOut += 1;
    else if (meant) chosen.push(repository);
    if (!several && wanted.size === 0) break;
    if (chosen.length >= MOST_REPOSITORIES) {
      progress(`! Only the first ${MOST_REPOSITORIES} repositories are taken. Name others with --repo.`);
      break;
    }
  }
  if (wanted.size > 0)
    throw refused(
      `${account.login} does not reach ${[...wanted.values()].join(', ')}. Check the spelling, and add that account to it with the role to administer it.`,
    );
  if (leftOut > 0)
    progress(`! ${leftOut} left out, since ${account.login} may not administer them and so not create their webhooks.`);
  return chosen;
}
