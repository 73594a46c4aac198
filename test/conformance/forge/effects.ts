/**
 * For every row that writes: what is written, and through which other route its effect is read back. A row that no table of
 * the registry has any more fails the suite.
 */
import { type Effect, R, type Rendering } from './effect.js';
import { effectsOfConversations } from './effects-of-conversations.js';
import { effectsOfRepositories } from './effects-of-repositories.js';

export const EFFECTS: Readonly<Record<string, Effect>> = { ...effectsOfConversations, ...effectsOfRepositories };

/** They answer and leave nothing behind. */
export const RENDERED: Readonly<Record<string, Rendering>> = {
  'POST /markdown': { given: () => ({ text: 'Hello *you*' }), says: /^<p.*Hello.*you/ },
  'POST /markdown/raw': {
    given: () => ({ data: 'Hello *you*', headers: { 'content-type': 'text/plain' } }),
    says: /^<p.*Hello.*you/,
  },
  [`POST ${R}/releases/generate-notes`]: {
    given: (stage) => ({ tag_name: stage.word(), target_commitish: 'main' }),
    says: /\*\*Full Changelog\*\*: http/,
  },
};
