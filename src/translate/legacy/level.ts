/** How old the Probot is that an app was written for; each level brings what its Probot had and later ones lost. */
export const legacyLevels = ['v7', 'v9', 'v12', 'v13'] as const;
export type LegacyLevel = (typeof legacyLevels)[number];

/** True when an app for `level` may rely on what Probot had up to `last`. */
export const had = (level: LegacyLevel, last: LegacyLevel): boolean =>
  legacyLevels.indexOf(level) <= legacyLevels.indexOf(last);
