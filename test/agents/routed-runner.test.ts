/** Agents on this machine and on a cluster at the same time: each session is wherever its last start put it. */
import { describe, expect, it } from '@jest/globals';
import { agentDefinition } from '../../src/effects/agents/definition.js';
import { createRoutedRunner } from '../../src/effects/agents/routed-runner.js';
import type { AgentRef, AgentRunner, AgentStart } from '../../src/effects/agents/runner.js';

/** Remembers its sessions, and what it was asked. */
function remembering(kind: AgentRunner['kind']) {
  const sessions = new Map<string, AgentRef>();
  const asked: string[] = [];
  const of = ({ sessionId, fence }: AgentRef) => sessions.get(sessionId)?.fence === fence;
  const runner = {
    kind,
    start: async ({ sessionId, fence }: AgentRef) => void sessions.set(sessionId, { sessionId, fence }),
    observe: async (ref: AgentRef) => (of(ref) ? { state: 'running', turn: 1, quietMs: 0 } : { state: 'absent' }),
    async read(_ref: AgentRef, next: number) {
      asked.push('read');
      return { events: [], next, more: false };
    },
    stop: async () => void asked.push('stop'),
    remove: async ({ sessionId, fence }: AgentRef) => {
      asked.push(`remove ${fence}`);
      sessions.delete(sessionId);
    },
    list: async () => [...sessions.values()],
  } as unknown as AgentRunner;
  return { runner, asked };
}

const start = (fence: number, image?: string): AgentStart =>
  ({ sessionId: 's', fence, agent: agentDefinition.parse({ name: 'a', command: ['a'], image }) }) as AgentStart;

describe('agents in two kinds of place', () => {
  it('work where their image says, and everything else finds them there', async () => {
    const [here, there] = [remembering('worktree'), remembering('kubernetes')];
    const routed = createRoutedRunner({ worktree: here.runner, kubernetes: there.runner });
    expect(routed.kindFor?.(start(1).agent)).toBe('worktree');
    expect(routed.kindFor?.(start(1, 'example.com/a:1').agent)).toBe('kubernetes');
    await routed.start(start(1));
    await routed.read(start(1), 0);
    expect([here.asked, there.asked]).toEqual([['read'], []]);
    // Its configuration has an image since: nothing of what ran here may be left when it begins there.
    await routed.start(start(2, 'example.com/a:1'));
    expect(here.asked).toEqual(['read', 'remove 1']);
    await routed.stop(start(2));
    expect(there.asked).toEqual(['stop']);
    await routed.start(start(3));
    expect(there.asked).toEqual(['stop', 'remove 2']);
    expect(await routed.list()).toEqual([{ sessionId: 's', fence: 3 }]);
  });

  it('need no sandbox here when all of them have images', async () => {
    const there = remembering('kubernetes');
    const routed = createRoutedRunner({ worktree: undefined, kubernetes: there.runner });
    await routed.start(start(1, 'example.com/a:1'));
    await routed.read(start(1), 0);
    expect(there.asked).toEqual(['read']);
    expect(routed.kind).toBe('kubernetes');
  });
});
