/** A process that is the way out of one agent: `node agent-egress.js <settings file>`. Started by the agent's runner. */
import { runEgressProcess } from '../effects/agents/egress-process.js';

await runEgressProcess(process.argv[2] ?? '');
