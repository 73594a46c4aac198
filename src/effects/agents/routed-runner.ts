/** Agents with an image work on a cluster, the others on this machine. A session is wherever its last start put it. */
import type { AgentDefinition } from './definition.js';
import type { AgentRef, AgentRunner } from './runner.js';

export interface RoutedRunnerOptions {
  /** Undefined: every agent has an image. */
  worktree: AgentRunner | undefined;
  kubernetes: AgentRunner;
}

export function createRoutedRunner({ worktree, kubernetes }: RoutedRunnerOptions): AgentRunner {
  const runnerOf = ({ image }: Pick<AgentDefinition, 'image'>): AgentRunner =>
    image === undefined && worktree !== undefined ? worktree : kubernetes;

  /** Where this start is; the first that knows of a later one refuses. */
  async function runnerFor(ref: AgentRef): Promise<AgentRunner> {
    if (worktree === undefined) return kubernetes;
    return (await kubernetes.observe(ref)).state === 'absent' ? worktree : kubernetes;
  }

  return {
    kind: worktree === undefined ? 'kubernetes' : 'worktree',
    kindFor: (agent) => runnerOf(agent).kind,

    async start(spec, signal) {
      const chosen = runnerOf(spec.agent);
      // It may have worked elsewhere before its configuration was changed: nothing of that may be left.
      for (const other of [worktree, kubernetes])
        if (other !== undefined && other !== chosen) await endBefore(other, spec);
      await chosen.start(spec, signal);
    },
    observe: async (ref) => (await runnerFor(ref)).observe(ref),
    read: async (ref, cursor, limit) => (await runnerFor(ref)).read(ref, cursor, limit),
    reply: async (ref, input) => (await runnerFor(ref)).reply(ref, input),
    stop: async (ref, o) => (await runnerFor(ref)).stop(ref, o),
    result: async (ref, request, signal) => (await runnerFor(ref)).result(ref, request, signal),
    review: async (ref) => (await runnerFor(ref)).review(ref),
    push: async (ref, push, signal) => (await runnerFor(ref)).push(ref, push, signal),
    remove: async (ref, signal) => (await runnerFor(ref)).remove(ref, signal),
    async list() {
      return [...(worktree === undefined ? [] : await worktree.list()), ...(await kubernetes.list())];
    },
  };
}

async function endBefore(runner: AgentRunner, { sessionId, fence }: AgentRef): Promise<void> {
  for (const one of await runner.list()) if (one.sessionId === sessionId && one.fence < fence) await runner.remove(one);
}
