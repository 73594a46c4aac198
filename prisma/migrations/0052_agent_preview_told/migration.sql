-- The preview that a session's agent has been told of in this start: another one, or the first, is told while it works.
ALTER TABLE "agent_session" ADD COLUMN "told_preview_url" text;
