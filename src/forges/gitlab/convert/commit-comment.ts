/** Which commit a comment stands on: kept by those who hear of it, since its id alone does not say. */
import { z } from 'zod';

/** Record: key is {@link placeOfCommitComment}, data `{ sha }`. */
export const COMMIT_COMMENT = 'commit_comment';
export const commentedCommit = z.looseObject({ sha: z.string() });

/** Ids of projects never change; `id` is '' for the beginning that all comments of a project share. */
export const placeOfCommitComment = (project: number | string | bigint, id: number | string): string =>
  `${project}/${id}`;
