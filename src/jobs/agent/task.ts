/** Makes what is known of a task into what the agent is told. */

import type { AgentDefinition } from '../../effects/agents/definition.js';
import { type AuthorPermission, buildPrompt, type PromptPiece } from '../../effects/agents/prompt.js';
import type { AgentTask } from '../../effects/agents/runner.js';
import type { TaskFacts } from './context.js';
import type { Written } from './work-item.js';

const permissionOf = ({ level }: Written): AuthorPermission => level ?? 'unknown';

/** Texts that were chosen by when they were written stand at the moment of the call: nothing of them came later. */
const piece = (
  written: Written,
  kind: PromptPiece['kind'],
  at: Date,
  more: Partial<PromptPiece> = {},
): PromptPiece => ({
  kind,
  author: written.author?.login ?? 'somebody who is gone',
  permission: permissionOf(written),
  createdAt: at,
  editedAt: null,
  text: written.text,
  ...more,
});

export function taskFor(facts: TaskFacts, agent: AgentDefinition): AgentTask {
  const { session, title, text, comments, earlier, previewUrl, branch } = facts;
  const { repository, onPullRequest, number, triggeredAt, requester } = session;
  const kind = onPullRequest ? 'pull request' : 'issue';
  const { prompt } = buildPrompt({
    purpose: session.kind === 'review' ? 'review' : 'work',
    repository: `${repository.owner}/${repository.name}`,
    subject: `${kind} #${number}`,
    branch,
    // Whoever may have an agent work may write: that was decided when they asked.
    trigger: {
      ...{ author: requester?.login ?? session.requestedBy, permission: 'write', at: triggeredAt },
      instructions: session.instructions,
    },
    pieces: [
      piece(text, kind, triggeredAt, { title }),
      ...comments.map((one) =>
        piece(one, one.kind ?? 'comment', triggeredAt, { ...(one.place !== undefined && { place: one.place }) }),
      ),
      ...earlier.map(
        ({ by, text: said, isPerson }): PromptPiece => ({
          ...{ kind: 'comment', author: by, createdAt: triggeredAt, editedAt: null, text: said },
          permission: isPerson ? 'write' : 'none',
          place: 'the work so far',
        }),
      ),
    ],
    ...(previewUrl !== null && { previewUrl }),
    hasQuestions: agent.format === 'forgeway',
  });
  return { prompt };
}
