-- Since when the forge has not told what a push or a pull request changes: {"<workspace> <what>": milliseconds}. Not in "seen",
-- which is kept only of a look that came to its end.
ALTER TABLE "repository_watch" ADD COLUMN "unanswered" jsonb NOT NULL DEFAULT '{}';
