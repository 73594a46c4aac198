-- Apps that an administrator registered on a forge from a manifest, beside the one of the environment.

-- They belong to the installation of Forgeway. The secret of an App's webhooks is in its row of "hook", where every other is.
CREATE TABLE "forge_app" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "base_url" text NOT NULL,
  "app_id" text NOT NULL,
  "slug" text NOT NULL,
  "name" text NOT NULL,
  -- The App's own page, where people install it.
  "page_url" text NOT NULL,
  -- The account that owns it on the forge, by the forge's number.
  "owner_id" bigint NOT NULL,
  "owner_login" text NOT NULL,
  "client_id" text NOT NULL,
  "hook_id" text NOT NULL UNIQUE REFERENCES "hook" ("id") ON DELETE CASCADE,
  "private_key_ciphertext" text,
  "private_key_iv" text,
  "private_key_tag" text,
  "client_secret_ciphertext" text,
  "client_secret_iv" text,
  "client_secret_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "registered_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "app_id")
);
CREATE TRIGGER sealed_row_goes_forward BEFORE UPDATE ON "forge_app" FOR EACH ROW
  WHEN (NEW.secret_version < OLD.secret_version OR NEW.secret_key_version < OLD.secret_key_version)
  EXECUTE FUNCTION sealed_row_goes_forward();

-- Registrations under way. The state goes to the forge and comes back, the browser keeps a secret of its own: both by their
-- hashes. What was chosen is kept here and not believed from the address that the browser comes back to.
CREATE TABLE "forge_app_registration" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "state_hash" text NOT NULL UNIQUE,
  "browser_hash" text NOT NULL,
  "actor" text NOT NULL,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "base_url" text NOT NULL,
  "hook_id" text NOT NULL UNIQUE,
  "expires_at" timestamptz NOT NULL,
  "consumed_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "forge_app_registration_expiry" ON "forge_app_registration" ("expires_at");

GRANT SELECT, INSERT, UPDATE, DELETE ON "forge_app", "forge_app_registration" TO forgeway_api;
-- The worker signs with the key and changes nothing; people's sign-in is not for it.
GRANT SELECT ("id", "forge", "host", "base_url", "app_id", "slug", "page_url", "owner_id", "hook_id", "created_at",
  "private_key_ciphertext", "private_key_iv", "private_key_tag", "client_secret_ciphertext", "client_secret_iv",
  "client_secret_tag", "secret_salt", "secret_key_version", "secret_version") ON "forge_app" TO forgeway_worker;

-- Who may install an App here. Accounts by the forge's number; whoever else has installed one waits and is served nothing.
CREATE TABLE "admitted_account" (
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "account_id" bigint NOT NULL,
  -- As it was called then; for showing.
  "login" text NOT NULL,
  "admitted_by" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("forge", "host", "account_id")
);

CREATE TABLE "waiting_installation" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "app_id" text NOT NULL,
  "installation_id" bigint NOT NULL,
  "hook_id" text NOT NULL,
  -- Null while no delivery has named it.
  "account_id" bigint,
  "account_login" text,
  "deliveries" integer NOT NULL DEFAULT 1,
  "first_seen_at" timestamptz NOT NULL DEFAULT now(),
  "last_seen_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "app_id", "installation_id")
);

GRANT SELECT, INSERT, UPDATE, DELETE ON "waiting_installation", "admitted_account" TO forgeway_worker;
GRANT SELECT ON "waiting_installation", "admitted_account" TO forgeway_api;
-- Admitting asks the forge, which is the worker's; it is written down with who did it.
GRANT INSERT ON "platform_audit_entry" TO forgeway_worker;
