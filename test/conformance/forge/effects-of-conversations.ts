/** Effects of rows about issues and pull requests. */
import {
  branch,
  type Effect,
  gone,
  ISSUE,
  type Loose,
  NO_RULE,
  names,
  type Params,
  PULL,
  R,
  type Stage,
} from './effect.js';

const comment = async (stage: Stage) => {
  const issue_number = await stage.issue();
  const { data } = await stage.ask(`POST ${ISSUE}/comments`, { issue_number, body: 'First' });
  return { issue_number, comment_id: data.id };
};
const lineComment = async (stage: Stage) => {
  const { number, branch, sha } = await stage.anyPull();
  const place = { pull_number: number, path: `${branch}.txt`, line: 2, side: 'RIGHT', commit_id: sha };
  const { data } = await stage.ask(`POST ${PULL}/comments`, { ...place, body: stage.word() });
  return { pull_number: number, comment_id: data.id };
};
const review = async (stage: Stage, event?: string) => {
  const { number } = await stage.anyPull();
  const { data } = await stage.ask(`POST ${PULL}/reviews`, { pull_number: number, event, body: 'Well.' });
  return { pull_number: number, review_id: data.id };
};
const label = async (stage: Stage) => {
  const name = stage.word();
  await stage.ask(`POST ${R}/labels`, { name, color: '00ff00' });
  return { name };
};
const labelled = async (stage: Stage) => {
  const [issue_number, name] = [await stage.issue(), stage.word()];
  await stage.ask(`POST ${ISSUE}/labels`, { issue_number, labels: [name] });
  return { issue_number, name };
};
const milestone = async (stage: Stage) => {
  const { data } = await stage.ask(`POST ${R}/milestones`, { title: stage.word() });
  return { milestone_number: data.number };
};
const reaction = (thing: string, on: (stage: Stage) => Promise<Params>) => ({
  [`POST ${thing}/reactions`]: {
    given: async (stage: Stage) => ({ ...(await on(stage)), content: 'heart' }),
    by: `GET ${thing}/reactions`,
    seen: ({ data }: { data: Loose }) => names(data, 'content'),
    want: () => ['heart'],
  },
  [`DELETE ${thing}/reactions/{reaction_id}`]: {
    given: async (stage: Stage) => {
      const where = await on(stage);
      const { data } = await stage.ask(`POST ${thing}/reactions`, { ...where, content: 'heart' });
      return { ...where, reaction_id: data.id };
    },
    by: `GET ${thing}/reactions`,
    seen: ({ data }: { data: Loose }) => names(data, 'content'),
    want: () => [],
  },
});
const issueLabels = ({ data }: { data: Loose }) => names(data.labels);
const assignees = ({ data }: { data: Loose }) => names(data.assignees, 'login');
/** A pull request that is not merged before a check has passed, as its base asks for. */
const waiting = async (stage: Stage) => {
  const base = (await branch(stage)).ref.slice('heads/'.length);
  await stage.ask(`PUT ${R}/branches/{branch}/protection`, {
    branch: base,
    ...NO_RULE,
    required_status_checks: { strict: false, contexts: ['build'] },
  });
  const { number, sha } = await stage.pull(base);
  await stage.ask(`POST ${R}/statuses/{sha}`, { sha, state: 'pending', context: 'build' });
  return { pull_number: number };
};

