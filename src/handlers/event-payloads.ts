/** The fields of each event that handlers rely on, checked where the payload enters. Objects are read by store/mirror/shape. */
import { z } from 'zod';
import {
  comment,
  id,
  issue,
  pullRequest,
  pushedCommit,
  repository,
  review,
  time,
  user,
  whole,
} from '../store/mirror/shape.js';

const installation = z.object({ id }).nullish();
const about = { repository, installation, sender: user.nullish() };

const listedRepository = z.object({
  id,
  full_name: z.string().regex(/^[^/]+\/.+/, 'is not owner and name'),
  private: z.boolean().nullish(),
  // GitHub's lists say no more; those of connections do.
  html_url: z.string().nullish(),
  default_branch: z.string().nullish(),
});

export const pullRequestEvent = z.object({ ...about, action: z.string(), pull_request: pullRequest });
export type PullRequestEvent = z.output<typeof pullRequestEvent>;

export const pushEvent = z.object({
  ...about,
  ref: z.string(),
  before: z.string().nullish(),
  after: z.string().nullish(),
  created: z.boolean().nullish(),
  deleted: z.boolean().nullish(),
  forced: z.boolean().nullish(),
  pusher: z.object({ name: z.string() }).nullish(),
  commits: z.array(pushedCommit).nullish(),
});

export type PushEvent = z.output<typeof pushEvent>;

export const createEvent = z.object({ ...about, ref: z.string(), ref_type: z.string() });

export const releaseEvent = z.object({
  ...about,
  action: z.string(),
  release: z.object({
    id: z.union([z.number(), z.string()]),
    tag_name: z.string(),
    name: z.string().nullish(),
    draft: z.boolean().nullish(),
    prerelease: z.boolean().nullish(),
  }),
});

export const issueEvent = z.object({ ...about, action: z.string(), issue });

export const issueCommentEvent = z.object({ ...about, action: z.string(), issue, comment });
export const reviewCommentEvent = z.object({
  ...about,
  action: z.string(),
  comment,
  pull_request: z.object({ number: whole }),
});
export const commitCommentEvent = z.object({ ...about, action: z.string(), comment });
export type CommitCommentEvent = z.output<typeof commitCommentEvent>;

export const reviewEvent = z.object({
  ...about,
  action: z.string(),
  review,
  pull_request: z.object({ number: whole, updated_at: time }),
});

export const organizationEvent = z.object({
  action: z.string(),
  organization: z.object({ id, login: z.string() }),
  team: z.object({ id }).nullish(),
});

export const memberEvent = z.object({ ...about, action: z.string(), member: user.nullish() });

export const repositoryEvent = z.object({ ...about, action: z.string() });

// The installation itself is read by accounts/installation-facts.
export const installationEvent = z.object({ action: z.string(), repositories: z.array(listedRepository).nullish() });
export const installationRepositoriesEvent = z.object({
  action: z.string(),
  repositories_added: z.array(listedRepository).nullish(),
  repositories_removed: z.array(listedRepository).nullish(),
});
export type ListedRepository = z.output<typeof listedRepository>;
