-- The API: its tokens, who may look one up, and what is told to those who listen.

CREATE TABLE "api_token" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- Of a person's token: the one organization that it is limited to; none: all of theirs.
  "organization_id" uuid REFERENCES "organization" ("id") ON DELETE CASCADE,
  "user_id" text REFERENCES "user" ("id") ON DELETE CASCADE,
  "kind" text NOT NULL CHECK ("kind" IN ('user', 'organization', 'machine')),
  "name" text NOT NULL,
  -- Its first characters, by which people recognise it.
  "prefix" text NOT NULL,
  -- SHA-256 of a secret with 256 random bits: nothing that could be guessed, so nothing that has to be slow.
  "secret_hash" bytea NOT NULL UNIQUE CHECK (length("secret_hash") = 32),
  "scopes" jsonb NOT NULL CHECK (jsonb_typeof("scopes") = 'array'),
  "role" text CHECK ("role" IN ('viewer', 'member', 'maintainer', 'admin', 'owner')),
  "expires_at" timestamptz,
  -- To ten minutes.
  "last_used_at" timestamptz,
  "revoked_at" timestamptz,
  "created_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  CHECK (("kind" = 'user') = ("user_id" IS NOT NULL)),
  CHECK (("kind" = 'user') = ("role" IS NULL)),
  CHECK ("kind" = 'user' OR "organization_id" IS NOT NULL)
);
CREATE INDEX "api_token_organization" ON "api_token" ("organization_id");
CREATE INDEX "api_token_user" ON "api_token" ("user_id");

ALTER TABLE "api_token" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "api_token" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "api_token" USING ("organization_id" = current_organization())
  WITH CHECK ("organization_id" = current_organization());
-- A person's own, of no organization: in a transaction that has named the person.
CREATE POLICY own ON "api_token" TO forgeway_api, forgeway_worker
  USING ("organization_id" IS NULL AND "user_id" = current_person())
  WITH CHECK ("organization_id" IS NULL AND "user_id" = current_person());
-- A token is looked up before its tenant is known: whoever names the hash of its secret sees this one row.
CREATE POLICY presented ON "api_token" FOR SELECT TO forgeway_api
  USING ("secret_hash" = decode(nullif(current_setting('app.token_hash', true), ''), 'hex'));
CREATE POLICY used ON "api_token" FOR UPDATE TO forgeway_api
  USING ("secret_hash" = decode(nullif(current_setting('app.token_hash', true), ''), 'hex'));
-- What a token may do never changes: another one is made.
GRANT SELECT, INSERT, UPDATE ("last_used_at", "revoked_at") ON "api_token" TO forgeway_api, forgeway_worker;

-- The caller names an organization by its slug, before a tenant is known.
CREATE POLICY named ON "organization" FOR SELECT TO forgeway_api
  USING ("slug" = nullif(current_setting('app.organization_slug', true), ''));

-- ── What changed, for those who listen ────────────────────────────────────────────────────────────────────────────

-- Read in the order (transaction, id), and only below the oldest transaction that still runs: numbers are given before the
-- commit, so that by the number alone a listener would pass over what commits late. Kept for a day. No reference to
-- organization: its row would be locked by every change of anything.
CREATE TABLE "change_event" (
  "organization_id" uuid NOT NULL,
  "transaction_id" bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
  "id" bigint GENERATED ALWAYS AS IDENTITY,
  "kind" text NOT NULL,
  "subject_id" text NOT NULL,
  "change" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("organization_id", "transaction_id", "id")
);
ALTER TABLE "change_event" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "change_event" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "change_event" USING ("organization_id" = current_organization())
  WITH CHECK ("organization_id" = current_organization());
-- What is older than a day is deleted across tenants, also those that are gone.
CREATE POLICY outdated ON "change_event" TO forgeway_worker USING ("created_at" < now() - interval '1 day')
  WITH CHECK (false);
CREATE INDEX "change_event_time" ON "change_event" USING brin ("created_at");
GRANT SELECT, INSERT, DELETE ON "change_event" TO forgeway_worker;
GRANT SELECT, INSERT ON "change_event" TO forgeway_api;

-- The inbox's rows are written before the transaction has named a tenant: for the one row it names that of the change.
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed record := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
  tenant text := coalesce(current_setting('app.organization_id', true), '');
BEGIN
  IF tenant <> changed.organization_id::text THEN
    PERFORM set_config('app.organization_id', changed.organization_id::text, true);
  END IF;
  INSERT INTO change_event (organization_id, kind, subject_id, change)
  VALUES (changed.organization_id, TG_ARGV[0], changed.id::text,
    CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'DELETE' THEN 'removed' ELSE TG_ARGV[1] END);
  IF tenant <> changed.organization_id::text THEN
    PERFORM set_config('app.organization_id', tenant, true);
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER "pull_request_made" AFTER INSERT OR DELETE ON "pull_request"
  FOR EACH ROW EXECUTE FUNCTION tell_change('pull_request');
CREATE TRIGGER "pull_request_changed" AFTER UPDATE ON "pull_request"
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION tell_change('pull_request', 'changed');
CREATE TRIGGER "preview_made" AFTER INSERT OR DELETE ON "preview"
  FOR EACH ROW EXECUTE FUNCTION tell_change('preview');
CREATE TRIGGER "preview_changed" AFTER UPDATE ON "preview"
  FOR EACH ROW WHEN ((OLD."phase", OLD."url", OLD."message", OLD."observed_sha", OLD."desired_state", OLD."desired_sha")
    IS DISTINCT FROM (NEW."phase", NEW."url", NEW."message", NEW."observed_sha", NEW."desired_state", NEW."desired_sha"))
  EXECUTE FUNCTION tell_change('preview', 'changed');
CREATE TRIGGER "connection_made" AFTER INSERT OR DELETE ON "connection"
  FOR EACH ROW EXECUTE FUNCTION tell_change('connection');
CREATE TRIGGER "connection_changed" AFTER UPDATE ON "connection"
  FOR EACH ROW WHEN ((OLD."name", OLD."status", OLD."status_reason", OLD."capabilities", OLD."sync_mode", OLD."access_token_expires_at")
    IS DISTINCT FROM (NEW."name", NEW."status", NEW."status_reason", NEW."capabilities", NEW."sync_mode", NEW."access_token_expires_at"))
  EXECUTE FUNCTION tell_change('connection', 'changed');
CREATE TRIGGER "webhook_delivery_finished" AFTER UPDATE ON "webhook_delivery"
  FOR EACH ROW WHEN (NEW."status" IN ('done', 'ignored', 'dead') AND OLD."status" <> NEW."status"
    AND NEW."organization_id" IS NOT NULL)
  EXECUTE FUNCTION tell_change('delivery', 'finished');
