/** The section `workspaces` of `.forgeway.yml`: what has to hold before a plan of this repository is applied. */
import { z } from 'zod';

export const workspacesSection = z.strictObject({
  /** Approvals that a merged pull request needs, from people who may write and did not open it. */
  approvals: z.number().int().min(0).max(20).default(0),
});
