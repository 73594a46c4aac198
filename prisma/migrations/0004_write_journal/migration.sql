-- The write journal (decision 6): every mutating request of an app, recorded before it is sent and after it was answered.

-- The dispatch whose journal this one goes on with: a person's replay of a row that never finished. NULL: its own.
ALTER TABLE "dispatch" ADD COLUMN "journal_of" bigint REFERENCES "dispatch" ("id") ON DELETE SET NULL;
CREATE INDEX "dispatch_journal_of" ON "dispatch" ("journal_of") WHERE "journal_of" IS NOT NULL;

CREATE TABLE "write_journal" (
  -- A dispatch is one (delivery, event, app).
  "dispatch_id" bigint NOT NULL REFERENCES "dispatch" ("id") ON DELETE CASCADE,
  "request_hash" bytea NOT NULL,
  -- The how-manyth request with this hash in one run: the order of different writes does not matter.
  "ordinal" integer NOT NULL CHECK ("ordinal" > 0),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  -- GitHub's route string, and the path that was asked; what was sent is kept for shadow rows alone.
  "route" text NOT NULL,
  "path" text NOT NULL,
  "safety" text NOT NULL CHECK ("safety" IN ('idempotent', 'findable', 'unsafe')),
  -- sent: no answer is known. answered: done. refused: it is known that nothing was done. unknown: the answer was lost.
  -- shadow: recorded instead of sent.
  "status" text NOT NULL CHECK ("status" IN ('sent', 'answered', 'refused', 'unknown', 'shadow')),
  -- How many times it was sent, and by which dispatch (a replay has its own).
  "sends" integer NOT NULL DEFAULT 1,
  "sent_by" bigint NOT NULL,
  -- When it was sent first and last.
  "created_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "sent_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "answered_at" timestamptz,
  "answer_status" integer,
  "answer_headers" jsonb,
  -- As it was answered. NULL: there was none, it was too large, or it might hold a credential.
  "answer_body" bytea,
  "request_body" bytea,
  -- What the write made, so that nothing is taken for the effect of two writes.
  "effect" text,
  -- True when the answer was lost and its effect was found.
  "found" boolean NOT NULL DEFAULT false,
  PRIMARY KEY ("dispatch_id", "request_hash", "ordinal")
);
CREATE INDEX "write_journal_effect" ON "write_journal" ("organization_id", "effect") WHERE "effect" IS NOT NULL;
CREATE INDEX "write_journal_unknown" ON "write_journal" ("organization_id", "sent_at") WHERE "status" = 'unknown';
CREATE INDEX "write_journal_bodies" ON "write_journal" ("sent_at")
  WHERE "answer_body" IS NOT NULL OR "request_body" IS NOT NULL;

-- Like the inbox, the worker's alone: a row belongs to a dispatch, whose lease each insert checks, and takes its tenant.
ALTER TABLE "write_journal" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "write_journal" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "write_journal" FOR SELECT TO forgeway_api USING ("organization_id" = current_organization());
CREATE POLICY run ON "write_journal" TO forgeway_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON "write_journal" TO forgeway_worker;
GRANT SELECT ON "write_journal" TO forgeway_api;
