/** Issues. */
import { upper } from '../rest.js';
import { field, type Source } from '../sources.js';
import { type Area, connectionTypes } from './area.js';
import { CONVERSATION, CONVERSATION_INTERFACES, conversationFields } from './conversation.js';
import { reactionsOf } from './reactions.js';

export const issues: Area = {
  sdl: `
    enum IssueState { OPEN CLOSED }
    enum IssueStateReason { COMPLETED DUPLICATE NOT_PLANNED REOPENED }
    input IssueFilters {
      assignee: String createdBy: String labels: [String!] mentioned: String milestone: String since: DateTime
      states: [IssueState!]
    }
    type Issue implements ${CONVERSATION_INTERFACES} {
      ${CONVERSATION}
      state: IssueState!
      stateReason: IssueStateReason
    }
    ${connectionTypes('Issue')}`,
  fields: {
    Issue: {
      ...conversationFields,
      reactions: reactionsOf('GET /repos/{owner}/{repo}/issues/{issue_number}/reactions', 'issue_number'),
      state: async (source: Source) => upper(await field(source, 'state')),
      stateReason: async (source: Source) => upper(await field(source, 'state_reason')),
    },
  },
};
