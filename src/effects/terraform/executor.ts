/** What executes Terraform: one port, whatever it runs on. Work is named, detached, and found again after a restart. */
import type { ArchiveSource } from '../archive/archive.js';
import type { LogPage, LogPosition } from '../process/log-page.js';
import type { PlanSummary } from './plan-summary.js';

export interface PlanOptions {
  destroy: boolean;
  refresh: boolean;
  refreshOnly: boolean;
  targets: readonly string[];
  replace: readonly string[];
}

export interface TerraformVariable {
  key: string;
  value: string;
  category: 'terraform' | 'env';
  /** The value is an expression and not a text. */
  hcl: boolean;
}

export interface TerraformWork {
  /** Names it on this executor, beginning with its workspace's id; the same again is the same work. */
  id: string;
  configuration: {
    /** Checked once already; it is checked again. */
    archive: ArchiveSource;
    stripRoot: boolean;
    /** Relative to the root of the archive; empty: the root. */
    workingDirectory: string;
  };
  /** As it was stored last; null: there is none yet. */
  state: Uint8Array | null;
  variables: readonly TerraformVariable[];
  /** Which Terraform, as a constraint; null: whichever the executor prefers. An apply names the one that has planned. */
  version: string | null;
  do:
    | { phase: 'plan'; options: PlanOptions; withSchemas?: boolean }
    | { phase: 'apply'; plan: Uint8Array; lockFile: string | null };
  /** Of somebody who may not write here: it gets nothing that is secret, and no other network than the internet. */
  untrusted: boolean;
}

export type TerraformEnd =
  | {
      kind: 'planned';
      plan: Uint8Array;
      /** `terraform show -json` of it, as it is: it holds secrets. */
      json: Uint8Array;
      /** `.terraform.lock.hcl` with which it was made; null: the configuration has no providers. */
      lockFile: string | null;
      /** What its providers' resources look like, as JSON; null when nobody asked, or it is too large to be kept. */
      schemas?: Uint8Array | null;
      /** The plan as a person reads it. */
      text: string;
      summary: PlanSummary;
    }
  | { kind: 'applied'; state: Uint8Array }
  /** `state`: what an apply that did not succeed has left; null when it changed nothing, or for a plan. */
  | { kind: 'failed'; reason: string; state: Uint8Array | null }
  /** It has neither ended by itself nor is it there. */
  | {
      kind: 'vanished';
      state: Uint8Array | null;
      /** One sentence, where it is known what became of it. */
      reason?: string;
    };

export interface TerraformExecutor {
  readonly kind: string;
  /** Tells it from those on other machines, and stays when this one is started again: what it began is seen from here alone. */
  readonly place: string;
  /** How often looking at it is no burden to what it runs on; undefined: as often as one likes. */
  readonly pollMs?: number;
  /**
   * Begins work that is not there yet, and answers which Terraform does it; null where only the work itself knows.
   * @throws ForgewayError FORGEWAY_ARCHIVE_REFUSED, FORGEWAY_RUN_FAILED, FORGEWAY_TERRAFORM_MISSING
   */
  start(work: TerraformWork, signal: AbortSignal): Promise<{ version: string | null }>;
  /** `absent`: nothing of it is left. `over`: it runs no more; `end` says how it ended. */
  look(id: string): Promise<'running' | 'over' | 'absent'>;
  /**
   * How it ended; stops what is left of it, so that nothing changes the result while it is read.
   * @param of `keepsProviders`: what a plan downloaded may be there for the next one, where that is possible
   */
  end(id: string, of: { phase: 'plan' | 'apply'; keepsProviders: boolean }): Promise<TerraformEnd>;
  /** A page of what it prints, in whole lines. */
  log(id: string, after: LogPosition | undefined, isOver: boolean): Promise<LogPage>;
  /** Asks it to stop as soon as it can without breaking anything. */
  interrupt(id: string): Promise<void>;
  /** Leaves nothing of it. Succeeds when there is nothing. */
  remove(id: string): Promise<void>;
  /** Ids of all work that is or was here. */
  list(): Promise<string[]>;
}
