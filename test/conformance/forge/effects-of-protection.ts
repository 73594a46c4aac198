/** Effects of rows that write a part of the protection of a branch. */
import { branch, type Effect, gone, names, type Params, R, type Stage } from './effect.js';

const PROTECTION = `${R}/branches/{branch}/protection`;
const CHECKS = `${PROTECTION}/required_status_checks`;
const REVIEWS = `${PROTECTION}/required_pull_request_reviews`;
const RESTRICTIONS = `${PROTECTION}/restrictions`;

/** A branch that asks for two checks and one approval, and that alice may push to. */
const guarded = async (stage: Stage) => {
  const which = { branch: (await branch(stage)).ref.slice('heads/'.length) };
  await stage.ask(`PUT ${PROTECTION}`, {
    ...which,
    required_status_checks: { strict: false, contexts: ['build', 'lint'] },
    enforce_admins: null,
    required_pull_request_reviews: { required_approving_review_count: 1 },
    restrictions: { users: ['alice'], teams: [], apps: [] },
  });
  return which;
};

const writing = (more: Params, by: string, then: Pick<Effect, 'seen' | 'want'>): Effect => ({
  given: async (stage) => ({ ...(await guarded(stage)), ...more }),
  by: `GET ${by}`,
  ...then,
});

const contexts = (...wanted: string[]): Pick<Effect, 'seen' | 'want'> => ({
  seen: ({ data }) => [...data].sort(),
  want: () => wanted,
});
const users = (...wanted: string[]): Pick<Effect, 'seen' | 'want'> => ({
  seen: ({ data }) => names(data, 'login').sort(),
  want: () => wanted,
});

export const effectsOfProtection: Readonly<Record<string, Effect>> = {
  [`PATCH ${CHECKS}`]: writing({ strict: true, contexts: ['test'] }, CHECKS, {
    seen: ({ data }) => [data.strict, data.contexts],
    want: () => [true, ['test']],
  }),
  [`DELETE ${CHECKS}`]: writing({}, CHECKS, gone),
  // As its library sends them: a bare list.
  [`POST ${CHECKS}/contexts`]: writing({ data: ['test'] }, `${CHECKS}/contexts`, contexts('build', 'lint', 'test')),
  [`PUT ${CHECKS}/contexts`]: writing({ data: ['test'] }, `${CHECKS}/contexts`, contexts('test')),
  [`DELETE ${CHECKS}/contexts`]: writing({ data: ['lint'] }, `${CHECKS}/contexts`, contexts('build')),
  [`PATCH ${REVIEWS}`]: writing({ required_approving_review_count: 3 }, REVIEWS, {
    seen: ({ data }) => data.required_approving_review_count,
    want: () => 3,
  }),
  [`DELETE ${REVIEWS}`]: writing({}, REVIEWS, gone),
  [`DELETE ${RESTRICTIONS}`]: writing({}, RESTRICTIONS, gone),
  [`POST ${RESTRICTIONS}/users`]: writing({ data: ['carol'] }, `${RESTRICTIONS}/users`, users('alice', 'carol')),
  [`PUT ${RESTRICTIONS}/users`]: writing({ data: ['carol'] }, `${RESTRICTIONS}/users`, users('carol')),
  [`DELETE ${RESTRICTIONS}/users`]: writing({ data: ['alice'] }, `${RESTRICTIONS}/users`, users()),
};
