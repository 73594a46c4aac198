-- The commit that a push of a session was begun with, and when, until its end is known: whoever is killed in the middle of a push may
-- have made something public that nobody has written down.
ALTER TABLE "agent_session" ADD COLUMN "push_sha" text, ADD COLUMN "push_begun_at" timestamptz;
