/** Names of the branches that agents' work is pushed to. */
import { ForgewayError } from '../../lib/errors.js';

const PREFIX = /^[a-z0-9][a-z0-9._-]{0,30}$/;
const BRANCH = /^[a-z0-9][a-z0-9._-]{0,30}\/[0-9a-f]{8}\/[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$/;

/** Letters and digits of any title, at most 50; `work` where none are left. */
export function slugOf(title: string): string {
  const words = title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '');
  return words.slice(0, 50).replace(/-+$/, '') || 'work';
}

/** The last digits of a session's id, which are random in every kind of uuid; enough to tell sessions of one repository apart. */
export const sessionIdShort = (sessionId: string): string => sessionId.replaceAll('-', '').slice(-8).toLowerCase();

/** `forgeway/1a2b3c4d/fix-the-login`, whatever the title is. */
export function agentBranch(o: { prefix?: string; sessionId: string; title: string }): string {
  const { prefix = 'forgeway' } = o;
  const valid = PREFIX.test(prefix) && !prefix.includes('..') && !/\.(?:lock)?$/.test(prefix);
  if (!valid) throw new ForgewayError('FORGEWAY_CONFIG_INVALID', 'The prefix of agents’ branches is not a plain word.');
  return `${prefix}/${sessionIdShort(o.sessionId)}/${slugOf(o.title)}`;
}

/** Whether the branch is one that {@link agentBranch} gives to this session. Nothing else is ever pushed. */
export const isAgentBranch = (branch: string, sessionId: string): boolean =>
  BRANCH.test(branch) && branch.split('/')[1] === sessionIdShort(sessionId);
