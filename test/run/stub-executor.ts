/** An executor that does what a test says, at once: for what happens around it. */
import type { TerraformEnd, TerraformExecutor, TerraformWork } from '../../src/effects/terraform/executor.js';

export interface StubWork {
  work: TerraformWork;
  running: boolean;
  lines: string[];
  interrupts: number;
}

export interface StubExecutor extends TerraformExecutor {
  /** What is there, by id. */
  readonly works: Map<string, StubWork>;
  /** Everything that was begun, in order. */
  readonly begun: TerraformWork[];
  /** What each work says after it has begun. */
  prints: string[];
  /** Begins and stays; else it is over at once. */
  holds: boolean;
  /** Thrown when something is to be begun. */
  refuses: Error | undefined;
  ends: { plan: TerraformEnd; apply: TerraformEnd };
  /** Works whose providers were to be kept for those to come. */
  readonly giving: Set<string>;
}

export const planned = (additions = 1): Extract<TerraformEnd, { kind: 'planned' }> => ({
  kind: 'planned',
  plan: Buffer.from('a plan'),
  json: Buffer.from('{}'),
  lockFile: 'lock',
  text: `Plan: ${additions} to add, 0 to change, 0 to destroy.`,
  summary: {
    ...{ hasChanges: additions > 0, additions, changes: 0, destructions: 0, imports: 0, left: 0 },
    resources: [],
  },
});

export const stateOf = (serial: number): Buffer =>
  Buffer.from(
    JSON.stringify({ version: 4, terraform_version: '1.11.4', serial, lineage: 'l', outputs: {}, resources: [] }),
  );

export function stubExecutor(): StubExecutor {
  const works = new Map<string, StubWork>();
  const begun: TerraformWork[] = [];
  const stub: StubExecutor = {
    ...{ kind: 'stub', place: 'here', works, begun, holds: false, refuses: undefined, prints: [] },
    ends: { plan: planned(), apply: { kind: 'applied', state: stateOf(1) } },
    giving: new Set(),
    async start(work) {
      if (stub.refuses !== undefined) throw stub.refuses;
      for await (const piece of work.configuration.archive) void piece;
      begun.push(work);
      works.set(work.id, {
        work,
        running: stub.holds,
        lines: [`${work.do.phase} begun`, ...stub.prints],
        interrupts: 0,
      });
      return { version: '1.11.4' };
    },
    look: async (id) => {
      const found = works.get(id);
      return found === undefined ? 'absent' : found.running ? 'running' : 'over';
    },
    async end(id, { phase, keepsProviders }) {
      if (keepsProviders) stub.giving.add(id);
      return works.has(id) ? stub.ends[phase] : { kind: 'vanished', state: null };
    },
    async log(id, after) {
      const { lines = [] } = works.get(id) ?? {};
      const from = after?.offset ?? 0;
      return { lines: lines.slice(from), next: { inode: 'log', offset: lines.length }, more: false, gap: false };
    },
    async interrupt(id) {
      const found = works.get(id);
      if (found === undefined) return;
      found.interrupts += 1;
      found.running = false;
    },
    async remove(id) {
      works.delete(id);
    },
    list: async () => [...works.keys()],
  };
  return stub;
}
