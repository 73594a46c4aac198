import { milestone } from '../../../src/forges/kit/shapes/milestone.js';
import { release } from '../../../src/forges/kit/shapes/release.js';
import { PAGES, type Rows, reactionRows, repo, row } from './row.js';
import { base, day, type Issue, OWNER, person, REPO, type World } from './world.js';

export function issueRows(world: World): Rows {
  const {
    w,
    id,
    failRoute,
    asIssue,
    shapeComment,
    commentAt,
    labelNamed,
    conversation,
    shapeLabel,
    strings,
    pageOf,
    sorted,
    inState,
    applyAttributes,
  } = world;
  return {
    [`GET ${repo}/issues`]: row(
      `state sort direction labels assignee creator mentioned milestone since ${PAGES}`,
      (p) => {
        const all = [...(inState(w.issues.values(), p) as Issue[]), ...inState(w.pulls.values(), p)];
        const kept = all.filter(
          (one) =>
            p.labels === undefined ||
            String(p.labels)
              .split(',')
              .every((name) => one.labels?.some((each) => each.name === name)),
        );
        return pageOf(sorted(kept, p), p).map((one) => asIssue(one.number));
      },
    ),
    [`POST ${repo}/issues`]: row('title body assignees labels milestone', (p) => {
      const made: Issue = {
        id: id(),
        number: id(),
        htmlUrl: 'https://forge.example.com/i',
        title: String(p.title),
        state: 'open',
        author: person('robot'),
      };
      applyAttributes(made, p);
      w.issues.set(made.number, made);
      return asIssue(made.number);
    }),
    [`GET ${repo}/issues/{issue_number}`]: row('', (p) => asIssue(Number(p.issue_number))),
    [`PATCH ${repo}/issues/{issue_number}`]: row('title body state state_reason labels assignees milestone', (p) => {
      const of = conversation(p.issue_number);
      applyAttributes(of, p);
      if ('stateReason' in of || p.state_reason !== undefined)
        (of as Issue).stateReason = p.state_reason as Issue['stateReason'];
      return asIssue(of.number);
    }),
    [`GET ${repo}/issues/{issue_number}/comments`]: row(PAGES, (p) =>
      pageOf(
        [...w.comments.values()].filter((one) => one.number === Number(p.issue_number)),
        p,
      ).map(shapeComment),
    ),
    [`POST ${repo}/issues/{issue_number}/comments`]: row('body', (p) => {
      const { number } = conversation(p.issue_number);
      const own = id();
      const made = {
        number,
        input: {
          id: own,
          number,
          htmlUrl: `https://forge.example.com/c/${own}`,
          body: String(p.body),
          author: person('robot'),
          createdAt: day(5),
        },
      };
      w.comments.set(own, made);
      return shapeComment(made);
    }),
    [`GET ${repo}/issues/comments/{comment_id}`]: row('', (p) => shapeComment(commentAt(p.comment_id))),
    [`PATCH ${repo}/issues/comments/{comment_id}`]: row('body', (p) => {
      const of = commentAt(p.comment_id);
      of.input.body = String(p.body);
      return shapeComment(of);
    }),
    [`DELETE ${repo}/issues/comments/{comment_id}`]: row(
      '',
      (p) => void w.comments.delete(Number(commentAt(p.comment_id).input.id)),
    ),
    [`PUT ${repo}/issues/comments/{comment_id}/minimized`]: row('minimized reason', (p) => {
      const of = commentAt(p.comment_id);
      if (p.minimized === true) of.minimized = String(p.reason);
      else delete of.minimized;
    }),
    [`POST ${repo}/issues/{issue_number}/labels`]: row('labels', (p) => {
      const of = conversation(p.issue_number);
      const all = new Map([...(of.labels ?? []), ...strings(p.labels).map(labelNamed)].map((one) => [one.name, one]));
      of.labels = [...all.values()];
      return of.labels.map(shapeLabel);
    }),
    [`DELETE ${repo}/issues/{issue_number}/labels/{name}`]: row('', (p) => {
      const of = conversation(p.issue_number);
      if (!of.labels?.some((one) => one.name === p.name)) return failRoute(404, 'Label does not exist');
      of.labels = of.labels.filter((one) => one.name !== p.name);
      return of.labels.map(shapeLabel);
    }),
    [`DELETE ${repo}/issues/{issue_number}/labels`]: row('', (p) => {
      conversation(p.issue_number).labels = [];
    }),
    [`POST ${repo}/issues/{issue_number}/assignees`]: row('assignees', (p) => {
      const of = conversation(p.issue_number);
      of.assignees = [...(of.assignees ?? []), ...strings(p.assignees).map(person)];
      return asIssue(of.number);
    }),
    [`DELETE ${repo}/issues/{issue_number}/assignees`]: row('assignees', (p) => {
      const of = conversation(p.issue_number);
      of.assignees = (of.assignees ?? []).filter((one) => !strings(p.assignees).includes(one.login));
      return asIssue(of.number);
    }),
    [`PUT ${repo}/issues/{issue_number}/lock`]: row(
      'lock_reason',
      (p) => void w.locks.set(conversation(p.issue_number).number, String(p.lock_reason)),
    ),
    [`DELETE ${repo}/issues/{issue_number}/lock`]: row('', (p) => void w.locks.delete(Number(p.issue_number))),
    ...reactionRows(world, `${repo}/issues/{issue_number}/reactions`, (p) => `issue ${p.issue_number}`),
    ...reactionRows(world, `${repo}/issues/comments/{comment_id}/reactions`, (p) => `comment ${p.comment_id}`),
    ...reactionRows(world, `${repo}/pulls/comments/{comment_id}/reactions`, (p) => `line ${p.comment_id}`),
    [`GET ${repo}/labels`]: row(PAGES, (p) => pageOf(w.labels, p).map(shapeLabel)),
    [`GET ${repo}/labels/{name}`]: row('', (p) =>
      shapeLabel(w.labels.find((one) => one.name === p.name) ?? failRoute(404, 'Not Found')),
    ),
    [`POST ${repo}/labels`]: row('name color description', (p) => {
      const made = { id: id(), name: String(p.name), color: String(p.color), description: p.description as string };
      w.labels.push(made);
      return shapeLabel(made);
    }),
    [`PATCH ${repo}/labels/{name}`]: row('new_name color description', (p) => {
      const of = w.labels.find((one) => one.name === p.name) ?? failRoute(404, 'Not Found');
      Object.assign(of, {
        ...(p.new_name !== undefined && { name: p.new_name }),
        ...(p.color !== undefined && { color: p.color }),
      });
      return shapeLabel(of);
    }),
    [`DELETE ${repo}/labels/{name}`]: row(
      '',
      (p) =>
        void w.labels.splice(
          w.labels.findIndex((one) => one.name === p.name),
          1,
        ),
    ),
    [`GET ${repo}/milestones/{milestone_number}`]: row('', (p) =>
      milestone(
        base,
        OWNER,
        REPO,
        w.milestones.find((one) => one.number === Number(p.milestone_number)) ?? failRoute(404, 'Not Found'),
      ),
    ),
    [`GET ${repo}/releases`]: row(PAGES, (p) => pageOf(w.releases, p).map((one) => release(base, OWNER, REPO, one))),
    [`GET ${repo}/releases/latest`]: row('', () =>
      release(base, OWNER, REPO, w.releases.find((one) => !one.draft) ?? failRoute(404, 'Not Found')),
    ),
  };
}
