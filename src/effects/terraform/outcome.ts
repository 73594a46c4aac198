/** How Terraform ended, from the files that it has left and the way its program stopped: the same wherever it ran. */
import { ForgewayError } from '../../lib/errors.js';
import type { SandboxExit } from '../process/sandbox.js';
import type { TerraformEnd } from './executor.js';
import { summarizePlan } from './plan-summary.js';
import { OUT, OVERRIDE, STATE } from './work-files.js';

export const PLAN_BYTES = 64 * 1024 * 1024;
/** The schemas of all providers of a configuration: those of the largest alone are a hundred megabytes. */
export const SCHEMA_BYTES = 256 * 1024 * 1024;
const TEXT_BYTES = 2 * 1024 * 1024;
const LOCK_BYTES = 256 * 1024;

/** A file below the home directory; null when it is not there. @throws ForgewayError when it has more than `limit` bytes */
export type ReadResult = (name: string, limit: number) => Promise<Buffer | null>;

/** What a step is called where it failed. */
const STAGES: Readonly<Record<string, string>> = {
  init: 'terraform init',
  plan: 'terraform plan',
  show: 'terraform show',
  apply: 'terraform apply',
};

/** Nothing was planned or applied yet. */
const BEFORE: ReadonlySet<string> = new Set(['init', 'backend']);

function reasonOf(exit: SandboxExit, stage: string, seconds: number): string {
  if (stage === 'backend' && exit.reason === 'exit')
    return `A file of the configuration that is read after ${OVERRIDE} sets another backend than the workspace's. Take its backend or cloud block out, or give it another name.`;
  const what = STAGES[stage] ?? 'The run';
  const reasons: Record<SandboxExit['reason'], string> = {
    exit: `${what} ended with code ${exit.code}; the log says why.`,
    time: `${what} took longer than ${seconds} s and was stopped.`,
    disk: `${what} filled more disk than it may and was stopped.`,
    files: `${what} made more files than it may and was stopped.`,
    memory: `${what} used more memory than it may and was stopped.`,
    killed: `${what} was stopped from outside.`,
  };
  return reasons[exit.reason];
}

async function planned(read: ReadResult, exit: SandboxExit, stage: string, seconds: number): Promise<TerraformEnd> {
  const out = (name: string, limit: number) => read(`${OUT}/${name}`, limit);
  const [plan, json] = await Promise.all([out('plan', PLAN_BYTES), out('plan.json', PLAN_BYTES)]);
  if (stage !== 'done' || plan === null || json === null)
    return { kind: 'failed', reason: reasonOf(exit, stage, seconds), state: null };
  // What it is for can be done without.
  const schemas = await out('schemas.json', SCHEMA_BYTES).catch((error: unknown) => {
    if (error instanceof ForgewayError) return null;
    throw error;
  });
  // Terraform's own word: what only the state is to learn of is among no resource's changes.
  const saysChanges = (await out('changes', 1)) !== null;
  const summary = summarizePlan(json.toString('utf8'));
  const [lock, text] = await Promise.all([out('lock', LOCK_BYTES), out('plan.txt', PLAN_BYTES)]);
  return {
    kind: 'planned',
    plan,
    json,
    schemas,
    lockFile: lock === null ? null : lock.toString('utf8'),
    text: (text ?? Buffer.alloc(0)).subarray(0, TEXT_BYTES).toString('utf8'),
    summary: { ...summary, hasChanges: summary.hasChanges || saysChanges },
  };
}

/** What a shell says of a program that a signal ended. */
const ENDED_BY_SIGNAL = 128;

/** @param exit of the program in `work-files.ts` that ran it */
export async function conclude(
  read: ReadResult,
  exit: SandboxExit,
  { phase, seconds }: { phase: 'plan' | 'apply'; seconds: number },
): Promise<TerraformEnd> {
  const stage = (await read(`${OUT}/stage`, 100))?.toString('utf8').trim() ?? 'init';
  if (phase === 'plan') {
    if (exit.reason === 'killed') return { kind: 'vanished', state: null };
    return planned(read, exit, exit.code === 0 ? stage : stage === 'done' ? 'show' : stage, seconds);
  }
  const state = BEFORE.has(stage) ? null : await read(STATE, PLAN_BYTES);
  if (exit.reason === 'killed') return { kind: 'vanished', state };
  // Ended from outside, it has not said what it had begun: that is not in its state.
  const isCut = exit.reason !== 'exit' || (exit.code ?? 0) >= ENDED_BY_SIGNAL;
  if (isCut && !BEFORE.has(stage)) return { kind: 'vanished', state, reason: reasonOf(exit, stage, seconds) };
  if (exit.code !== 0 || stage !== 'done' || exit.reason !== 'exit')
    return { kind: 'failed', reason: reasonOf(exit, stage, seconds), state };
  if (state !== null) return { kind: 'applied', state };
  // It has made something, and nobody knows what.
  return { kind: 'vanished', reason: 'The apply has left no state.', state };
}
