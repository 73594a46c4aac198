-- What the issue or pull request said when the agent was asked for: what it says later is not told to the agent (R14).
ALTER TABLE "agent_session" ADD COLUMN "context" jsonb NOT NULL DEFAULT '{}';
-- Runners keep their own.
ALTER TABLE "agent_session" DROP COLUMN "runner_handle";
