/**
 * For every row that writes: what is written, and through which other route its effect is read back. A row that no table of
 * the registry has any more fails the suite.
 */
import type { Effect } from './effect.js';
import { effectsOfConversations } from './effects-of-conversations.js';
import { effectsOfRepositories } from './effects-of-repositories.js';

export const EFFECTS: Readonly<Record<string, Effect>> = { ...effectsOfConversations, ...effectsOfRepositories };
