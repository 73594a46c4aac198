-- How many commands somebody has given lately, on one forge (R21). A row goes with the end of its window.
CREATE TABLE "command_sender" (
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "account_id" bigint NOT NULL,
  "window_start" timestamptz NOT NULL DEFAULT now(),
  "given" integer NOT NULL DEFAULT 1,
  PRIMARY KEY ("organization_id", "forge", "host", "account_id")
);
CREATE INDEX "command_sender_time" ON "command_sender" USING brin ("window_start");

-- Since when a session waits for an answer, and whether it was asked for once more.
ALTER TABLE "agent_session" ADD COLUMN "asked_at" timestamptz;
ALTER TABLE "agent_session" ADD COLUMN "reminded_at" timestamptz;
ALTER TABLE "agent_session" DROP CONSTRAINT "agent_session_stop_wanted_check";
ALTER TABLE "agent_session" ADD CONSTRAINT "agent_session_stop_wanted_check"
  CHECK ("stop_wanted" IN ('cancelled', 'superseded', 'budget', 'timeout', 'lost', 'unanswered'));

-- What whoever asked for a session is told by a comment of its own: a comment that is edited tells nobody.
CREATE TABLE "session_notice" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "session_id" uuid NOT NULL REFERENCES "agent_session" ("id") ON DELETE CASCADE,
  "kind" text NOT NULL CHECK ("kind" IN ('question', 'reminder', 'ready', 'finished', 'failed')),
  -- Place in the session's record: the same thing is told once.
  "sequence" bigint NOT NULL,
  "body" text NOT NULL,
  -- Begun before the comment is written; one that was begun is looked for first.
  "tried_at" timestamptz,
  "told_at" timestamptz,
  -- Why the forge does not take it.
  "refused" text,
  "created_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE ("session_id", "sequence", "kind")
);
CREATE INDEX "session_notice_waiting" ON "session_notice" ("session_id") WHERE "told_at" IS NULL AND "refused" IS NULL;
CREATE INDEX "session_notice_organization" ON "session_notice" ("organization_id");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['command_sender', 'session_notice'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO forgeway_worker', t);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO forgeway_api', t);
  END LOOP;
END $$;
REVOKE INSERT, UPDATE, DELETE ON "command_sender" FROM forgeway_api;
-- What is older than a day is deleted across tenants.
CREATE POLICY outdated ON "command_sender" TO forgeway_worker USING ("window_start" < now() - interval '1 day')
  WITH CHECK (false);
