-- People on their way to a forge and back, to connect an account of theirs. The state is known by its hash alone, and the
-- secret half of PKCE is made from it; a link ends with the session that it was begun in.
CREATE TABLE "account_link" (
  "state_hash" text PRIMARY KEY,
  "organization_id" uuid NOT NULL REFERENCES "organization" ("id") ON DELETE CASCADE,
  "user_id" text NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
  "session_id" text NOT NULL REFERENCES "session" ("id") ON DELETE CASCADE,
  "provider_id" text NOT NULL,
  "expires_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "account_link_expiry" ON "account_link" ("organization_id", "expires_at");

ALTER TABLE "account_link" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "account_link" FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "account_link" USING (organization_id = current_organization())
  WITH CHECK (organization_id = current_organization());
GRANT SELECT, INSERT, DELETE ON "account_link" TO forgeway_api;
-- Within a tenant it may look, as at every table of one; a hash is worth nothing to it.
GRANT SELECT ON "account_link" TO forgeway_worker;
