/**
 * Forgeway's own Probot apps.
 *
 * An app is what has its own dispatch row: its own attempts, failure and replay. Rows cost, so features share one where
 * they fail together. All mirroring is one app, since it does one thing (write what the event says, in one transaction)
 * and a broken database breaks it all. Previews are another: they are optional, decide rather than record, and must be
 * replayable alone. Commands answer people, and are not repeated because a mirror failed.
 */
import type { Probot } from 'probot';
import type { PlannedAgents } from '../jobs/agent/agents.js';
import { assignmentHandler } from './agent-assignment.js';
import { commandsHandler, type Rights, urgentCommands } from './commands/commands.js';
import { commentHandler } from './comment.js';
import type { HandlerOptions } from './delivery-work.js';
import { installationHandler } from './installation.js';
import { issueHandler } from './issue.js';
import type { IssueReader } from './mirror-issue.js';
import { organizationHandler } from './organization.js';
import { previewHandler } from './preview.js';
import { pullRequestHandler } from './pull-request.js';
import { pushHandler } from './push.js';
import { releaseHandler } from './release.js';
import { repositoryHandler } from './repository.js';
import { reviewHandler } from './review.js';

interface NamedApp {
  name: string;
  load: (app: Probot) => void;
  /** None beyond the small core: the rest is read again from the forge. */
  hydrate: readonly string[];
  urgent?: typeof urgentCommands;
}

type AppsOptions = HandlerOptions &
  IssueReader & {
    /** How it is found out who may have what run; absent: comments give no commands. */
    rights?: Rights;
    /** Whether pull requests get previews. */
    previews?: boolean;
    /** Absent: no agents work here. */
    agents?: PlannedAgents;
    /** Commands of one person in ten minutes. */
    commandLimit?: number;
  };

/** The app that writes down what the forge says, and what apps have been told of it. */
export const MIRROR = 'mirror';

/** Names that no other app may have. */
export const ownAppNames: readonly string[] = [MIRROR, 'preview', 'commands'];

/** The apps of this installation, in the order in which they see an event. */
export function createApps({ rights, previews = false, agents, commandLimit, ...o }: AppsOptions): readonly NamedApp[] {
  const mirroring = [
    installationHandler(o),
    repositoryHandler(o),
    organizationHandler(o),
    pushHandler(o),
    releaseHandler(o),
    pullRequestHandler(o),
    reviewHandler(o),
    commentHandler(o),
    issueHandler(o),
  ];
  const mirror: NamedApp = {
    name: MIRROR,
    hydrate: [],
    load: (app) => {
      for (const load of mirroring) load(app);
    },
  };
  const preview: NamedApp = { name: 'preview', hydrate: [], load: previewHandler(o) };
  if (rights === undefined) return previews ? [mirror, preview] : [mirror];
  const asked = { ...o, ...rights, agents, ...(commandLimit !== undefined && { commandLimit }) };
  const commands: NamedApp = {
    name: 'commands',
    hydrate: [],
    urgent: urgentCommands,
    load: (app) => {
      commandsHandler(asked)(app);
      if (agents !== undefined) assignmentHandler({ ...asked, agents })(app);
    },
  };
  return previews ? [mirror, preview, commands] : [mirror, commands];
}
