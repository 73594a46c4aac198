-- Model keys and the like that an organization gives its agents: the organization whose key it is pays for what they use.
CREATE TABLE "agent_secret" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "name" text NOT NULL CHECK ("name" ~ '^[A-Z][A-Z0-9_]{0,63}$'),
  "value_ciphertext" text,
  "value_iv" text,
  "value_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "set_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("organization_id", "name")
);
ALTER TABLE "agent_secret" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "agent_secret" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "agent_secret" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
CREATE POLICY count_keys ON "agent_secret" FOR SELECT TO CURRENT_USER
  USING ((SELECT current_setting('app.sealed_rows', true)) = 'counting');
CREATE TRIGGER sealed_row_goes_forward BEFORE UPDATE ON "agent_secret" FOR EACH ROW
  WHEN (NEW.secret_version < OLD.secret_version OR NEW.secret_key_version < OLD.secret_key_version)
  EXECUTE FUNCTION sealed_row_goes_forward();
GRANT SELECT, INSERT, UPDATE, DELETE ON "agent_secret" TO forgeway_worker, forgeway_api;