export const effectsOfConversations: Readonly<Record<string, Effect>> = {
  // Issues, and what both kinds have.
  [`POST ${R}/issues`]: {
    given: () => ({ title: 'An effect' }),
    by: `GET ${ISSUE}`,
    at: ({ number }) => ({ issue_number: number }),
    seen: ({ data }) => data.title,
    want: ({ title }) => title,
  },
  [`PATCH ${ISSUE}`]: {
    given: async (stage) => ({ issue_number: await stage.issue(), title: 'Another', state: 'closed' }),
    by: `GET ${ISSUE}`,
    seen: ({ data }) => [data.title, data.state],
    want: () => ['Another', 'closed'],
  },
  [`POST ${ISSUE}/comments`]: {
    given: async (stage) => ({ issue_number: await stage.issue(), body: 'Said' }),
    by: `GET ${ISSUE}/comments`,
    seen: ({ data }) => names(data, 'body'),
    want: () => ['Said'],
  },
  [`PATCH ${R}/issues/comments/{comment_id}`]: {
    given: async (stage) => ({ ...(await comment(stage)), body: 'Second' }),
    by: `GET ${ISSUE}/comments`,
    seen: ({ data }) => names(data, 'body'),
    want: () => ['Second'],
  },
  [`DELETE ${R}/issues/comments/{comment_id}`]: {
    given: comment,
    by: `GET ${R}/issues/comments/{comment_id}`,
    ...gone,
  },
  ...reaction(ISSUE, async (stage) => ({ issue_number: await stage.issue() })),
  ...reaction(`${R}/issues/comments/{comment_id}`, comment),
  ...reaction(`${R}/pulls/comments/{comment_id}`, lineComment),
  [`POST ${ISSUE}/assignees`]: {
    given: async (stage) => ({ issue_number: await stage.issue(), assignees: ['alice'] }),
    by: `GET ${ISSUE}`,
    seen: assignees,
    want: () => ['alice'],
  },
  [`DELETE ${ISSUE}/assignees`]: {
    given: async (stage) => {
      const which = { issue_number: await stage.issue(), assignees: ['alice'] };
      await stage.ask(`POST ${ISSUE}/assignees`, which);
      return which;
    },
    by: `GET ${ISSUE}`,
    seen: assignees,
    want: () => [],
  },
  [`POST ${ISSUE}/labels`]: {
    given: async (stage) => ({ issue_number: await stage.issue(), labels: [stage.word()] }),
    by: `GET ${ISSUE}`,
    seen: issueLabels,
    want: ({ labels }) => labels,
  },
  [`PUT ${ISSUE}/labels`]: {
    given: async (stage) => ({ issue_number: (await labelled(stage)).issue_number, labels: [stage.word()] }),
    by: `GET ${ISSUE}`,
    seen: issueLabels,
    want: ({ labels }) => labels,
  },
  [`DELETE ${ISSUE}/labels/{name}`]: { given: labelled, by: `GET ${ISSUE}`, seen: issueLabels, want: () => [] },
  [`DELETE ${ISSUE}/labels`]: {
    given: async (stage) => ({ issue_number: (await labelled(stage)).issue_number }),
    by: `GET ${ISSUE}/labels`,
    seen: ({ data }) => names(data),
    want: () => [],
  },
  [`PUT ${ISSUE}/lock`]: {
    given: async (stage) => ({ issue_number: await stage.issue() }),
    by: `GET ${ISSUE}`,
    seen: ({ data }) => data.locked,
    want: () => true,
  },
  [`DELETE ${ISSUE}/lock`]: {
    given: async (stage) => {
      const which = { issue_number: await stage.issue() };
      await stage.ask(`PUT ${ISSUE}/lock`, which);
      return which;
    },
    by: `GET ${ISSUE}`,
    seen: ({ data }) => data.locked,
    want: () => false,
  },
  [`POST ${R}/labels`]: {
    given: (stage) => ({ name: stage.word(), color: '00ff00' }),
    by: `GET ${R}/labels/{name}`,
    seen: ({ data }) => data.color,
    want: () => '00ff00',
  },
  [`PATCH ${R}/labels/{name}`]: {
    given: async (stage) => ({ ...(await label(stage)), color: 'ff0000' }),
    by: `GET ${R}/labels/{name}`,
    seen: ({ data }) => data.color,
    want: () => 'ff0000',
  },
  [`DELETE ${R}/labels/{name}`]: { given: label, by: `GET ${R}/labels/{name}`, ...gone },
  [`POST ${R}/milestones`]: {
    given: (stage) => ({ title: stage.word() }),
    by: `GET ${R}/milestones/{milestone_number}`,
    at: ({ number }) => ({ milestone_number: number }),
    seen: ({ data }) => data.title,
    want: ({ title }) => title,
  },
  [`PATCH ${R}/milestones/{milestone_number}`]: {
    given: async (stage) => ({ ...(await milestone(stage)), state: 'closed' }),
    by: `GET ${R}/milestones/{milestone_number}`,
    seen: ({ data }) => data.state,
    want: () => 'closed',
  },
  [`DELETE ${R}/milestones/{milestone_number}`]: {
    given: milestone,
    by: `GET ${R}/milestones/{milestone_number}`,
    ...gone,
  },

  // Pull requests.
  [`POST ${R}/pulls`]: {
    given: async (stage) => {
      const head = stage.word();
      await stage.push(head, { [`${head}.txt`]: 'x\n' });
      return { title: 'Take it', head, base: 'main' };
    },
    by: `GET ${PULL}`,
    at: ({ number }) => ({ pull_number: number }),
    seen: ({ data }) => [data.title, data.head.ref, data.state],
    want: ({ title, head }) => [title, head, 'open'],
  },
  [`PATCH ${PULL}`]: {
    given: async (stage) => ({ pull_number: (await stage.anyPull()).number, body: stage.word() }),
    by: `GET ${PULL}`,
    seen: ({ data }) => data.body,
    want: ({ body }) => body,
  },
  [`PUT ${PULL}/draft`]: {
    given: async (stage) => ({ pull_number: (await stage.anyPull()).number, draft: true }),
    by: `GET ${PULL}`,
    seen: ({ data }) => data.draft,
    want: () => true,
  },
  [`PUT ${PULL}/auto-merge`]: {
    given: waiting,
    by: `GET ${PULL}`,
    seen: ({ data }) => data.auto_merge !== null,
    want: () => true,
  },
  [`DELETE ${PULL}/auto-merge`]: {
    given: async (stage) => {
      const which = await waiting(stage);
      await stage.ask(`PUT ${PULL}/auto-merge`, which);
      return which;
    },
    by: `GET ${PULL}`,
    seen: ({ data }) => data.auto_merge !== null,
    want: () => false,
  },
  [`PUT ${PULL}/merge`]: {
    given: async (stage) => ({ pull_number: (await stage.pull()).number }),
    by: `GET ${PULL}`,
    seen: ({ data }) => [data.merged, data.state],
    want: () => [true, 'closed'],
  },
  [`PUT ${PULL}/update-branch`]: {
    given: async (stage) => {
      const { number, branch: head } = await stage.pull();
      const word = stage.word();
      await stage.push('main', { [`${word}.txt`]: 'new\n' });
      return { pull_number: number, basehead: `main...${head}` };
    },
    by: `GET ${R}/compare/{basehead}`,
    seen: ({ data }) => data.behind_by,
    want: () => 0,
  },
  [`POST ${PULL}/requested_reviewers`]: {
    given: async (stage) => ({ pull_number: (await stage.anyPull()).number, reviewers: ['carol'] }),
    by: `GET ${PULL}/requested_reviewers`,
    seen: ({ data }) => names(data.users, 'login'),
    want: () => ['carol'],
  },
  [`DELETE ${PULL}/requested_reviewers`]: {
    given: async (stage) => {
      const which = { pull_number: (await stage.anyPull()).number, reviewers: ['carol'] };
      await stage.ask(`POST ${PULL}/requested_reviewers`, which);
      return which;
    },
    by: `GET ${PULL}/requested_reviewers`,
    seen: ({ data }) => names(data.users, 'login'),
    want: () => [],
  },
  [`POST ${PULL}/reviews`]: {
    given: async (stage) => ({ pull_number: (await stage.anyPull()).number, event: 'COMMENT', body: stage.word() }),
    by: `GET ${PULL}/reviews`,
    seen: ({ data }, { body }) => data.find((one: Loose) => one.body === body)?.state,
    want: () => 'COMMENTED',
  },
  [`POST ${PULL}/reviews/{review_id}/events`]: {
    given: async (stage) => ({ ...(await review(stage)), event: 'COMMENT', body: 'Now.' }),
    by: `GET ${PULL}/reviews/{review_id}`,
    seen: ({ data }) => data.state,
    want: () => 'COMMENTED',
  },
  [`DELETE ${PULL}/reviews/{review_id}`]: {
    given: (stage) => review(stage),
    by: `GET ${PULL}/reviews/{review_id}`,
    ...gone,
  },
  [`PUT ${PULL}/reviews/{review_id}/dismissals`]: {
    given: async (stage) => ({ ...(await review(stage, 'APPROVE')), message: 'Old.' }),
    by: `GET ${PULL}/reviews/{review_id}`,
    seen: ({ data }) => data.state,
    want: () => 'DISMISSED',
  },
  [`POST ${PULL}/comments`]: {
    given: async (stage) => {
      const { number, branch: head, sha } = await stage.anyPull();
      const place = { path: `${head}.txt`, line: 3, side: 'RIGHT', commit_id: sha };
      return { pull_number: number, ...place, body: stage.word() };
    },
    by: `GET ${PULL}/comments`,
    seen: ({ data }, { body }) => data.find((one: Loose) => one.body === body)?.line,
    want: () => 3,
  },
  [`POST ${PULL}/comments/{comment_id}/replies`]: {
    given: async (stage) => ({ ...(await lineComment(stage)), body: stage.word() }),
    by: `GET ${PULL}/comments`,
    seen: ({ data }, { body }) => data.find((one: Loose) => one.body === body)?.line,
    want: () => 2,
  },
  [`PATCH ${R}/pulls/comments/{comment_id}`]: {
    given: async (stage) => ({ ...(await lineComment(stage)), body: stage.word() }),
    by: `GET ${PULL}/comments`,
    seen: ({ data }, { comment_id: id }) => data.find((one: Loose) => one.id === id)?.body,
    want: ({ body }) => body,
  },
  [`DELETE ${R}/pulls/comments/{comment_id}`]: {
    given: lineComment,
    by: `GET ${R}/pulls/comments/{comment_id}`,
    ...gone,
  },
  [`PUT ${PULL}/threads/{comment_id}/resolution`]: {
    given: async (stage) => ({ ...(await lineComment(stage)), resolved: true }),
    by: `GET ${PULL}/threads`,
    seen: ({ data }, { comment_id: id }) =>
      data.find(({ comments }: Loose) => comments.some((one: Loose) => one.id === id))?.resolved,
    want: () => true,
  },
};
