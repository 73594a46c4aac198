-- What the forge said last of somebody's right in a repository, for stops while it does not answer (ADR 44). A row of nobody (account 0)
-- or of no repository (0) says since when nothing older counts, since the forge has told of a change of members.
CREATE TABLE "remembered_right" (
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_repository_id" bigint NOT NULL,
  "account_id" bigint NOT NULL,
  "level" text NOT NULL CHECK ("level" IN ('admin', 'maintain', 'write', 'triage', 'read', 'none')),
  "asked_at" timestamptz NOT NULL,
  PRIMARY KEY ("organization_id", "forge", "host", "remote_repository_id", "account_id")
);
CREATE INDEX "remembered_right_time" ON "remembered_right" USING brin ("asked_at");

ALTER TABLE "remembered_right" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "remembered_right" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "remembered_right" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON "remembered_right" TO forgeway_worker;
GRANT SELECT ON "remembered_right" TO forgeway_api;
-- What counts for nothing any more is deleted across tenants.
CREATE POLICY outdated ON "remembered_right" TO forgeway_worker USING ("asked_at" < now() - interval '1 day')
  WITH CHECK (false);
