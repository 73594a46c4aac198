/** A process for tests to kill: starts an agent and says each page that it reads, as JSON. */
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentStart } from '../../src/effects/agents/runner.js';
import type { SandboxProbe } from '../../src/effects/process/sandbox.js';
import { runnerAt } from '../support/agent-rig.js';

const { probe, spec } = JSON.parse(await text(process.stdin)) as { probe: SandboxProbe; spec: AgentStart };
const runner = await runnerAt(process.argv[2] ?? '', probe);
await runner.start(spec);
for (let cursor = 0; ; ) {
  const page = await runner.read(spec, cursor);
  const events = page.events.map(({ at, event }) => ({ at, text: 'text' in event ? event.text : event.type }));
  if (events.length > 0) process.stdout.write(`${JSON.stringify({ next: page.next, events })}\n`);
  cursor = page.next;
  await sleep(20);
}
