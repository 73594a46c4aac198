-- Previews of branches, previews that somebody asked for by hand, and why one is gone.

ALTER TABLE "preview" ALTER COLUMN "pull_request_id" DROP NOT NULL;
ALTER TABLE "preview"
  -- Of a branch and of no pull request.
  ADD COLUMN "branch" text,
  -- Somebody asked for it in words: then it is there whatever labels and paths say.
  ADD COLUMN "by_hand" boolean NOT NULL DEFAULT false,
  -- What was made for an earlier wish than this one is made anew.
  ADD COLUMN "rebuild_version" bigint NOT NULL DEFAULT 0,
  -- Said to people when it went for another reason than that the pull request was closed.
  ADD COLUMN "ended_reason" text,
  ADD CONSTRAINT "preview_of_one_thing" CHECK (("pull_request_id" IS NULL) <> ("branch" IS NULL));
CREATE UNIQUE INDEX "preview_branch" ON "preview" ("repository_id", "branch");

-- The patterns of `branches:` as they were read last; NULL: never.
ALTER TABLE "repository" ADD COLUMN "preview_branches" jsonb;
