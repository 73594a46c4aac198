-- Sign-in with forges. People, their sessions and who they are on which forge belong to the installation of Forgeway and to
-- no tenant: what a person may see of a tenant is said by "member" alone. Only the role of the API reads and writes them.

-- `email` is what Better Auth needs to be unique: a made-up address per identity, so that no two accounts are ever taken for
-- one person because a forge says that they share an address. `contact_email` is for writing to, never for finding anybody.
ALTER TABLE "user"
  ADD COLUMN "email_verified" boolean NOT NULL DEFAULT false,
  ADD COLUMN "image" text,
  ADD COLUMN "contact_email" text,
  ADD COLUMN "platform_admin" boolean NOT NULL DEFAULT false,
  ADD COLUMN "suspended_at" timestamptz,
  ADD COLUMN "updated_at" timestamptz NOT NULL DEFAULT now();

-- Who somebody is on a forge: its number for them, on that host. Better Auth's `account`. Logins are shown and never looked
-- up: forges give them to others in time. A forge's tokens are not kept here, whatever the library would do.
CREATE TABLE "identity" (
  "id" text PRIMARY KEY,
  "user_id" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
  "provider_id" text NOT NULL,
  "account_id" text NOT NULL CHECK ("account_id" ~ '^[1-9][0-9]{0,18}$'),
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "remote_id" bigint NOT NULL GENERATED ALWAYS AS ("account_id"::bigint) STORED,
  "login" text NOT NULL,
  "access_token" text CHECK ("access_token" IS NULL),
  "refresh_token" text CHECK ("refresh_token" IS NULL),
  "id_token" text CHECK ("id_token" IS NULL),
  "password" text CHECK ("password" IS NULL),
  "access_token_expires_at" timestamptz,
  "refresh_token_expires_at" timestamptz,
  "scope" text,
  "last_sign_in_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host", "remote_id"),
  UNIQUE ("provider_id", "account_id")
);
CREATE INDEX "identity_user" ON "identity" ("user_id");

CREATE TABLE "session" (
  "id" text PRIMARY KEY,
  "user_id" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
  -- Of no use alone: what a browser holds is this and a signature that the master key gives.
  "token" text NOT NULL UNIQUE,
  "expires_at" timestamptz NOT NULL,
  "ip_address" text,
  "user_agent" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "session_user" ON "session" ("user_id");
CREATE INDEX "session_expiry" ON "session" ("expires_at");

-- Sign-ins under way, by the hash of their state.
CREATE TABLE "verification" (
  "id" text PRIMARY KEY,
  "identifier" text NOT NULL UNIQUE,
  "value" text NOT NULL,
  "expires_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "verification_expiry" ON "verification" ("expires_at");

-- What an administrator registered on a forge so that people can sign in with it: one per instance.
CREATE TABLE "oauth_client" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- Last part of the callback's address; made from forge and host, so that it is the same when the client is added again.
  "provider_id" text NOT NULL UNIQUE,
  "forge" text NOT NULL,
  "host" text NOT NULL,
  "base_url" text NOT NULL,
  "label" text NOT NULL,
  "client_id" text NOT NULL,
  "client_secret_ciphertext" text,
  "client_secret_iv" text,
  "client_secret_tag" text,
  "secret_salt" text,
  "secret_key_version" integer NOT NULL DEFAULT 1,
  "secret_version" integer NOT NULL DEFAULT 0,
  "enabled" boolean NOT NULL DEFAULT true,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("forge", "host")
);

CREATE TRIGGER sealed_row_goes_forward BEFORE UPDATE ON "oauth_client" FOR EACH ROW
  WHEN (NEW.secret_version < OLD.secret_version OR NEW.secret_key_version < OLD.secret_key_version)
  EXECUTE FUNCTION sealed_row_goes_forward();

-- Codes that are shown or sent once, by their hashes: the link that makes the first administrator, and devices.
CREATE TABLE "sign_in_code" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "kind" text NOT NULL CHECK ("kind" IN ('setup', 'device', 'deep-link')),
  "code_hash" text NOT NULL UNIQUE,
  -- The short one that a person compares or types.
  "user_code_hash" text UNIQUE,
  -- Of a deep link: the hash of the secret that only the app that asked has (RFC 7636).
  "challenge" text,
  -- What asks, as it says itself: for the person who decides, and believed by nobody.
  "asked_by" jsonb NOT NULL DEFAULT '{}',
  "status" text NOT NULL DEFAULT 'pending' CHECK ("status" IN ('pending', 'approved', 'denied')),
  "user_id" text REFERENCES "user" ("id") ON DELETE CASCADE,
  "last_polled_at" timestamptz,
  "expires_at" timestamptz NOT NULL,
  "consumed_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "sign_in_code_expiry" ON "sign_in_code" ("expires_at");

CREATE TABLE "platform_setting" (
  "key" text PRIMARY KEY,
  "value" jsonb NOT NULL,
  "updated_by" text NOT NULL,
  "updated_at" timestamptz NOT NULL DEFAULT now()
);

-- The trail of what belongs to no organization: sign-ins, administrators, clients, policy.
CREATE TABLE "platform_audit_entry" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "actor" text NOT NULL,
  "action" text NOT NULL,
  "subject" text NOT NULL,
  "detail" jsonb NOT NULL DEFAULT '{}',
  "created_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "platform_audit_entry_time" ON "platform_audit_entry" ("created_at");

GRANT SELECT, INSERT, UPDATE, DELETE
  ON "user", "identity", "session", "verification", "oauth_client", "sign_in_code", "platform_setting" TO forgeway_api;
GRANT SELECT, INSERT ON "platform_audit_entry" TO forgeway_api;

-- Handlers find the person behind a forge's number, and whether an unknown account may come in. Nothing else of people.
GRANT SELECT ("forge", "host", "remote_id", "login", "user_id") ON "identity" TO forgeway_worker;
GRANT SELECT ("id", "name", "suspended_at") ON "user" TO forgeway_worker;
GRANT SELECT ON "platform_setting" TO forgeway_worker;

-- A person's own memberships, in whichever organizations: what a session is worth. Set for one transaction, like the tenant.
CREATE FUNCTION current_person() RETURNS text LANGUAGE sql STABLE
  AS $$ SELECT nullif(current_setting('app.user_id', true), '') $$;
CREATE POLICY own ON "member" FOR SELECT TO forgeway_api USING ("user_id" = current_person());
CREATE INDEX "member_user" ON "member" ("user_id");
