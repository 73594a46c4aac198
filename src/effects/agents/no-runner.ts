/** Where no agent of ours is configured, so that issues are only handed over: a runner on which nothing ever ran. */
import { ForgewayError } from '../../lib/errors.js';
import type { AgentRunner } from './runner.js';

export function noRunner(): AgentRunner {
  const none = async (): Promise<never> => {
    throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', 'No agents are set up on this machine.');
  };
  return {
    kind: 'worktree',
    start: none,
    reply: none,
    result: none,
    review: none,
    push: none,
    observe: async () => ({ state: 'absent' }),
    read: async (_ref, next) => ({ events: [], next, more: false }),
    stop: async () => undefined,
    remove: async () => undefined,
    list: async () => [],
  };
}
