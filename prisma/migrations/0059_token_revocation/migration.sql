-- Tokens of accounts that were connected with consent and are not any more: they are ended at the forge, which may be away when
-- the connection goes. The row is made by whatever removes the connection, in the same transaction, and goes when the forge has
-- been told, or after a week. Its seals are those of the connection's row, whose id it has; see `sealedAs`.
CREATE TABLE "token_revocation" (
  "id" uuid PRIMARY KEY,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "instance_url" text,
  "account_login" text,
  "access_token_ciphertext" text,
  "access_token_iv" text,
  "access_token_tag" text,
  "refresh_token_ciphertext" text,
  "refresh_token_iv" text,
  "refresh_token_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "access_token_expires_at" timestamptz,
  "attempts" integer NOT NULL DEFAULT 0,
  "due_at" timestamptz NOT NULL,
  -- By the process that made attempt number `attempts`; one that died is overtaken after this.
  "trying_until" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "token_revocation_due" ON "token_revocation" ("due_at");

ALTER TABLE "token_revocation" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "token_revocation" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "token_revocation" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
-- What is due is found across tenants.
CREATE POLICY route ON "token_revocation" FOR SELECT TO forgeway_worker USING (true);
CREATE POLICY count_keys ON "token_revocation" FOR SELECT TO CURRENT_USER
  USING ((SELECT current_setting('app.sealed_rows', true)) = 'counting');
CREATE TRIGGER sealed_row_goes_forward BEFORE UPDATE ON "token_revocation" FOR EACH ROW
  WHEN (NEW.secret_version < OLD.secret_version OR NEW.secret_key_version < OLD.secret_key_version)
  EXECUTE FUNCTION sealed_row_goes_forward();
GRANT SELECT, INSERT, UPDATE, DELETE ON "token_revocation" TO forgeway_worker;
-- For the token before, when somebody agrees anew.
GRANT SELECT, INSERT ON "token_revocation" TO forgeway_api;

CREATE FUNCTION consent_ends() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  acting text := current_setting('app.organization_id', true);
BEGIN
  -- The owner of the tables, too, sees the rows of one organization only.
  PERFORM set_config('app.organization_id', OLD.organization_id::text, true);
  -- Not where the organization itself is deleted, of which nothing may be left.
  INSERT INTO token_revocation (id, organization_id, forge, host, instance_url, account_login,
    access_token_ciphertext, access_token_iv, access_token_tag, refresh_token_ciphertext, refresh_token_iv, refresh_token_tag,
    secret_salt, secret_key_version, secret_version, access_token_expires_at, due_at)
  SELECT OLD.id, OLD.organization_id, OLD.forge, OLD.host, OLD.instance_url, OLD.account_login,
    OLD.access_token_ciphertext, OLD.access_token_iv, OLD.access_token_tag,
    OLD.refresh_token_ciphertext, OLD.refresh_token_iv, OLD.refresh_token_tag,
    OLD.secret_salt, OLD.secret_key_version, OLD.secret_version, OLD.access_token_expires_at,
    -- Whoever renews the token at this moment still has the next one to hand over.
    greatest(now(), OLD.token_lease_until)
  FROM organization WHERE id = OLD.organization_id;
  PERFORM set_config('app.organization_id', coalesce(acting, ''), true);
  RETURN NULL;
END $$;
CREATE TRIGGER "consent_ends" AFTER DELETE ON "connection" FOR EACH ROW
  WHEN (OLD.kind = 'oauth' AND OLD.access_token_ciphertext IS NOT NULL) EXECUTE FUNCTION consent_ends();
