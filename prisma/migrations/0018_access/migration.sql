-- Who was let do what, and who was not; and which commits of strangers may run.

-- One row for what was decided alike in a few seconds. Written once, pruned after RETENTION_DAYS.
CREATE TABLE "access_decision" (
  "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "actor" text NOT NULL,
  "action" text NOT NULL,
  "subject" text NOT NULL,
  "allowed" boolean NOT NULL,
  -- Which rule refused it; NULL when it was allowed.
  "because" text,
  -- In words.
  "why" text NOT NULL,
  "times" integer NOT NULL DEFAULT 1,
  "decided_at" timestamptz NOT NULL DEFAULT now(),
  CHECK ("allowed" = ("because" IS NULL))
);
CREATE INDEX "access_decision_time" ON "access_decision" ("organization_id", "decided_at" DESC);

-- An approval holds for the one commit that was looked at, and for none that is pushed later.
CREATE TABLE "trusted_commit" (
  "repository_id" uuid NOT NULL REFERENCES "repository" ("id") ON DELETE CASCADE,
  "number" integer NOT NULL,
  "sha" text NOT NULL CHECK ("sha" ~ '^[0-9a-f]{40}([0-9a-f]{24})?$'),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  -- As the trail names them.
  "approved_by" text NOT NULL,
  "approver_login" text NOT NULL,
  "approved_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("repository_id", "number", "sha")
);
CREATE INDEX "trusted_commit_organization" ON "trusted_commit" ("organization_id");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['access_decision', 'trusted_commit'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY tenant ON %I USING (organization_id = current_organization())
                    WITH CHECK (organization_id = current_organization())', t);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON %I TO forgeway_worker, forgeway_api', t);
  END LOOP;
END $$;
-- Serving people only adds to the trail; the worker also takes away what is past its time.
REVOKE DELETE ON "access_decision" FROM forgeway_api;
