-- Tokens that end and are renewed, and several GitHub Apps side by side.

ALTER TABLE "connection"
  -- When the forge gave the tokens that are here, and how renewing them went since.
  ADD COLUMN "token_granted_at" timestamptz,
  ADD COLUMN "token_failures" integer NOT NULL DEFAULT 0,
  ADD COLUMN "token_failed_at" timestamptz,
  -- One process at a time renews them. A lease and not a lock of PostgreSQL, so that no database connection is held while
  -- a forge takes its time; it ends by itself when its process does.
  ADD COLUMN "token_lease_until" timestamptz,
  ADD COLUMN "token_lease_by" uuid;

-- Two Apps may be installed on the same account, each a connection of its own.
DROP INDEX "connection_identity";
CREATE UNIQUE INDEX "connection_identity" ON "connection"
  ("organization_id", coalesce("user_id", ''), "forge", coalesce("instance_url", ''), "provider_account_id", coalesce("app_id", ''));
