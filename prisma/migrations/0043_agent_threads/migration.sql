-- A conversation about an issue has its sticky comment, too.
ALTER TABLE "sticky_comment" ALTER COLUMN "pull_request_id" DROP NOT NULL;
ALTER TABLE "sticky_comment" ADD COLUMN "issue_id" uuid UNIQUE REFERENCES "issue" ("id") ON DELETE CASCADE;
ALTER TABLE "sticky_comment" ADD CHECK (("pull_request_id" IS NULL) <> ("issue_id" IS NULL));

-- What this round of a session has used so far: agents tell totals, and begin at nought with each round.
ALTER TABLE "agent_session" ADD COLUMN "round_tokens" bigint NOT NULL DEFAULT 0;
ALTER TABLE "agent_session" ADD COLUMN "round_cost_micros" bigint NOT NULL DEFAULT 0;

-- With what a removed connection leaves behind.
GRANT DELETE ON "agent_session", "session_event", "client_input", "task_run", "worktree_link" TO forgeway_worker;
