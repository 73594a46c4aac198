-- A session whose agent is the forge's own, such as Copilot: it is handed the issue in the name of whoever asked, and runs there.
ALTER TABLE "agent_session" ADD COLUMN "hand_off" boolean NOT NULL DEFAULT false;
-- When what a session left on its runner was removed.
ALTER TABLE "agent_session" ADD COLUMN "work_removed_at" timestamptz;
