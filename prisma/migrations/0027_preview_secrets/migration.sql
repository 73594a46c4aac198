-- Secrets that previews are given by name: of a whole organization, or of one repository, whose value wins. Written and never read
-- back, except by the worker that gives them to a preview.
CREATE TABLE "preview_secret" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "repository_id" uuid REFERENCES "repository" ("id") ON DELETE CASCADE,
  "name" text NOT NULL,
  "value_ciphertext" text,
  "value_iv" text,
  "value_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "set_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT ("organization_id", "repository_id", "name")
);
CREATE INDEX "preview_secret_repository" ON "preview_secret" ("repository_id");

ALTER TABLE "preview_secret" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "preview_secret" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "preview_secret" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
CREATE POLICY count_keys ON "preview_secret" FOR SELECT TO CURRENT_USER
  USING ((SELECT current_setting('app.sealed_rows', true)) = 'counting');
CREATE TRIGGER sealed_row_goes_forward BEFORE UPDATE ON "preview_secret" FOR EACH ROW
  WHEN (NEW.secret_version < OLD.secret_version OR NEW.secret_key_version < OLD.secret_key_version)
  EXECUTE FUNCTION sealed_row_goes_forward();
GRANT SELECT, INSERT, UPDATE, DELETE ON "preview_secret" TO forgeway_worker;
GRANT SELECT ("id", "organization_id", "repository_id", "name", "set_by", "created_at", "updated_at"), DELETE
  ON "preview_secret" TO forgeway_api;
