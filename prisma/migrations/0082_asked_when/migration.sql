-- When the round of a session that is under way was asked for: by our clock, and by the forge's where it was asked for there. A stop
-- ends what had been asked for when it was written, and nothing since. Rows of before have neither, see session-record.ts.
ALTER TABLE "agent_session" ADD COLUMN "round_asked_at" timestamptz, ADD COLUMN "round_told_at" timestamptz;
