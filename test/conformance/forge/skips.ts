/**
 * What a forge is excused from in this suite, and why: the whole list, printed in docs/support-matrix.md. An excuse that
 * is not needed any more fails the suite.
 */
export type Check = 'files' | 'events' | 'event schema' | 'addresses' | 'routes' | 'story';

export interface DeclaredSkip {
  /** The forge's id. */
  forge: string;
  check: Check;
  /** One file, event or shape; absent for the whole check. */
  what?: string;
  reason: string;
}

const NOTHING_TO_TRANSLATE = 'GitHub’s shapes are the internal ones: nothing is translated.';
const TOY_IS_SMALL = 'A forge of the tests: it proves that forty routes can be had without a change elsewhere.';

export const skips: readonly DeclaredSkip[] = [
  ...['routes', 'convert'].map((what) => ({
    forge: 'github',
    check: 'files' as const,
    what,
    reason: NOTHING_TO_TRANSLATE,
  })),
  { forge: 'github', check: 'files', what: 'hooks', reason: 'An App has one webhook, which is set up with it.' },
  { forge: 'github', check: 'events', reason: 'It gives every event, unchanged.' },
  {
    forge: 'github',
    check: 'event schema',
    reason: 'What it sends passes unchanged; its fixtures hold only what handlers read.',
  },
  { forge: 'github', check: 'addresses', reason: 'They are its own and pass unchanged.' },
  { forge: 'github', check: 'routes', reason: 'Its API is spoken already.' },
  {
    forge: 'gitlab',
    check: 'event schema',
    what: 'membership.edited',
    reason:
      'An event that GitHub has not: the level of a member of a group was changed. Its payload is that of `added`.',
  },
  { forge: 'toy', check: 'addresses', reason: `${TOY_IS_SMALL} Many of GitHub’s addresses lead nowhere on it.` },
  { forge: 'toy', check: 'routes', reason: TOY_IS_SMALL },
  { forge: 'toy', check: 'files', what: 'poll.ts', reason: `${TOY_IS_SMALL} It is served by its webhooks alone.` },
];

export const skipsOf = (forge: string, check: Check): readonly DeclaredSkip[] =>
  skips.filter((skip) => skip.forge === forge && skip.check === check);

/** Whether a whole check is excused. */
export const isSkipped = (forge: string, check: Check): boolean =>
  skipsOf(forge, check).some(({ what }) => what === undefined);
